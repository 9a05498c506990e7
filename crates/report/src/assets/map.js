/* The map: every image a point, placed so that like lies near like. Points go straight into the canvas's pixels,
   which keeps 100 000 of them fluent without a graphics card; zoomed in, they become pictures. */
"use strict";
(() => {
  const canvas = SP.by("canvas"), context = canvas.getContext("2d"), tip = SP.by("tip"), box = SP.by("box");
  const n = SP.n, xy = SP.decode(SP.map, Float32Array);
  delete SP.map;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const view = { x: 0, y: 0, scale: 1 }; // middle in map units, pixels per unit
  let width = 0, height = 0, dpr = 1, colors = new Uint32Array(n), picked = new Uint8Array(n), n_picked = 0, only = null;

  /* -- where everything lies -- */
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i++) { left = Math.min(left, xy[2 * i]); right = Math.max(right, xy[2 * i]); top = Math.min(top, xy[2 * i + 1]); bottom = Math.max(bottom, xy[2 * i + 1]); }
  const spanX = Math.max(right - left, 1e-6), spanY = Math.max(bottom - top, 1e-6);
  /* Points sorted into square bins, for the pointer and for drawing what is in view. */
  const side = Math.max(1, Math.min(256, Math.ceil(Math.sqrt(n / 4))));
  const binOf = (x, y) => Math.min(side - 1, Math.max(0, Math.floor((x - left) / spanX * side))) + side * Math.min(side - 1, Math.max(0, Math.floor((y - top) / spanY * side)));
  const starts = new Uint32Array(side * side + 1), binned = new Uint32Array(n);
  for (let i = 0; i < n; i++) starts[binOf(xy[2 * i], xy[2 * i + 1]) + 1]++;
  for (let bin = 0; bin < side * side; bin++) starts[bin + 1] += starts[bin];
  const fillAt = starts.slice();
  for (let i = 0; i < n; i++) binned[fillAt[binOf(xy[2 * i], xy[2 * i + 1])]++] = i;
  const within = (x0, y0, x1, y1, visit) => {
    const a = binOf(x0, y0), b = binOf(x1, y1);
    for (let row = Math.floor(a / side); row <= Math.floor(b / side); row++)
      for (let at = starts[row * side + a % side]; at < starts[row * side + b % side + 1]; at++) visit(binned[at]);
  };
  const toX = (i) => (xy[2 * i] - view.x) * view.scale + width / 2, toY = (i) => (xy[2 * i + 1] - view.y) * view.scale + height / 2;

  /* -- colours -- */
  const hsl = (h, s, l) => {
    const f = (k) => { const a = s * Math.min(l, 1 - l), t = (k + h / 30) % 12; return Math.round(255 * (l - a * Math.max(-1, Math.min(t - 3, 9 - t, 1)))); };
    return [f(0), f(8), f(4)];
  };
  /* Neighbouring ids get hues far apart (golden angle) and three lightnesses. */
  const kind = (id) => (id < 0 ? [140, 135, 130] : hsl((id * 137.508 + 18) % 360, 0.62, (dark.matches ? 0.62 : 0.47) + 0.07 * (id % 3 - 1)));
  const rampStops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const ramp = (t) => { const at = Math.min(3.9999, Math.max(0, t * 4)), k = Math.floor(at); return rampStops[k].map((from, c) => Math.round(from + (at - k) * (rampStops[k + 1][c] - from))); };
  const pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  const paint = () => {
    const by = SP.by("color").value, legend = [];
    if (by === "cluster" || by === "label") {
      const ids = by === "cluster" ? SP.cluster : SP.label, cache = new Map();
      for (let i = 0; i < n; i++) { let color = cache.get(ids[i]); if (color === undefined) cache.set(ids[i], color = pack(kind(ids[i]))); colors[i] = color; }
      const shown = by === "cluster" ? SP.clusters.slice(0, 12).map((cluster) => [cluster.id, SP.clusterName(cluster.id)]) : SP.labels.slice(0, 24).map((name, id) => [id, name]);
      for (const [id, name] of shown) legend.push(SP.el("span", {}, SP.el("i", { style: { background: `rgb(${kind(id)})` } }), name));
      const more = (by === "cluster" ? SP.clusters.length : SP.labels.length) - shown.length;
      if (more > 0) legend.push(`and ${more} more`);
    } else {
      const values = by === "distance" ? SP.distance : SP.outlier, sorted = Float32Array.from(values).sort();
      const low = sorted[Math.floor(0.02 * (n - 1))], high = sorted[Math.ceil(0.98 * (n - 1))];
      for (let i = 0; i < n; i++) colors[i] = pack(ramp((values[i] - low) / Math.max(high - low, 1e-12)));
      legend.push(SP.figure(low), SP.el("span", { class: "ramp", style: { background: `linear-gradient(90deg, ${rampStops.map((stop) => `rgb(${stop})`).join()})` } }), SP.figure(high));
    }
    SP.by("legend").replaceChildren(...legend);
  };

  /* -- drawing -- */
  let image = null, pixels = null, queued = false, frames = 0;
  const queue = () => { if (!queued) { queued = true; requestAnimationFrame(() => { queued = false; draw(); }); } };
  const sheets = new Map();
  const sheet = (at) => {
    let picture = sheets.get(at);
    if (!picture) {
      if (sheets.size > 48) sheets.delete(sheets.keys().next().value);
      picture = new Image();
      picture.onload = queue;
      picture.src = `sheets/${at}.jpg`;
      sheets.set(at, picture);
    }
    return picture.complete && picture.naturalWidth ? picture : null;
  };
  const drawPicture = (i, px) => {
    if (SP.isGone(i)) return;
    const slot = SP.slot[i], per = SP.sheet.columns * SP.sheet.rows, cell = slot % per, picture = sheet(Math.floor(slot / per));
    const x = toX(i) - px / 2, y = toY(i) - px / 2;
    if (picture) context.drawImage(picture, (cell % SP.sheet.columns) * SP.sheet.cell, Math.floor(cell / SP.sheet.columns) * SP.sheet.cell, SP.sheet.cell, SP.sheet.cell, x, y, px, px);
    context.strokeStyle = `rgb(${colors[i] & 255},${colors[i] >> 8 & 255},${colors[i] >> 16 & 255})`;
    context.lineWidth = picked[i] ? 4 : 2;
    context.strokeRect(x, y, px, px);
  };
  const visible = (margin) => [view.x - (width / 2 + margin) / view.scale, view.y - (height / 2 + margin) / view.scale, view.x + (width / 2 + margin) / view.scale, view.y + (height / 2 + margin) / view.scale];
  const draw = () => {
    if (!pixels) return; // not laid out yet
    const began = performance.now();
    const w = canvas.width, h = canvas.height;
    pixels.fill(0);
    /* The more points in view, the smaller each. */
    let seen = 0;
    const inView = visible(0);
    const area = (Math.min(inView[2], right) - Math.max(inView[0], left)) * (Math.min(inView[3], bottom) - Math.max(inView[1], top)) / (spanX * spanY);
    const expected = Math.max(1, n * Math.max(0, Math.min(1, area)));
    const radius = dpr * Math.max(1.1, Math.min(4.5, 0.22 * Math.sqrt(width * height / expected)));
    const reach = Math.ceil(radius), offsets = [];
    for (let dy = -reach; dy <= reach; dy++) for (let dx = -reach; dx <= reach; dx++) if (dx * dx + dy * dy <= radius * radius) offsets.push(dx, dy);
    const sx = view.scale * dpr, ox = w / 2 - view.x * sx, oy = h / 2 - view.y * sx;
    const faded = dark.matches ? 0x603e3833 : 0x70c8bfb4;
    const dim = n_picked > 0 || only !== null;
    /* Few points are drawn as round ones with soft edges, many straight into the pixels. */
    const few = expected <= 4000, dots = [];
    const stamp = (i, color) => {
      const cx = Math.round(xy[2 * i] * sx + ox), cy = Math.round(xy[2 * i + 1] * sx + oy);
      if (cx < reach || cy < reach || cx >= w - reach || cy >= h - reach) return;
      seen++;
      if (few) { dots.push(cx, cy, color); return; }
      const base = cy * w + cx;
      for (let k = 0; k < offsets.length; k += 2) pixels[base + offsets[k + 1] * w + offsets[k]] = color;
    };
    const lit = (i) => (n_picked ? picked[i] : SP.cluster[i] === only);
    if (dim) within(...inView, (i) => { if (!lit(i)) stamp(i, faded); });
    within(...inView, (i) => { if (!dim || lit(i)) stamp(i, colors[i]); });
    context.putImageData(image, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.lineWidth = dpr;
    context.strokeStyle = dark.matches ? "#211e1b" : "#ffffff";
    for (let k = 0; k < dots.length; k += 3) {
      const color = dots[k + 2];
      context.fillStyle = `rgba(${color & 255},${color >> 8 & 255},${color >> 16 & 255},${(color >>> 24) / 255})`;
      context.beginPath();
      context.arc(dots[k], dots[k + 1], radius + dpr, 0, 7);
      context.fill();
      context.stroke();
    }
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    const px = Math.min(SP.sheet.cell, 72, Math.sqrt(width * height / Math.max(expected, 1)) * 0.55);
    if (SP.pictures && SP.by("pictures").checked && seen > 0 && px > 20) within(...visible(40), (i) => { if (!dim || lit(i)) drawPicture(i, px); });
    if (lasso.length > 1) {
      context.beginPath();
      lasso.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.fillStyle = "rgba(168,72,31,.14)"; context.strokeStyle = dark.matches ? "#ee9368" : "#a8481f"; context.lineWidth = 2;
      context.fill(); context.stroke();
    }
    SP.mapFrame = { seconds: (performance.now() - began) / 1000, seen, frames: ++frames };
  };
  const resize = () => {
    dpr = Math.min(2, devicePixelRatio || 1);
    const first = !width;
    width = canvas.clientWidth; height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * dpr); canvas.height = Math.round(height * dpr);
    image = context.createImageData(canvas.width, canvas.height);
    pixels = new Uint32Array(image.data.buffer);
    if (first) home(); else queue();
  };
  const home = () => {
    view.x = (left + right) / 2; view.y = (top + bottom) / 2;
    view.scale = 0.9 * Math.min(width / spanX, height / spanY);
    queue();
  };
  const zoom = (factor, x = width / 2, y = height / 2) => {
    const least = 0.3 * Math.min(width / spanX, height / spanY), scale = Math.max(least, Math.min(least * 5000, view.scale * factor));
    view.x += (x - width / 2) * (1 / view.scale - 1 / scale);
    view.y += (y - height / 2) * (1 / view.scale - 1 / scale);
    view.scale = scale;
    queue();
  };

  /* -- pointer -- */
  let drawing = false, lasso = [], held = new Map(), moved = 0;
  const nearest = (x, y) => {
    const reach = 14 / view.scale, mx = (x - width / 2) / view.scale + view.x, my = (y - height / 2) / view.scale + view.y;
    let best = -1, least = reach * reach;
    within(mx - reach, my - reach, mx + reach, my + reach, (i) => {
      const d = (xy[2 * i] - mx) ** 2 + (xy[2 * i + 1] - my) ** 2;
      if (d < least) { least = d; best = i; }
    });
    return best;
  };
  let tipped = -1;
  const point = (x, y) => {
    const i = nearest(x, y);
    tip.hidden = i < 0;
    if (i < 0) { tipped = -1; return; }
    if (i !== tipped) {
      tipped = i;
      const words = SP.el("div", {}, SP.clusterName(SP.cluster[i]), SP.labelName(i) ? ` · ${SP.labelName(i)}` : "");
      const name = SP.el("strong", {}, "");
      SP.names(i).then((row) => { name.textContent = row[0]; });
      tip.replaceChildren(SP.thumb(i, 142), name, words);
    }
    tip.style.left = `${Math.min(Math.max(0, x + 16), Math.max(0, width - 160))}px`;
    tip.style.top = `${y + 220 > height ? Math.max(0, y - 210) : y + 12}px`;
  };
  const spot = (event) => { const frame = canvas.getBoundingClientRect(); return [event.clientX - frame.left, event.clientY - frame.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const at = spot(event);
    held.set(event.pointerId, at);
    moved = 0;
    drawing = held.size === 1 && (SP.by("lasso").getAttribute("aria-pressed") === "true" || event.shiftKey);
    lasso = drawing ? [at] : [];
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = spot(event), before = held.get(event.pointerId);
    if (!before) { if (event.pointerType === "mouse") point(...at); return; }
    moved += Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]);
    if (drawing) { lasso.push(at); queue(); } else if (held.size === 2) {
      const [a, b] = [...held.entries()].map(([id, p]) => (id === event.pointerId ? [p, at] : [p, p]));
      const gap = (k) => Math.hypot(a[k][0] - b[k][0], a[k][1] - b[k][1]);
      zoom(gap(1) / Math.max(gap(0), 1), (a[1][0] + b[1][0]) / 2, (a[1][1] + b[1][1]) / 2);
    } else {
      view.x -= (at[0] - before[0]) / view.scale; view.y -= (at[1] - before[1]) / view.scale;
      tip.hidden = true;
      queue();
    }
    held.set(event.pointerId, at);
  });
  const release = (event) => {
    if (!held.delete(event.pointerId)) return;
    if (drawing && lasso.length > 2) select(lasso);
    else if (moved < 5 && event.type === "pointerup") { const i = nearest(...spot(event)); if (i >= 0) location.href = `similar.html#${i}`; }
    drawing = false; lasso = [];
    queue();
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...spot(event)); tip.hidden = true; }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 60 / view.scale;
    const acts = { ArrowLeft: () => { view.x -= step; }, ArrowRight: () => { view.x += step; }, ArrowUp: () => { view.y -= step; }, ArrowDown: () => { view.y += step; }, "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: home, l: () => SP.by("lasso").click(), Escape: () => choose([]) };
    if (!(event.key in acts) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    acts[event.key]();
    queue();
  });

  /* -- selection -- */
  const list = new SP.Grid(SP.by("picked"), { width: 84, height: (cell) => cell + 30, gap: 8, scroller: SP.by("picked-list"), label: "Selected images" });
  let chosen = [];
  const choose = (images) => {
    chosen = images;
    picked = new Uint8Array(n);
    for (const i of images) picked[i] = 1;
    n_picked = images.length;
    SP.by("picked-count").textContent = n_picked ? SP.count(n_picked, "image") + " selected" : "Nothing selected";
    SP.by("picked-help").hidden = n_picked > 0;
    for (const id of ["save", "clear"]) SP.by(id).disabled = n_picked === 0;
    list.show(images, (i, px) => SP.shot(i, px));
    queue();
  };
  /* The images inside the drawn outline (even-odd rule). */
  const select = (outline) => {
    const shape = outline.map(([x, y]) => [(x - width / 2) / view.scale + view.x, (y - height / 2) / view.scale + view.y]);
    const [x0, y0, x1, y1] = shape.reduce(([a, b, c, d], [x, y]) => [Math.min(a, x), Math.min(b, y), Math.max(c, x), Math.max(d, y)], [Infinity, Infinity, -Infinity, -Infinity]);
    const inside = [];
    within(x0, y0, x1, y1, (i) => {
      const x = xy[2 * i], y = xy[2 * i + 1];
      if (x < x0 || x > x1 || y < y0 || y > y1 || (only !== null && SP.cluster[i] !== only)) return;
      let odd = false;
      for (let a = 0, b = shape.length - 1; a < shape.length; b = a++)
        if (shape[a][1] > y !== shape[b][1] > y && x < (shape[b][0] - shape[a][0]) * (y - shape[a][1]) / (shape[b][1] - shape[a][1]) + shape[a][0]) odd = !odd;
      if (odd) inside.push(i);
    });
    choose(inside.sort((a, b) => SP.slot[a] - SP.slot[b]));
  };
  SP.by("only").append(...[...SP.clusters].sort((a, b) => a.id - b.id).map((cluster) => SP.el("option", { value: cluster.id }, `${SP.clusterName(cluster.id)} (${cluster.size})`)));
  SP.by("only").addEventListener("input", () => { const value = SP.by("only").value; only = value === "" ? null : Number(value); choose([]); });
  SP.by("lasso").addEventListener("click", () => {
    const on = SP.by("lasso").getAttribute("aria-pressed") !== "true";
    SP.by("lasso").setAttribute("aria-pressed", on);
    canvas.classList.toggle("lasso", on);
  });
  SP.by("cluster-pick").addEventListener("click", () => { if (only !== null) { const cluster = SP.clusterById.get(only); choose(Array.from(SP.order.subarray(cluster.start, cluster.start + cluster.size))); } });
  SP.by("color").addEventListener("input", () => { paint(); queue(); });
  SP.by("pictures").addEventListener("input", queue);
  SP.by("plus").addEventListener("click", () => zoom(1.5));
  SP.by("minus").addEventListener("click", () => zoom(1 / 1.5));
  SP.by("home").addEventListener("click", home);
  SP.by("clear").addEventListener("click", () => choose([]));
  SP.by("save").addEventListener("click", async () => SP.save("selection.csv", await SP.csv(chosen)));
  dark.addEventListener("change", () => { paint(); queue(); });
  if (!SP.labels.length) SP.by("color").querySelector("[value=label]").remove();
  new ResizeObserver(resize).observe(box);
  /* For the page's tests: what is where, and the selection. */
  SP.mapState = { view, chosen: () => chosen, screen: (i) => [toX(i), toY(i)] };
  paint();
  choose([]);
})();
