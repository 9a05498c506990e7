/* What every page shares: the run's columns, pictures, names that load when needed. Plain scripts, because
   browsers load neither modules nor data by request from file:// pages. */
"use strict";
const SP = window.SP || (window.SP = {});

/* -- columns -- */
SP.decode = (text, Type) => {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Type(bytes.buffer);
};
if (SP.columns) {
  SP.cluster = SP.decode(SP.columns.cluster, Int32Array);
  SP.distance = SP.decode(SP.columns.distance, Float32Array);
  SP.margin = SP.decode(SP.columns.margin, Float32Array);
  SP.outlier = SP.decode(SP.columns.outlier, Float32Array);
  SP.label = SP.decode(SP.columns.label, Int32Array);
  SP.twin = SP.decode(SP.columns.duplicate_of, Int32Array);
  SP.absent = SP.decode(SP.columns.absent, Uint8Array);
  SP.order = SP.decode(SP.columns.order, Uint32Array); // images by cluster, then distance
  SP.slot = new Uint32Array(SP.order.length); // where each image's picture lies in the sheets
  SP.order.forEach((image, slot) => { SP.slot[image] = slot; });
  delete SP.columns;
  SP.clusterById = new Map(SP.clusters.map((cluster, rank) => [cluster.id, Object.assign(cluster, { rank })]));
}
SP.isOdd = (i) => SP.outlier[i] >= 1;

/* -- parts that load when needed -- */
const waiting = new Map();
SP.put = (name, value) => { const entry = waiting.get(name); if (entry) entry.resolve(value); };
SP.load = (name) => {
  let entry = waiting.get(name);
  if (!entry) {
    entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = (value) => { entry.value = value; resolve(value); };
      const script = document.createElement("script");
      script.src = `data/${name}.js`;
      script.onerror = () => reject(new Error(`data/${name}.js is missing`));
      document.head.append(script);
    });
    waiting.set(name, entry);
  }
  return entry.promise;
};
/* Name and path of an image: [name, path]. */
SP.names = async (i) => (await SP.load(`names-${Math.floor(i / SP.chunk)}`))[i % SP.chunk];
SP.namesNow = (i) => { const entry = waiting.get(`names-${Math.floor(i / SP.chunk)}`); return entry && entry.value && entry.value[i % SP.chunk]; };
SP.allNames = async () => {
  const parts = [];
  for (let part = 0; part * SP.chunk < SP.n; part++) parts.push(SP.load(`names-${part}`));
  return (await Promise.all(parts)).flat();
};

/* -- words and elements -- */
/* A name stands behind the number; two clusters may share one. */
SP.clusterName = (id) => {
  const cluster = SP.clusterById.get(id);
  return id < 0 ? "Noise" : cluster && cluster.name ? `Cluster ${id}: ${cluster.name}` : `Cluster ${id}`;
};
/* The same as elements: a name that nobody gave is lighter, and says so. */
SP.clusterTitle = (id) => {
  const cluster = SP.clusterById.get(id);
  if (id < 0 || !cluster || !cluster.name || !cluster.suggested) return [SP.clusterName(id)];
  return [`Cluster ${id}: `, SP.el("em", { class: "suggested", title: "suggested by the encoder's classifier; sporeprint rename RUN CLUSTER NAME gives another" }, cluster.name)];
};
SP.labelName = (i) => (SP.label[i] < 0 ? "" : SP.labels[SP.label[i]]);
SP.count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;
SP.figure = (x) => (Number.isFinite(x) ? x.toPrecision(3) : "–");
/* Elements from name, attributes and children; text is always text, never markup. */
SP.el = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(element.style, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};
SP.by = (id) => document.getElementById(id);
/* The hash as numbers and words: cluster.html#3, images.html#q=cap. */
SP.hash = () => decodeURIComponent(location.hash.slice(1));
SP.fileUrl = (path) => {
  const slashed = path.replace(/\\/g, "/");
  if (!/^(\/|[A-Za-z]:\/)/.test(slashed)) return null;
  return "file://" + (slashed.startsWith("/") ? "" : "/") + slashed.split("/").map((part, at) => (at === 0 && /^[A-Za-z]:$/.test(part) ? part : encodeURIComponent(part))).join("/");
};

/* -- pictures -- */
SP.place = (style, i, px) => SP.placeSlot(style, "", SP.slot[i], SP.n, px);
/* The cell `slot` of a series of sheets that holds `n` pictures. */
SP.placeSlot = (style, series, slot, n, px) => {
  const per = SP.sheet.columns * SP.sheet.rows, sheet = Math.floor(slot / per), cell = slot % per;
  const rows = Math.min(SP.sheet.rows, Math.ceil((n - sheet * per) / SP.sheet.columns));
  style.width = style.height = `${px}px`;
  style.backgroundImage = `url(sheets/${series}${sheet}.jpg)`;
  style.backgroundSize = `${SP.sheet.columns * px}px ${rows * px}px`;
  style.backgroundPosition = `${-(cell % SP.sheet.columns) * px}px ${-Math.floor(cell / SP.sheet.columns) * px}px`;
};
/* An image without pixels is a cell with its name. */
SP.isGone = (i) => (SP.absent[i] & 1) === 1;
SP.thumb = (i, px, alt = "") => {
  const element = SP.el("span", alt ? { class: "thumb", role: "img", "aria-label": alt } : { class: "thumb", "aria-hidden": "true" });
  if (SP.isGone(i)) {
    element.classList.add("gone");
    element.style.width = element.style.height = `${px}px`;
    if (px >= 64) SP.names(i).then(([name]) => { element.textContent = name.split("/").pop().slice(0, 60); }, () => {});
  } else SP.place(element.style, i, px);
  return element;
};
/* A picture alone, linking to the images like it. */
SP.link = (i, px) => {
  const link = SP.el("a", { class: "shot", href: `similar.html#${i}`, "aria-label": `image ${i}` }, SP.thumb(i, px));
  SP.names(i).then(([name]) => { link.title = name; link.setAttribute("aria-label", name); }, () => {});
  return link;
};
/* A picture with its caption, linking to the images like it. */
SP.shot = (i, px, caption) => {
  const link = SP.el("a", { class: "shot", href: `similar.html#${i}` }, SP.thumb(i, px));
  if (SP.isOdd(i)) link.append(SP.el("span", { class: "mark", "aria-hidden": "true" }));
  else if (SP.twin[i] >= 0) link.append(SP.el("span", { class: "mark twin", "aria-hidden": "true" }));
  const cap = SP.el("span", { class: "cap" });
  const name = SP.el("b", {}, "…");
  const words = [caption || (SP.clusters.length ? SP.clusterName(SP.cluster[i]) : ""), SP.isOdd(i) ? "odd" : SP.twin[i] >= 0 && caption !== "copy" ? "copy" : ""].filter(Boolean);
  const fill = (row) => { name.textContent = row[0].split("/").pop(); link.title = row[0]; link.setAttribute("aria-label", [row[0], ...words].join(", ")); };
  const now = SP.namesNow(i);
  if (now) fill(now); else SP.names(i).then(fill, () => { name.textContent = `image ${i}`; });
  cap.append(name);
  if (caption) cap.append(SP.el("br"), caption);
  link.append(cap);
  link.style.width = `${px}px`;
  return link;
};
SP.thumbPx = () => Math.max(96, Math.min(SP.sheet.cell, 136));

/* A card for one cluster: its medoid large, the next nearest images small, from edge to edge. */
SP.cardSides = (width) => { const small = Math.floor((width - 2 - 9) / 4); return [small, 2 * small + 3]; };
SP.cardHeight = (width) => SP.cardSides(width)[1] + 77;
SP.clusterCard = (cluster, width) => {
  const [small, big] = SP.cardSides(width);
  const start = cluster.start, rest = [];
  for (let slot = start; slot < start + cluster.size && rest.length < SP.cardCells - 1; slot++) if (SP.order[slot] !== cluster.medoid) rest.push(SP.order[slot]);
  /* The same pictures lie side by side in sheets of their own, so that many cards need few sheets. */
  const picture = (i, at, px) => {
    const element = SP.thumb(i, px);
    if (!SP.isGone(i)) SP.placeSlot(element.style, "cards-", cluster.rank * SP.cardCells + at, SP.clusters.length * SP.cardCells, px);
    return element;
  };
  const words = [];
  if (cluster.top_label) words.push(`${Math.round(100 * cluster.top_share)} % ${cluster.top_label}`);
  words.push(`spread ${SP.figure(cluster.spread)}`);
  if (cluster.odd) words.push(`${cluster.odd} odd`);
  const grid = SP.el("div", { class: "rest", style: { gridTemplateColumns: `repeat(2, ${small}px)` } }, ...rest.map((i, at) => picture(i, at + 1, small)));
  return SP.el("a", { class: "cluster-card", href: `cluster.html#${cluster.id}` },
    SP.el("div", { class: "pictures", style: { height: `${big}px` } }, picture(cluster.medoid, 0, big), grid),
    SP.el("h3", {}, SP.el("b", {}, ...SP.clusterTitle(cluster.id)), SP.el("span", {}, SP.count(cluster.size, "image"))),
    SP.el("p", {}, words.join(" · ")));
};

/* -- saving a list -- */
SP.csvCell = (text) => {
  const plain = /^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
};
SP.csv = async (images) => {
  const names = await SP.allNames();
  const lines = images.map((i) => [i, SP.csvCell(names[i][1]), SP.cluster[i], SP.distance[i]].join(","));
  return ["index,path,cluster,distance", ...lines].join("\n") + "\n";
};
SP.save = (name, text) => {
  const link = SP.el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
