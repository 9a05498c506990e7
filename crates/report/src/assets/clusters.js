/* All clusters as cards. */
"use strict";
(() => {
  const grid = new SP.Grid(SP.by("grid"), { width: 256, height: (cell) => SP.cardHeight(cell), gap: 16, stretch: true, label: "Clusters" });
  const orders = {
    size: (a, b) => b.size - a.size || a.id - b.id,
    small: (a, b) => a.size - b.size || a.id - b.id,
    tight: (a, b) => a.spread - b.spread || a.id - b.id,
    loose: (a, b) => b.spread - a.spread || a.id - b.id,
    odd: (a, b) => b.odd - a.odd || a.id - b.id,
    id: (a, b) => a.id - b.id,
  };
  const show = () => {
    const words = SP.by("filter").value.trim().toLowerCase();
    const singles = SP.by("singles").checked;
    const fits = (cluster) => (singles || cluster.size > 1) &&
      (!words || String(cluster.id) === words || `cluster ${cluster.id}` === words || (cluster.name || "").toLowerCase().includes(words) || (cluster.top_label || "").toLowerCase().includes(words));
    const clusters = SP.clusters.filter(fits).sort(orders[SP.by("sort").value]);
    SP.by("count").textContent = SP.count(clusters.length, "cluster");
    SP.by("none").hidden = clusters.length > 0;
    grid.show(clusters, SP.clusterCard);
  };
  for (const id of ["filter", "sort", "singles"]) SP.by(id).addEventListener("input", show);
  show();
})();
