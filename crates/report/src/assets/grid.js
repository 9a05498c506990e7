/* A grid that only holds what is in view, so that 100 000 pictures scroll like a hundred. The browser's own
   scroll bar moves it; arrow keys move the focus through it. */
"use strict";
SP.Grid = class {
  constructor(host, { width, height, gap = 14, stretch = false, scroller = null, label = "Images" }) {
    Object.assign(this, { host, minWidth: width, height, gap, stretch, scroller, items: [], shown: new Map() });
    host.classList.add("grid");
    host.setAttribute("role", "list");
    host.setAttribute("aria-label", label);
    this.draw = this.draw.bind(this);
    this.queued = false;
    const queue = () => { if (!this.queued) { this.queued = true; requestAnimationFrame(() => { this.queued = false; this.draw(); }); } };
    (scroller || window).addEventListener("scroll", queue, { passive: true });
    new ResizeObserver(() => { this.measure(); queue(); }).observe(host);
    host.addEventListener("keydown", (event) => this.key(event));
    this.queue = queue;
  }
  /* Shows `items`; `render(item, cell width)` makes the element of one. */
  show(items, render) {
    this.items = items;
    this.render = render;
    this.clear();
    this.measure();
    this.draw();
  }
  clear() { for (const element of this.shown.values()) element.remove(); this.shown.clear(); }
  measure() {
    const width = this.host.clientWidth;
    const columns = Math.max(1, Math.floor((width + this.gap) / (this.minWidth + this.gap)));
    const cell = this.stretch ? Math.floor((width + this.gap) / columns) - this.gap : this.minWidth;
    if (columns !== this.columns || cell !== this.cell) this.clear();
    this.columns = columns;
    this.cell = cell;
    this.rowHeight = (typeof this.height === "function" ? this.height(cell) : this.height) + this.gap;
    this.host.style.height = `${Math.max(0, Math.ceil(this.items.length / columns) * this.rowHeight - this.gap)}px`;
  }
  draw() {
    if (!this.render || !this.columns) return;
    const box = this.host.getBoundingClientRect();
    const frame = this.scroller ? this.scroller.getBoundingClientRect() : { top: 0, height: window.innerHeight };
    const top = frame.top - box.top;
    const first = Math.max(0, Math.floor(top / this.rowHeight) - 2) * this.columns;
    const last = Math.min(this.items.length, (Math.ceil((top + frame.height) / this.rowHeight) + 2) * this.columns);
    for (const [at, element] of this.shown) if ((at < first || at >= last) && !element.contains(document.activeElement)) { element.remove(); this.shown.delete(at); }
    const fresh = document.createDocumentFragment();
    for (let at = first; at < last; at++) {
      if (this.shown.has(at)) continue;
      const element = SP.el("div", { role: "listitem", "aria-setsize": this.items.length, "aria-posinset": at + 1 }, this.render(this.items[at], this.cell));
      element.style.width = `${this.cell}px`;
      element.style.transform = `translate(${(at % this.columns) * (this.cell + this.gap)}px, ${Math.floor(at / this.columns) * this.rowHeight}px)`;
      this.shown.set(at, element);
      fresh.append(element);
    }
    this.host.append(fresh);
  }
  key(event) {
    const item = event.target.closest("[aria-posinset]");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = Number(item.getAttribute("aria-posinset")) - 1;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, Home: -at, End: this.items.length - 1 - at };
    if (!(event.key in steps)) return;
    const next = at + steps[event.key];
    if (next < 0 || next >= this.items.length) return;
    event.preventDefault();
    const y = this.host.getBoundingClientRect().top + Math.floor(next / this.columns) * this.rowHeight;
    if (this.scroller) {
      const frame = this.scroller.getBoundingClientRect();
      if (y < frame.top) this.scroller.scrollTop += y - frame.top;
      else if (y + this.rowHeight > frame.bottom) this.scroller.scrollTop += y + this.rowHeight - frame.bottom;
    } else if (y < 80) window.scrollBy(0, y - 80);
    else if (y + this.rowHeight > window.innerHeight) window.scrollBy(0, y + this.rowHeight - window.innerHeight);
    this.draw();
    const element = this.shown.get(next);
    const target = element && element.querySelector("a, button");
    if (target) target.focus({ preventScroll: true });
  }
};
/* Rows of two caption lines below a square. */
SP.imageGrid = (host, options = {}) => new SP.Grid(host, Object.assign({ width: SP.thumbPx(), height: (cell) => cell + 52, stretch: true, label: "Images" }, options));
