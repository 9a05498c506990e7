/* Small comforts of every page; all of them work without. */
"use strict";
(() => {
  const here = document.querySelector(".nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
  for (const box of document.querySelectorAll(".command")) {
    const text = box.querySelector("code").textContent, button = document.createElement("button");
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${text}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        /* No clipboard: the command is marked, ready for the keyboard's own copy. */
        getSelection().selectAllChildren(box.querySelector("code"));
        button.textContent = "Marked";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    box.append(button);
  }
})();
