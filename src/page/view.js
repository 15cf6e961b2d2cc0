// The view: which lines are shown and which are marked, out of the filter, the levels and the files chosen.

import { plain } from "./ansi.js";
import { ALL_LEVELS, fieldsPass, isCostly, isEmpty, marks, parse, textTest } from "./filter.js";
import { detect } from "./level.js";
import { Scan } from "./scan.js";

const NOTHING = parse("");
const AROUND = 5;

export class View {
  #ring;
  #files;
  #rows;
  #changed;
  #asked = NOTHING; // what is typed
  #levels = ALL_LEVELS;
  #filtered = false;
  #range = null; // {from, to}: only lines of that time
  #around = new Set();
  #key = "";

  filter = NOTHING;
  marking = false;
  filterMarks = [];

  // `changed(anew)` is called when rows came, or, with true, when they are others; `hit()` when other lines
  // are known to be hits of a filter that only marks.
  constructor({ ring, files, rows, around, changed, hit }) {
    Object.assign(this, { shown: new Scan(ring, (inserted) => this.#scanned(inserted), () => this.until, { records: true }) });
    this.marked = new Scan(ring, hit, () => this.until);
    [this.#ring, this.#files, this.#rows, this.#around, this.#changed] = [ring, files, rows, around, changed];
  }

  get until() {
    return Math.min(this.#ring.end, this.#rows.cap);
  }

  // Where what is shown has been settled; a find looks no further.
  get settled() {
    return this.#filtered ? Math.min(this.until, this.shown.next) : this.until;
  }

  get isFiltered() {
    return this.#filtered;
  }

  // Whether lines of the files shown are left out.
  get isNarrowed() {
    return (!this.marking && !isEmpty(this.filter)) || this.#levels !== ALL_LEVELS || this.#range !== null;
  }

  get error() {
    return this.#asked.error ?? this.shown.error ?? this.marked.error;
  }

  // Begins anew where something else is asked for; `other()` is called before.
  set({ filter, marking, levels, files, from, to }, other) {
    const key = JSON.stringify([filter, marking, levels, files, from, to]);
    if (key === this.#key) return;
    this.#key = key;
    other();
    this.#asked = parse(filter);
    this.#levels = levels;
    this.#range = from === null && to === null ? null : { from: from ?? 0, to: to ?? Infinity };
    this.marking = marking;
    this.filter = this.#asked;
    this.filterMarks = marks(this.filter);
    this.again();
  }

  again() {
    this.#around.clear();
    const hiding = this.marking ? NOTHING : this.filter;
    this.#filtered = !isEmpty(hiding) || this.#levels !== ALL_LEVELS || this.#files.shown !== null || this.#range !== null;
    if (this.#filtered) {
      this.shown.begin(this.#query(hiding, true));
    } else {
      this.shown.begin(null);
      this.#rows.matches = null;
      this.#changed(true);
    }
    this.marked.begin(this.marking && !isEmpty(this.filter) ? this.#query(this.filter, false) : null);
  }

  advance() {
    if (this.#filtered) this.shown.advance();
    if (this.marking) this.marked.advance();
  }

  retreat() {
    this.shown.retreat();
    this.marked.retreat();
  }

  // Entries were put in front; gives the number of rows they make.
  async older(low, high) {
    if (this.marking) await this.marked.older(low, high);
    if (!this.#filtered) {
      this.#changed(false);
      return high - low;
    }
    return this.shown.older(low, high);
  }

  // Whether an entry is a row; for a find.
  has(seq) {
    if (typeof this.#ring.text(seq) !== "string") return false;
    return !this.#filtered || this.shown.found.has(seq);
  }

  // Whether a line that the daemon has let through passes what only the page knows: levels and fields.
  passes(number, { text, level }) {
    const levels = this.filter.levels & this.#levels;
    if (!this.#accepts(this.filter, number)) return false;
    if (levels !== ALL_LEVELS && ((levels >> (level ?? detect(text))) & 1) === 0) return false;
    return fieldsPass(this.filter.fields, plain(text));
  }

  // Other entries stand in front of those that are near: all of them are shown.
  far() {
    const { near, first } = this.#ring;
    this.shown.front(near, Array.from({ length: near - first }, (_, i) => first + i));
    this.#changed(true);
  }

  // Whether an entry is a row, whatever it is.
  isRow(seq) {
    return this.#filtered ? this.shown.found.has(seq) : seq < this.until;
  }

  // Whether the filter points at an entry: true or false, or null where it needn't be said.
  hits(seq) {
    return this.marking ? this.marked.found.has(seq) : null;
  }

  // Shows the lines around one, of the same file; again: more of them. Only among what has been looked at: the
  // scan would add the others once more.
  surround(seq) {
    if (!this.#filtered || this.#rows.matches !== this.shown.found) return;
    const near = [];
    for (const step of [-1, 1]) {
      for (let at = seq + step, found = 0; this.#ring.has(at) && at < this.settled && found < AROUND; at += step) {
        if (this.#ring.file(at) !== this.#ring.file(seq) || this.shown.found.has(at)) continue;
        near.push(at);
        found += 1;
      }
    }
    for (const at of this.shown.found.insert(near)) this.#around.add(at);
    this.#changed(true);
  }

  // The lines that the filter lets through, and all that are held: "87 of 104,213".
  get counts() {
    const gaps = this.#ring.events.filter((seq) => seq < this.#ring.near).length;
    const far = this.#ring.near - this.#ring.first - gaps;
    const lines = this.#ring.lines - far;
    if (this.marking && !isEmpty(this.filter)) return { some: this.marked.found.length, all: lines };
    if (!this.#filtered) return { some: lines, all: lines };
    const events = this.#ring.events.filter((seq) => this.shown.found.has(seq)).length;
    const around = [...this.#around].filter((seq) => this.#ring.has(seq)).length;
    return { some: this.shown.found.length - events - around - far, all: lines };
  }

  #query(filter, events) {
    const files = new Map();
    const file = (number) => {
      if (!files.has(number)) files.set(number, this.#accepts(filter, number));
      return files.get(number);
    };
    const levels = filter.levels & this.#levels;
    const range = this.#range;
    const accepts = (seq) => {
      if (!file(this.#ring.file(seq))) return false;
      if (range !== null && !(this.#ring.when(seq) >= range.from && this.#ring.when(seq) <= range.to)) return false;
      if (typeof this.#ring.text(seq) !== "string") return events;
      return levels === ALL_LEVELS || ((levels >> this.#ring.level(seq)) & 1) === 1;
    };
    if (isCostly(filter)) {
      const fits = (seq) => accepts(seq) && (typeof this.#ring.text(seq) !== "string" || fieldsPass(filter.fields, plain(this.#ring.text(seq))));
      return { accepts: filter.fields.length > 0 ? fits : accepts, text: null, patterns: filter.patterns };
    }
    return { accepts, text: textTest(filter), patterns: null };
  }

  #accepts(filter, number) {
    const name = this.#files.name(number).toLowerCase();
    return this.#files.isShown(number) && filter.files.every((term) => name.includes(term.name) !== term.not);
  }

  // The rows that stood stay until the new ones are all known: no flicker while a reader types.
  #scanned(inserted) {
    if (!this.#filtered) return;
    const other = this.shown.complete && this.#rows.matches !== this.shown.found;
    const anew = other || inserted;
    if (other) this.#rows.matches = this.shown.found;
    this.#changed(anew);
  }
}
