// The strip: how many of the lines held are from when, with errors and warnings at the foot and the part in sight as
// a frame. A tap or the arrow keys go there, a drag shows only that time.

import { ERROR, WARN } from "./level.js";
import { format, isSameDay, date } from "./time.js";

const BAR = 4; // pixels
const REDRAW_MS = 700;
const DRAG = 6; // pixels

export class Strip {
  #canvas;
  #page;
  #buckets = null; // {from, step, all, warns, errors}
  #counted = { first: 0, end: 0, at: 0 };
  #timer = null;
  #drag = null;

  constructor(canvas, page) {
    this.#canvas = canvas;
    this.#page = page;
    canvas.addEventListener("pointerdown", (event) => {
      this.#drag = { from: event.offsetX, to: event.offsetX };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      canvas.title = this.#buckets === null ? "" : format(this.#time(event.offsetX), this.#form);
      if (this.#drag === null) return;
      this.#drag.to = event.offsetX;
      this.#paint();
    });
    canvas.addEventListener("pointerup", () => this.#dropped());
    canvas.addEventListener("pointercancel", () => (this.#drag = null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (step === undefined || this.#buckets === null) return;
      event.preventDefault();
      event.stopPropagation();
      this.#page.goToTime(this.#sight().from + step * this.#buckets.step);
    });
    new ResizeObserver(() => this.draw(true)).observe(canvas);
  }

  // Draws what is held; counts anew no more often than somebody looks.
  draw(anew = false) {
    if (this.#canvas.hidden || this.#canvas.clientWidth === 0) return;
    const { first, end } = this.#page.ring;
    const stale = anew || first !== this.#counted.first || end !== this.#counted.end;
    const wait = this.#counted.at + REDRAW_MS - performance.now();
    if (stale && wait > 0 && !anew) {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.draw();
      }, wait);
    } else if (stale) {
      this.#count();
    }
    this.#paint();
  }

  get #form() {
    return this.#page.settings.time === "utc" ? "utc" : "local";
  }

  #count() {
    const { ring, files } = this.#page;
    this.#counted = { first: ring.first, end: ring.end, at: performance.now() };
    this.#buckets = null;
    let [from, to] = [Infinity, 0];
    for (let seq = ring.near; seq < ring.end; seq++) {
      const time = ring.time(seq);
      if (time === 0) continue;
      if (time < from) from = time;
      if (time > to) to = time;
    }
    if (to === 0) return;
    const bars = Math.max(1, Math.floor(this.#canvas.clientWidth / BAR));
    const step = Math.max(1, (to - from + 1) / bars);
    const [all, warns, errors] = [0, 0, 0].map(() => new Uint32Array(bars));
    for (let seq = ring.near; seq < ring.end; seq++) {
      const time = ring.time(seq);
      if (time === 0 || !files.isShown(ring.file(seq))) continue;
      const bar = Math.min(bars - 1, Math.floor((time - from) / step));
      all[bar] += 1;
      const level = ring.knownLevel(seq);
      if (level === ERROR) errors[bar] += 1;
      else if (level === WARN) warns[bar] += 1;
    }
    this.#buckets = { from, to, step, all, warns, errors };
    this.#canvas.setAttribute("aria-valuemin", "0");
    this.#canvas.setAttribute("aria-valuemax", String(bars));
  }

  #paint() {
    const canvas = this.#canvas;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    if (this.#buckets === null) return;
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const { all, warns, errors, from, to, step } = this.#buckets;
    const most = Math.max(...all);
    // Roots, so that one busy minute doesn't flatten all others.
    const high = (count) => (count === 0 ? 0 : Math.max(2, Math.sqrt(count / most) * (height - 14)));
    const bar = (i, count, name) => {
      context.fillStyle = colour(name);
      context.fillRect(i * BAR, height - high(count), BAR - 1, high(count));
    };
    for (let i = 0; i < all.length; i++) {
      bar(i, all[i], "--bars");
      bar(i, warns[i] + errors[i], "--warn");
      bar(i, errors[i], "--bad");
    }
    context.fillStyle = colour("--faint");
    context.font = "10px system-ui, sans-serif";
    const label = (time) => `${isSameDay(from, to) ? "" : `${date(time, this.#form === "utc").slice(0, -5)}, `}${format(time, this.#form).replace(/\.\d+/, "")}`;
    context.fillText(label(from), 2, 9);
    context.textAlign = "right";
    context.fillText(label(to), width - 2, 9);
    const sight = this.#drag !== null ? { from: this.#time(this.#drag.from), to: this.#time(this.#drag.to) } : this.#sight();
    const x = (time) => ((time - from) / step) * BAR;
    context.strokeStyle = colour("--accent");
    context.lineWidth = 1.5;
    const left = Math.max(1, Math.min(x(sight.from), x(sight.to)));
    context.strokeRect(left, 11, Math.max(4, Math.min(width - 1, Math.max(x(sight.from), x(sight.to))) - left), height - 12);
    canvas.setAttribute("aria-valuenow", String(Math.max(0, Math.min(all.length, Math.round((sight.from - from) / step)))));
    canvas.setAttribute("aria-valuetext", `${format(sight.from, this.#form)} to ${format(sight.to, this.#form)}`);
  }

  // The times of the first and the last row in sight.
  #sight() {
    const { list, ring, rows } = this.#page;
    const near = (row, step) => {
      for (let at = row, tries = 0; at >= rows.start && at < rows.end && tries < 200; at += step, tries++) {
        if (ring.when(rows.seq(at)) > 0) return ring.when(rows.seq(at));
      }
      return this.#buckets?.to ?? 0;
    };
    if (rows.end === rows.start) return { from: 0, to: 0 };
    const [first, last] = list.rowsInSight;
    return { from: near(first, 1), to: near(last, -1) };
  }

  #time(x) {
    return this.#buckets.from + (x / BAR) * this.#buckets.step;
  }

  #dropped() {
    const drag = this.#drag;
    this.#drag = null;
    if (drag === null || this.#buckets === null) return;
    const [a, b] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    if (b - a < DRAG) this.#page.goToTime(this.#time(b));
    else this.#page.set({ from: Math.floor(this.#time(a)), to: Math.ceil(this.#time(b)) });
    this.#paint();
  }
}
