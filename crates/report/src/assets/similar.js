/* One image and the images most like it. */
"use strict";
(() => {
  const grid = SP.imageGrid(SP.by("grid"));
  const draw = async () => {
    const asked = Number(SP.hash());
    const i = Number.isInteger(asked) && asked >= 0 && asked < SP.n && location.hash.length > 1 ? asked : SP.clusters[0] ? SP.clusters[0].medoid : 0;
    const cluster = SP.clusterById.get(SP.cluster[i]);
    const [name, path] = await SP.names(i);
    if (asked !== Number(SP.hash())) return; // another one was asked for meanwhile
    const url = SP.absent[i] & 2 ? null : SP.fileUrl(path);
    /* The thumbnail at once; the photograph itself in its place if it is where it was. */
    const small = SP.thumb(i, Math.max(160, Math.min(2 * SP.sheet.cell, 256)), name);
    SP.by("picture").replaceChildren(small);
    if (url && /\.(jpe?g|png|webp|gif|bmp)$/i.test(path)) {
      const picture = SP.el("img", { class: "original", alt: name });
      picture.src = url;
      picture.decode().then(() => { if (small.isConnected) small.replaceWith(picture); }, () => {});
    }
    document.title = `${name} · ${SP.title}`;
    SP.by("title").textContent = name;
    const fact = (term, ...children) => SP.el("div", {}, SP.el("dt", {}, term), SP.el("dd", {}, ...children));
    SP.by("facts").replaceChildren(...[
      SP.clusters.length ? fact("Cluster", SP.el("a", { href: `cluster.html#${SP.cluster[i]}` }, ...SP.clusterTitle(SP.cluster[i])), cluster ? ` of ${SP.count(cluster.size, "image")}` : "") : null,
      cluster && cluster.id >= 0 ? fact("Distance", `${SP.figure(SP.distance[i])} from the centre, ${SP.figure(SP.margin[i])} more to the next cluster`) : null,
      cluster ? fact("Oddness", `${SP.figure(SP.outlier[i])}${SP.isOdd(i) ? ", odd" : ""} (1 and more is odd)`) : null,
      SP.labelName(i) ? fact("Label", SP.labelName(i)) : null,
      SP.twin[i] >= 0 ? fact("Copy of", SP.el("a", { href: `#${SP.twin[i]}` }, `image ${SP.twin[i]}`)) : null,
      fact("File", url ? SP.el("a", { href: url, target: "_blank", rel: "noreferrer" }, "open the original") : SP.isGone(i) ? name : "no longer where the run read it"),
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
    SP.by("heading").hidden = list.length === 0;
    SP.by("heading").textContent = SP.neighbors ? "Nearest images" : "Images of the same cluster";
    SP.by("none").hidden = list.length > 0;
    const same = (other) => (SP.cluster[other] === SP.cluster[i] ? "same cluster" : SP.clusterName(SP.cluster[other]));
    grid.show(list, (other, px) => SP.shot(other, px, score ? `${score.get(other).toFixed(2)} · ${same(other)}` : `distance ${SP.figure(SP.distance[other])}`));
  };
  SP.by("any").addEventListener("click", () => { location.hash = String(Math.floor(Math.random() * SP.n)); });
  addEventListener("hashchange", () => { draw(); scrollTo(0, 0); });
  draw();
})();
