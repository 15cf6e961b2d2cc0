// The windowed list: only the rows in sight are in the document, and the reader's place is never lost.
//
// The place is an entry and a distance from it, not a number of pixels: whatever is appended, trimmed, put in
// front, filtered, wrapped or resized, the next frame puts that entry back where it was. While the list
// follows, the place is the end. Everything is drawn in one animation frame, and none runs when nothing changed.

import { Heights } from "./heights.js";

const OVERSCAN = 320; // pixels above and below what is in sight
const SELECTION_ROWS_MAX = 3000;
// So many trimmed rows may stay as an empty space above a reader before the scroll bar is put right: each
// correction moves the scroll position under the reader's finger.
const TRIMMED_MAX = 4000;
const AT_END = 3; // pixels
const CLEAR = 52; // pixels at either edge over which something may lie: the find, the button to the end
const NEAR_TOP = 200; // pixels
const FLOOD_MS = 100;
const PRINTED_MAX = 5000; // rows

export class List {
  #heights = new Heights();
  #elements = new Map(); // entry -> its row in the document
  #stale = true;
  #frame = 0;
  #printing = false;
  #drawn = 0; // when the last frame was
  #top = 0; // the scroll position as this list last set or saw it
  #width = 0;
  #columns = 0;

  // Where the view really is: the reader's place, unless the rows are too few for that. It stays there while rows
  // come, and the place is still known when the rows are others again.
  #actual = null;

  follow = true;
  anchor = null; // the reader's place: {seq, dy}
  wrap = false;
  rowHeight = 20;
  charWidth = 8;

  // {scroller, canvas, pane, ring, rows}, and what to call: draw(seq) makes a row, length(seq) its characters,
  // open() whether a row is taller than its text, hidden(seq) whether it has no height at all, rendered(), followed(),
  // nearTop().
  constructor(parts) {
    Object.assign(this, parts);
    const { scroller } = this;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The first pixels of a smooth scroll are too few to tell that it goes up.
    scroller.addEventListener("keydown", ({ key }) => (key === "PageUp" || key === "ArrowUp") && this.#upwards());
    scroller.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && this.#upwards(), { passive: true });
    let touched = 0;
    scroller.addEventListener("touchstart", ({ touches }) => (touched = touches[0].clientY), { passive: true });
    scroller.addEventListener("touchmove", ({ touches }) => touches[0].clientY > touched + 4 && this.#upwards(), {
      passive: true,
    });
    document.addEventListener("selectionchange", () => this.#selection() !== null && this.stop());
    new ResizeObserver(() => this.invalidate()).observe(scroller);
  }

  invalidate() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  // In a flood nobody reads what stands for one frame: then it is drawn some ten times a second.
  #draw() {
    const flood = this.follow && !this.#stale && this.rows.end - this.#heights.end > this.scroller.clientHeight / this.rowHeight;
    const due = this.#drawn + (flood ? FLOOD_MS : 0);
    if (performance.now() < due) {
      this.#frame = requestAnimationFrame(() => this.#draw());
      return;
    }
    this.#frame = 0;
    this.#drawn = performance.now();
    this.#render();
  }

  // Other rows, or other heights: begins anew around the reader's place.
  reset() {
    this.#stale = true;
    this.#columns = 0;
    this.canvas.style.minWidth = "";
    this.redraw();
  }

  // The same rows, looking otherwise.
  redraw() {
    if (this.#printing) return;
    for (const element of this.#elements.values()) element.remove();
    this.#elements.clear();
    this.invalidate();
  }

  // One row looks otherwise, and may have another height.
  redrawRow(seq) {
    this.#elements.get(seq)?.remove();
    this.#elements.delete(seq);
    this.invalidate();
  }

  // These rows have other heights: some are shown now, or not any more.
  refit(seqs) {
    if (this.#stale) return this.redraw();
    for (const seq of seqs) {
      const row = this.rows.row(seq);
      if (row < this.#heights.start || row >= this.#heights.end || this.rows.seq(row) !== seq) continue;
      this.#heights.set(row, this.#estimate(seq));
      this.redrawRow(seq);
    }
    this.invalidate();
  }

  // All rows at once, up to so many, for paper; and back.
  print(on) {
    this.#printing = on;
    this.#render();
  }

  each(visit) {
    for (const [seq, element] of this.#elements) visit(element, seq);
  }

  stop() {
    if (!this.follow) return;
    this.#place();
    this.follow = false;
    this.followed();
  }

  toEnd() {
    getSelection().removeAllRanges();
    this.follow = true;
    this.followed();
    this.invalidate();
  }

  toTop() {
    if (this.rows.end === this.rows.start) return this.nearTop();
    this.stop();
    this.anchor = { seq: this.rows.seq(this.rows.start), dy: -this.pane.offsetTop };
    this.#actual = null;
    this.invalidate();
    this.nearTop();
  }

  // Brings an entry in sight, unless it is.
  goTo(seq) {
    this.stop();
    const top = this.#heights.top(this.rows.row(seq)) + this.pane.offsetTop;
    const height = this.scroller.clientHeight;
    // A row that came after the last frame has no place yet: it would seem to be at the end of what was drawn.
    const drawn = !this.#stale && this.#elements.has(seq);
    if (drawn && top > this.#top + CLEAR && top + this.rowHeight < this.#top + height - CLEAR) return this.invalidate();
    this.anchor = { seq, dy: -Math.round(height * 0.4) };
    this.#actual = null;
    this.invalidate();
  }

  // Whether an entry's row is in sight.
  isInSight(seq) {
    const element = this.#elements.get(seq);
    if (element === undefined) return false;
    const [box, view] = [element.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    return box.bottom > view.top && box.top < view.bottom;
  }

  // Once it is drawn: brings all of a row in sight, and sideways the part of it that `selector` names.
  reveal(seq, selector) {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const element = this.#elements.get(seq);
      if (element === undefined) return;
      const view = this.scroller.getBoundingClientRect();
      const box = element.getBoundingClientRect();
      if (box.bottom > view.bottom) {
        this.scroller.scrollTop += Math.min(box.bottom - view.bottom + CLEAR, box.top - view.top);
        this.#top = this.scroller.scrollTop;
        this.#place();
      }
      const target = selector ? element.querySelector(selector) : null;
      if (target === null || this.wrap) return;
      const within = target.getBoundingClientRect();
      if (within.left < view.left + CLEAR || within.right > view.right - CLEAR) {
        this.scroller.scrollLeft += within.left - view.left - view.width * 0.4;
      }
    }));
  }

  // The first entry in sight; what comes before it may be trimmed.
  get firstInSight() {
    if (this.#heights.start === this.#heights.end || this.#stale) return this.anchor?.seq ?? this.ring.first;
    return this.rows.seq(Math.max(this.rows.start, this.#heights.at(this.#top - this.pane.offsetTop)));
  }

  // How many characters of an unwrapped line are in sight.
  get columnsInSight() {
    return Math.floor((this.scroller.clientWidth + this.scroller.scrollLeft) / this.charWidth) - 12;
  }

  // The first and the last row in sight.
  get rowsInSight() {
    const within = this.#top - this.pane.offsetTop;
    const last = this.#heights.at(within + this.scroller.clientHeight - 1);
    return [Math.max(this.rows.start, this.#heights.at(within)), Math.min(this.rows.end - 1, last)];
  }

  #upwards() {
    if (this.scroller.scrollHeight > this.scroller.clientHeight) this.stop();
    if (this.#top < NEAR_TOP) this.nearTop();
  }

  #scrolled() {
    const top = this.scroller.scrollTop;
    const moved = top - this.#top;
    if (Math.abs(moved) >= 1) {
      this.#top = top;
      const atEnd = top + this.scroller.clientHeight >= this.scroller.scrollHeight - AT_END;
      // Race: what is gone to is in sight only with the next frame, and the browser has moved the view before that.
      if (!this.follow && this.anchor !== null && this.#actual === null) return this.invalidate();
      // At the end it was the browser that moved the view: the window grew, or rows went.
      if (moved < 0 && !atEnd) this.stop();
      if (moved > 0 && atEnd && !this.follow) {
        this.follow = true;
        this.followed();
      }
      this.#place();
      if (moved < 0 && top < NEAR_TOP) this.nearTop();
    }
    this.invalidate(); // also sideways
  }

  // Takes the reader's place from the scroll position.
  #place() {
    if (this.#stale || this.#heights.start === this.#heights.end) return;
    this.anchor = this.#actual = this.#there();
  }

  // The entry at the top of the view, and how far the view begins below its top.
  #there() {
    const within = this.#top - this.pane.offsetTop;
    const row = Math.max(this.rows.start, this.#heights.at(within));
    return { seq: this.rows.seq(row), dy: within - this.#heights.top(row) };
  }

  #render() {
    const { scroller, rows } = this;
    rows.trim();
    this.#measureWidth();
    if (this.#stale) this.#actual = null;
    this.#syncHeights();
    const height = scroller.clientHeight;
    for (let pass = 0; pass < 4; pass++) {
      const head = this.pane.offsetTop;
      const total = head + this.#heights.total;
      const top = this.#wanted(total, height, head);
      const first = this.#heights.at(top - head - OVERSCAN);
      const end = Math.min(rows.end, this.#heights.at(top - head + height + OVERSCAN) + 1);
      this.canvas.style.height = `${total}px`;
      if (this.#printing) this.#reconcile(Math.max(rows.start, rows.end - PRINTED_MAX), rows.end);
      else this.#reconcile(Math.max(first, rows.start), end);
      if (!this.#measureRows()) break;
    }
    const top = this.#wanted(this.pane.offsetTop + this.#heights.total, height, this.pane.offsetTop);
    // Kept while the reader looks to the right: shorter rows must not pull the view back.
    this.canvas.style.minWidth = scroller.scrollLeft > 0 ? `${this.pane.offsetWidth}px` : "";
    if (Math.abs(scroller.scrollTop - top) >= 1) scroller.scrollTop = top;
    this.#top = scroller.scrollTop;
    this.#actual = this.#heights.start === this.#heights.end ? null : this.#there();
    this.rendered();
  }

  // The scroll position that puts the reader's place where it was.
  #wanted(total, height, head) {
    const last = Math.max(0, total - height);
    if (this.follow) return last;
    const anchor = this.#actual ?? this.anchor;
    if (anchor === null) return Math.min(this.#top, last);
    const row = Math.max(this.rows.start, this.rows.row(anchor.seq));
    return Math.max(0, Math.min(last, head + this.#heights.top(row) + anchor.dy));
  }

  #syncHeights() {
    const { rows } = this;
    const estimate = (row) => this.#estimate(rows.seq(row));
    if (this.#stale || rows.end < this.#heights.end || rows.start > this.#heights.end) {
      this.#heights.reset(rows.start, rows.end, estimate);
      this.#stale = false;
      return;
    }
    if (rows.start < this.#heights.start) this.#heights.prepend(rows.start, estimate);
    this.#heights.extend(rows.end, estimate);
    const trimmed = rows.start - this.#heights.start;
    const near = this.anchor !== null && rows.row(this.anchor.seq) < rows.start + 300;
    if (trimmed > 0 && (this.follow || near || trimmed > TRIMMED_MAX)) this.#heights.trim(rows.start);
  }

  #estimate(seq) {
    if (this.hidden(seq)) return 0;
    if (!this.wrap || this.#columns === 0) return this.rowHeight;
    return this.rowHeight * Math.max(1, Math.ceil(this.length(seq) / this.#columns));
  }

  // Wrapped, a row's height follows from the width of its text: another width, other heights.
  #measureWidth() {
    const width = this.scroller.clientWidth;
    if (!this.wrap) {
      this.#width = width;
      return;
    }
    const sample = this.pane.querySelector(".line:not(.new-day) > .text");
    const columns = Math.max(8, Math.floor((sample ? sample.clientWidth || width - 40 : width - 80) / this.charWidth));
    if (width !== this.#width || columns !== this.#columns) {
      this.#width = width;
      this.#columns = columns;
      this.#stale = true;
    }
  }

  #reconcile(first, end) {
    const { rows, pane } = this;
    const selection = this.#selection();
    if (selection !== null) {
      // A selection keeps its rows, or the browser would let go of it.
      const [from, to] = selection.map((seq) => rows.row(seq));
      if (Math.max(end, to + 1) - Math.min(first, from) <= SELECTION_ROWS_MAX) {
        first = Math.max(rows.start, Math.min(first, from));
        end = Math.min(rows.end, Math.max(end, to + 1));
      }
    }
    const wanted = new Set();
    for (let row = first; row < end; row++) if (!this.hidden(rows.seq(row))) wanted.add(rows.seq(row));
    for (const [seq, element] of this.#elements) {
      if (!wanted.has(seq)) {
        element.remove();
        this.#elements.delete(seq);
      }
    }
    let next = pane.firstElementChild;
    for (const seq of wanted) {
      let element = this.#elements.get(seq);
      if (element === undefined) {
        element = this.draw(seq);
        element.dataset.seq = seq;
        this.#elements.set(seq, element);
        pane.insertBefore(element, next);
      } else if (element === next) {
        next = next.nextElementSibling;
      } else {
        pane.insertBefore(element, next);
      }
    }
    pane.style.transform = `translateY(${first < end ? this.#heights.top(first) : 0}px)`;
  }

  // Puts the heights of what is drawn right; true where one was wrong.
  #measureRows() {
    if (!this.wrap && !this.open()) return false;
    let wrong = false;
    for (const [seq, element] of this.#elements) {
      if (!this.wrap && !element.classList.contains("opened")) continue;
      const row = this.rows.row(seq);
      const height = element.offsetHeight;
      if (Math.abs(this.#heights.get(row) - height) >= 0.5) {
        this.#heights.set(row, height);
        wrong = true;
      }
    }
    return wrong;
  }

  // The entries in which the selection begins and ends, where it is in the list.
  #selection() {
    const selection = getSelection();
    if (selection.isCollapsed || !this.pane.contains(selection.anchorNode)) return null;
    const row = (node) => (node instanceof Element ? node : node?.parentElement)?.closest(".row");
    const seqs = [selection.anchorNode, selection.focusNode].map(row).filter(Boolean).map((r) => Number(r.dataset.seq));
    if (seqs.length === 0 || seqs.some(Number.isNaN)) return null;
    return [Math.min(...seqs), Math.max(...seqs)];
  }
}
