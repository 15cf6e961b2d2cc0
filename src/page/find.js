// Find: a pattern looked for in all the lines that are shown, also those that aren't in the document, where
// the browser's own find can't see them.

import { escape, parse } from "./filter.js";
import { Scan } from "./scan.js";
import { count } from "./time.js";

const DELAY_MS = 120;

// The filter that a find's text stands for: a /pattern/i, or just what is typed.
export function wanted(text) {
  if (text === "") return null;
  const asPattern = /^\/.+\/[imsu]*$/.test(text) ? parse(text) : null;
  if (asPattern) return asPattern.patterns.length === 1 ? asPattern : { ...asPattern, patterns: [] };
  return { patterns: [{ pattern: new RegExp(escape(text), "i"), not: false, regex: false }], error: null };
}

export class Find {
  #bar;
  #input;
  #said;
  #list;
  #go;
  #accepts;
  #changed;
  #hits;
  #timer = null;
  #pending = false; // go to a hit as soon as there is one

  text = "";
  further = null; // looks for hits before the first: true where it does
  canFurther = () => false;
  filter = null;
  at = null; // the entry of the hit that the reader stands on

  // `accepts(seq)` says which entries are looked at, `go(seq)` shows one, `changed()` is called when marks or the place change,
  // `hits()` when more or fewer entries are known to be hits.
  constructor({ bar, input, said, list, ring, until, accepts, changed, hits, go }) {
    Object.assign(this, { scan: new Scan(ring, () => this.#found(), until) });
    [this.#bar, this.#input, this.#said, this.#list] = [bar, input, said, list];
    this.#accepts = accepts;
    this.#changed = changed;
    this.#hits = hits;
    this.#go = go;
    input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.set(input.value, true), DELAY_MS);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (this.text !== input.value) this.set(input.value, true);
      else this.step(event.shiftKey ? -1 : 1);
    });
  }

  open() {
    this.#bar.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  close() {
    this.#bar.hidden = true;
    this.#input.value = "";
    this.set("", false);
  }

  get isOpen() {
    return !this.#bar.hidden;
  }

  // `go`: whether the view goes to the nearest hit.
  set(text, go) {
    clearTimeout(this.#timer);
    if (text !== "" && this.#input.value !== text) this.#input.value = text;
    if (text !== "") this.#bar.hidden = false;
    this.text = text;
    this.filter = wanted(text);
    this.at = null;
    this.#pending = go && text !== "";
    this.again();
    this.#changed();
    this.draw();
  }

  // Looks anew, since other lines are shown.
  again() {
    const patterns = this.filter?.patterns ?? [];
    const costly = patterns.some(({ regex }) => regex);
    const test = (line) => patterns[0].pattern.test(line);
    this.scan.begin(
      patterns.length === 0
        ? null
        : { accepts: this.#accepts, text: costly ? null : test, patterns: costly ? patterns : null },
    );
  }

  // To the next hit, or the one before; round at the ends.
  step(direction) {
    const { found } = this.scan;
    if (found.length === 0) return void (direction < 0 && this.further?.());
    let row;
    if (this.at === null || !found.has(this.at)) {
      row = found.row(this.#list.firstInSight);
      if (direction < 0 || row === found.end) row -= 1;
    } else {
      row = found.row(this.at) + direction;
    }
    if (row < found.start && this.further?.()) return;
    if (row < found.start) row = found.end - 1;
    if (row >= found.end) row = found.start;
    this.at = found.at(row);
    this.#go(this.at);
    this.#changed();
    this.draw();
  }

  draw() {
    const { found } = this.scan;
    const problem = this.filter?.error ?? this.scan.error;
    this.#said.classList.toggle("error", problem !== null && problem !== undefined);
    if (problem) this.#said.textContent = problem;
    else if (this.text === "") this.#said.textContent = "";
    else if (!this.scan.complete) this.#said.textContent = `${count(found.length)} …`;
    else if (found.length === 0) this.#said.textContent = this.canFurther() ? "nothing held · N looks further up" : "nothing found";
    else if (this.at !== null && found.has(this.at)) {
      const row = found.row(this.at) - found.start + 1;
      if (row === 1 && this.canFurther()) this.#said.textContent = `first of ${count(found.length)} held · N looks further up`;
      else this.#said.textContent = `${count(row)} of ${count(found.length)}`;
    } else this.#said.textContent = `${count(found.length)} found`;
  }

  // A new pattern goes to the last hit that is in sight or above, as a reader of a log looks for the latest.
  #found() {
    const { found } = this.scan;
    if (this.#pending && this.scan.complete && found.length > 0) {
      this.#pending = false;
      const end = this.#list.follow ? Infinity : this.#list.firstInSight;
      let row = found.row(end);
      if (row === found.end) row -= 1;
      this.at = found.at(row);
      this.#go(this.at);
      this.#changed();
    }
    this.#hits();
    this.draw();
  }
}
