/* The largest clusters as cards on the first page; before there are clusters, some of the photographs. */
"use strict";
(() => {
  const fill = (box, draw) => {
    let last = 0;
    new ResizeObserver(() => { if (Math.abs(box.clientWidth - last) > 1) { last = box.clientWidth; draw(); } }).observe(box);
  };
  const box = SP.by("mosaic"), contact = SP.by("contact");
  if (box) fill(box, () => {
    const clusters = SP.clusters.filter((cluster) => cluster.id >= 0);
    /* As many columns as fit; few clusters get larger cards instead of an empty rest of the row. */
    const columns = Math.max(1, Math.min(5, Math.max(3, clusters.length), Math.floor((box.clientWidth + 16) / (256 + 16))));
    const width = Math.floor((box.clientWidth + 16) / columns) - 16;
    /* Whole rows: two on wide windows, and all clusters where they are hardly more. */
    const rows = columns === 1 ? 6 : clusters.length <= columns * 3 ? 3 : 2;
    box.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    box.replaceChildren(...clusters.slice(0, columns * rows).map((cluster) => SP.clusterCard(cluster, width)));
  });
  if (contact) fill(contact, () => {
    const px = SP.thumbPx(), columns = Math.max(2, Math.floor((contact.clientWidth + 6) / (px + 6)));
    const n = Math.min(SP.n, columns * 4), step = SP.n / n;
    contact.replaceChildren(...Array.from({ length: n }, (_, at) => SP.link(Math.floor(at * step), px)));
  });
})();
