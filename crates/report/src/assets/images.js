/* All images in one grid, to filter and search. The filter stands in the address, so that pages can link to it. */
"use strict";
(() => {
  const grid = SP.imageGrid(SP.by("grid"));
  const clustered = SP.clusters.length > 0;
  SP.by("label").append(...SP.labels.map((name, at) => SP.el("option", { value: at }, name)));
  SP.by("label-box").hidden = SP.labels.length === 0;
  SP.by("kind-box").hidden = SP.by("sort-box").hidden = !clustered;
  for (const [kind, there] of [["noise", SP.clusterById.has(-1)], ["moved", SP.absent.some((bits) => bits & 2)], ["absent", SP.absent.some((bits) => bits & 1)], ["copy", SP.twin.some((i) => i >= 0)], ["single", SP.clusters.some((cluster) => cluster.size === 1)]])
    if (!there) SP.by("kind").querySelector(`[value=${kind}]`).remove();
  const kinds = {
    odd: SP.isOdd, copy: (i) => SP.twin[i] >= 0, single: (i) => SP.clusterById.get(SP.cluster[i])?.size === 1,
    noise: (i) => SP.cluster[i] < 0, moved: (i) => SP.absent[i] & 2, absent: (i) => SP.absent[i] & 1,
  };
  const fields = ["search", "kind", "label", "sort"];
  let turn = 0;
  const show = async () => {
    const mine = ++turn, words = SP.by("search").value.trim().toLowerCase(), kind = SP.by("kind").value, label = SP.by("label").value;
    const names = words ? await SP.allNames() : null;
    if (mine !== turn) return;
    let list = Array.from(SP.order);
    if (kinds[kind]) list = list.filter(kinds[kind]);
    if (label !== "") list = list.filter((i) => SP.label[i] === Number(label));
    if (names) list = list.filter((i) => names[i][0].toLowerCase().includes(words));
    const order = SP.by("sort").value;
    if (order === "index") list.sort((a, b) => a - b);
    if (order === "odd") list.sort((a, b) => SP.outlier[b] - SP.outlier[a] || a - b);
    if (order === "margin") list.sort((a, b) => SP.margin[a] - SP.margin[b] || a - b);
    SP.by("count").textContent = SP.count(list.length, "image");
    SP.by("none").hidden = list.length > 0;
    grid.show(list, (i, px) => SP.shot(i, px, clustered ? SP.clusterName(SP.cluster[i]) : SP.labelName(i)));
  };
  const remember = () => {
    const set = new URLSearchParams();
    for (const id of fields) if (SP.by(id).value && SP.by(id).selectedIndex !== 0) set.set(id, SP.by(id).value);
    history.replaceState(null, "", `#${set}`);
  };
  const recall = () => {
    const set = new URLSearchParams(location.hash.slice(1));
    for (const id of fields) {
      const field = SP.by(id), value = set.get(id);
      if (id === "search") field.value = value || "";
      else field.selectedIndex = Math.max(0, Array.from(field.options).findIndex((option) => option.value === value));
    }
    show();
  };
  let pause;
  const changed = () => { remember(); show(); };
  SP.by("search").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(changed, 150); });
  for (const id of fields.slice(1)) SP.by(id).addEventListener("input", changed);
  addEventListener("hashchange", recall);
  recall();
})();
