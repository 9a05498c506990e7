/* While the run works: asks the small file beside the pages for news, and loads the page again when it was renewed. */
"use strict";
(() => {
  const stamp = Number(document.querySelector("meta[name=sporeprint-stamp]").content);
  const words = document.getElementById("live-words"), box = document.getElementById("live-on");
  const key = "sporeprint-renew";
  /* Some browsers keep nothing for pages on the disk; then the box forgets, and nothing else happens. */
  try { box.checked = sessionStorage.getItem(key) !== "no"; } catch { /* kept nowhere */ }
  box.addEventListener("change", () => { try { sessionStorage.setItem(key, box.checked ? "yes" : "no"); } catch { /* kept nowhere */ } });
  window.SP_progress = (news) => {
    const quiet = (Date.now() - news.at) / 60000;
    words.textContent = news.done ? "The run has ended." : quiet > 10 ? `Nothing new for ${Math.round(quiet)} minutes: the run may have stopped. ${news.words}` : news.words || "The run is working.";
    if (news.stamp > stamp && box.checked && !document.hidden) location.reload();
  };
  const ask = () => {
    const script = document.createElement("script");
    script.src = `data/progress.js?${Date.now()}`;
    script.onload = script.onerror = () => script.remove();
    document.head.append(script);
  };
  setInterval(ask, 3000);
  ask();
})();
