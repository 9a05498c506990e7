/* All images in one grid, to filter and search. */
"use strict";
(() => {
  const grid = SP.imageGrid(SP.by("grid"));
  SP.by("label").append(...SP.labels.map((name, at) => SP.el("option", { value: at }, name)));
  SP.by("label-box").hidden = SP.labels.length === 0;
  let turn = 0;
  const show = async () => {
    const mine = ++turn, words = SP.by("search").value.trim().toLowerCase(), kind = SP.by("kind").value, label = SP.by("label").value;
    const names = words ? await SP.allNames() : null;
    if (mine !== turn) return;
    let list = Array.from(SP.order);
    if (kind === "odd") list = list.filter(SP.isOdd);
    if (kind === "copy") list = list.filter((i) => SP.twin[i] >= 0);
    if (kind === "single") list = list.filter((i) => SP.clusterById.get(SP.cluster[i])?.size === 1);
    if (kind === "absent") list = list.filter((i) => SP.absent[i]);
    if (label !== "") list = list.filter((i) => SP.label[i] === Number(label));
    if (names) list = list.filter((i) => names[i][0].toLowerCase().includes(words));
    const order = SP.by("sort").value;
    if (order === "index") list.sort((a, b) => a - b);
    if (order === "odd") list.sort((a, b) => SP.outlier[b] - SP.outlier[a] || a - b);
    if (order === "margin") list.sort((a, b) => SP.margin[a] - SP.margin[b] || a - b);
    SP.by("count").textContent = SP.count(list.length, "image");
    SP.by("none").hidden = list.length > 0;
    grid.show(list, (i, px) => SP.shot(i, px, SP.clusterName(SP.cluster[i])));
  };
  let pause;
  SP.by("search").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(show, 150); });
  for (const id of ["kind", "label", "sort"]) SP.by(id).addEventListener("input", show);
  show();
})();
