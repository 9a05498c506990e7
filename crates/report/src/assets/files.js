/* Near copies beside what they repeat. */
"use strict";
(() => {
  const px = Math.min(SP.thumbPx(), 120);
  const grid = new SP.Grid(SP.by("pairs"), { width: 2 * px + 8, height: px + 52, gap: 18, label: "Pairs of near copies" });
  const copies = [];
  for (let i = 0; i < SP.n; i++) if (SP.twin[i] >= 0) copies.push(i);
  grid.show(copies, (i) => SP.el("div", { style: { display: "flex", gap: "8px" } }, SP.shot(i, px, "copy"), SP.shot(SP.twin[i], px, "original")));
})();
