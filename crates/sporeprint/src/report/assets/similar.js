/* One image and the images most like it. */
"use strict";
(() => {
  const grid = SP.imageGrid(SP.by("grid"));
  const draw = async () => {
    const asked = Number(SP.hash());
    const i = Number.isInteger(asked) && asked >= 0 && asked < SP.n && location.hash.length > 1 ? asked : SP.clusters[0] ? SP.clusters[0].medoid : 0;
    const cluster = SP.clusterById.get(SP.cluster[i]);
    SP.by("picture").replaceChildren(SP.thumb(i, 224, "the image asked for"));
    const [name, path] = await SP.names(i);
    document.title = `${name} · ${SP.title}`;
    SP.by("title").textContent = name;
    const fact = (term, ...children) => SP.el("div", {}, SP.el("dt", {}, term), SP.el("dd", {}, ...children));
    const url = SP.fileUrl(path);
    SP.by("facts").replaceChildren(...[
      fact("Cluster", SP.el("a", { href: `cluster.html#${SP.cluster[i]}` }, SP.clusterName(SP.cluster[i])), cluster ? ` of ${SP.count(cluster.size, "image")}` : ""),
      fact("Distance", SP.figure(SP.distance[i])), fact("Margin", SP.figure(SP.margin[i])),
      fact("Oddness", SP.figure(SP.outlier[i]) + (SP.isOdd(i) ? " (odd)" : "")),
      SP.labelName(i) ? fact("Label", SP.labelName(i)) : null,
      SP.twin[i] >= 0 ? fact("Copy of", SP.el("a", { href: `#${SP.twin[i]}` }, `image ${SP.twin[i]}`)) : null,
      url ? fact("File", SP.el("a", { href: url, target: "_blank", rel: "noreferrer" }, "open the original")) : null,
    ].filter(Boolean));
    let list, score = null;
    if (SP.neighbors) {
      const part = await SP.load(`neighbors-${Math.floor(i / SP.chunk)}`);
      part.ids = part.ids || SP.decode(part.indices, Uint32Array);
      part.scores = part.scores || SP.decode(part.similarities, Float32Array);
      const k = SP.neighbors, start = (i % SP.chunk) * k;
      list = Array.from(part.ids.subarray(start, start + k));
      score = new Map(list.map((other, at) => [other, part.scores[start + at]]));
    } else list = cluster ? Array.from(SP.order.subarray(cluster.start, cluster.start + cluster.size)).filter((other) => other !== i).slice(0, 60) : [];
    SP.by("heading").textContent = SP.neighbors ? "Nearest images" : "Images of the same cluster";
    SP.by("none").hidden = list.length > 0;
    const same = (other) => (SP.cluster[other] === SP.cluster[i] ? "same cluster" : SP.clusterName(SP.cluster[other]));
    grid.show(list, (other, px) => SP.shot(other, px, score ? `${score.get(other).toFixed(2)} · ${same(other)}` : `distance ${SP.figure(SP.distance[other])}`));
  };
  SP.by("any").addEventListener("click", () => { location.hash = String(Math.floor(Math.random() * SP.n)); });
  addEventListener("hashchange", () => { draw(); scrollTo(0, 0); });
  draw();
})();
