/* The largest clusters as cards on the first page. */
"use strict";
(() => {
  const box = SP.by("mosaic");
  if (!box) return;
  const draw = () => {
    const columns = Math.max(1, Math.floor((box.clientWidth + 14) / (262 + 14)));
    const width = Math.floor((box.clientWidth + 14) / columns) - 14;
    const shown = SP.clusters.filter((cluster) => cluster.id >= 0).slice(0, Math.max(4, columns * 3));
    box.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    box.replaceChildren(...shown.map((cluster) => SP.clusterCard(cluster, width)));
  };
  let last = 0;
  new ResizeObserver(() => { if (Math.abs(box.clientWidth - last) > 1) { last = box.clientWidth; draw(); } }).observe(box);
})();
