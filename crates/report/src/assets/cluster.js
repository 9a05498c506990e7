/* One cluster: every image by distance, odd ones marked. */
"use strict";
(() => {
  const grid = SP.imageGrid(SP.by("grid"));
  const draw = () => {
    const cluster = SP.clusterById.get(Number(SP.hash())) || SP.clusters[0];
    if (!cluster) return;
    const images = Array.from(SP.order.subarray(cluster.start, cluster.start + cluster.size));
    document.title = `${SP.clusterName(cluster.id)} · ${SP.title}`;
    SP.by("title").replaceChildren(...SP.clusterTitle(cluster.id));
    SP.by("medoid").replaceChildren(SP.el("a", { class: "shot", href: `similar.html#${cluster.medoid}`, "aria-label": "Medoid, the most typical image" }, SP.thumb(cluster.medoid, Math.max(128, Math.min(SP.sheet.cell, 200)))));
    const share = 100 * cluster.size / SP.n;
    const facts = [["Images", `${cluster.size.toLocaleString("en")}, ${share < 10 ? share.toFixed(1) : share.toFixed(0)} % of all`]];
    if (cluster.id >= 0) facts.push(["Spread", `${SP.figure(cluster.spread)}, the mean distance to the centre`]);
    facts.push(["Odd", cluster.odd ? `${cluster.odd.toLocaleString("en")}, far from the centre` : "none"]);
    if (SP.labels.length) {
      const counts = new Map();
      for (const i of images) if (SP.label[i] >= 0) counts.set(SP.labelName(i), (counts.get(SP.labelName(i)) || 0) + 1);
      const top = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 4);
      if (top.length) facts.push(["Labels", top.map(([name, n]) => `${name} ${n}`).join(", ")]);
    }
    SP.by("facts").replaceChildren(...facts.map(([term, text]) => SP.el("div", {}, SP.el("dt", {}, term), SP.el("dd", {}, text))));
    const near = cluster.nearest.map((id) => SP.clusterById.get(id)).filter(Boolean);
    SP.by("near").replaceChildren(...near.map((other) => SP.el("li", {}, SP.el("a", { href: `#${other.id}` }, SP.thumb(other.medoid, 96), SP.el("span", {}, ...SP.clusterTitle(other.id), SP.el("br"), SP.el("small", {}, SP.count(other.size, "image")))))));
    SP.by("near-box").hidden = near.length === 0;
    const step = (by) => SP.clusters[(cluster.rank + by + SP.clusters.length) % SP.clusters.length].id;
    for (const [id, by] of [["before", -1], ["after", 1]]) SP.by(id).setAttribute("aria-label", `${by < 0 ? "Larger" : "Smaller"}: ${SP.clusterName(step(by))}`);
    SP.by("before").href = `#${step(-1)}`;
    SP.by("after").href = `#${step(1)}`;
    const show = () => {
      let list = images;
      if (SP.by("odd").checked) list = list.filter(SP.isOdd);
      const order = SP.by("sort").value;
      if (order === "far") list = [...list].reverse();
      if (order === "margin") list = [...list].sort((a, b) => SP.margin[a] - SP.margin[b] || a - b);
      if (order === "odd") list = [...list].sort((a, b) => SP.outlier[b] - SP.outlier[a] || a - b);
      SP.by("count").textContent = SP.count(list.length, "image");
      SP.by("none").hidden = list.length > 0;
      grid.show(list, (i, px) => SP.shot(i, px, SP.labelName(i) || (cluster.id < 0 ? "" : `distance ${SP.figure(SP.distance[i])}`)));
    };
    SP.by("sort").oninput = show;
    SP.by("odd").oninput = show;
    SP.by("save").onclick = async () => SP.save(`cluster-${cluster.id}.csv`, await SP.csv(images));
    show();
  };
  addEventListener("hashchange", () => { draw(); scrollTo(0, 0); });
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, .grid") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") SP.by("before").click();
    if (event.key === "ArrowRight") SP.by("after").click();
  });
  draw();
})();
