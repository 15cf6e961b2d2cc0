// Scrolling back: the lines before the oldest held, of the files that are shown, put in front of the ring in the
// order of their times.

import { fetchOlder, portion } from "./history.js";

// With a filter on, goes on until a screen is likely filled, but not for ever.
const ROWS_ENOUGH = 40;
const ROUNDS_MAX = 20;
const PORTION = 1000;

export class Older {
  #ring;
  #files;
  #past;
  #taken;
  #said;
  #busy = false;
  #fetched = null; // the names of the files for which older lines have been put in front, once that happened
  target = null; // the entry that a page begins at
  #failed = null; // why the last fetch failed: another may not

  // `taken(low, high)` is told of entries put in front and gives the number of rows they make; `said(text,
  // more)` what the head of the list is to say.
  constructor({ ring, files, past, taken, said }) {
    this.#ring = ring;
    this.#files = files;
    this.#past = past;
    this.#taken = taken;
    this.#said = said;
  }

  // Takes in the answer of the first request, by file: what a page begins with. `isTarget(item)` tells the one whose
  // entry is to be known.
  async begin(answer, isTarget = () => false) {
    for (const [name, { items, from, last, beginning }] of answer) {
      const number = this.#files.number(name);
      const file = this.#files.all[number];
      file.begun = true;
      if (last === null) continue;
      this.#ring.ids.set(number, last);
      this.#past.sync(number, { id: last, held: 0 }, () => Infinity);
      this.#past.take(number, { items: items.map((item) => (isTarget(item) ? { ...item, target: true } : item)), from, beginning });
    }
    this.target = null;
    this.#fetched = null;
    await this.#release(Infinity, this.#begun());
  }

  // Whether lines were fetched for some files, of which these aren't all: then theirs have no place any more.
  wouldMix(names) {
    return this.#fetched !== null && (names === null ? this.#fetched.size < this.#files.all.length : names.some((name) => !this.#fetched.has(name)));
  }

  async fetch() {
    this.#sync();
    if (this.#busy || this.#open().length === 0) return;
    this.#busy = true;
    this.#fetched ??= new Set(this.#shown().map((number) => this.#files.name(number)));
    this.#failed = null;
    this.#said("fetching older lines …", false);
    try {
      let rows = 0;
      for (let round = 0; round < ROUNDS_MAX && rows < ROWS_ENOUGH && this.#open().length > 0; round++) {
        rows += await this.#release(PORTION);
        const number = rows < ROWS_ENOUGH ? this.#past.wants(this.#shown()) : null;
        if (number !== null) await this.#one(number);
        rows += await this.#release(PORTION);
        if (this.#failed !== null) break;
        this.#sync();
      }
    } finally {
      this.#busy = false;
      this.draw();
    }
  }

  draw() {
    if (this.#busy) return;
    this.#sync();
    const shown = this.#shown();
    if (shown.length === 0) return this.#said("", false);
    if (this.#open().length > 0) return this.#said(this.#failed ?? "↑ older lines", true);
    const whys = new Set(shown.map((number) => this.#past.why(number) ?? `the beginning of ${this.#files.name(number)}`));
    this.#said(whys.size === 1 ? [...whys][0] : "there is nothing older", false);
  }

  // Whether there is anything before what is held.
  get hasMore() {
    this.#sync();
    return this.#open().length > 0;
  }

  // The files that may have more.
  #open() {
    return this.#shown().filter((number) => this.#ring.oldest(number).id !== null && this.#past.isOpen(number));
  }

  #begun() {
    return this.#files.all.map((_, number) => number).filter((n) => this.#files.all[n].begun);
  }

  #shown() {
    return this.#begun().filter((number) => this.#files.isShown(number));
  }

  #sync() {
    const { first, end } = this.#ring;
    for (const number of this.#shown()) {
      this.#past.sync(number, this.#ring.oldest(number), () => {
        for (let seq = first; seq < end; seq++) {
          if (this.#ring.file(seq) === number && this.#ring.when(seq) > 0) return this.#ring.when(seq);
        }
        return Infinity;
      });
    }
  }

  async #one(number) {
    const place = this.#past.place(number);
    const name = this.#files.name(number);
    const { id, held } = this.#ring.oldest(number);
    let answer;
    try {
      answer = await fetchOlder(name, place, portion(this.#ring.bytes / this.#ring.length));
    } catch (problem) {
      if (problem.status === 404) this.#past.end(number, `what ${name} held before is gone`);
      else this.#failed = `↑ older lines of ${name}: ${problem.message}; try again`;
      return;
    }
    // Meanwhile lines may have been trimmed or the list cleared: then this isn't what stands before it.
    const now = this.#ring.oldest(number);
    if (now.id === id && now.held === held) this.#past.take(number, answer);
  }

  // Puts in front what comes next, and gives the number of rows it makes.
  async #release(limit, files = this.#shown()) {
    const runs = this.#past.release(files, limit);
    if (runs.length === 0) return 0;
    const high = this.#ring.first;
    for (const { number, items } of runs) {
      const lines = items.map(({ text, event }) => text ?? event);
      const weight = items.some(({ text }) => text !== undefined && /[^\x00-\xff]/.test(text)) ? 2 : 1;
      const column = (name) => items.map((item) => item[name]);
      const traits = { times: column("time"), joins: column("joins"), levels: column("level"), stderr: column("stderr") };
      const target = items.findIndex((item) => item.target === true);
      this.#ring.unshift(number, lines, { from: items[0].from, id: items.at(-1).id, weight, traits });
      if (target >= 0) this.target = this.#ring.first + target;
    }
    return this.#taken(this.#ring.first, high);
  }
}
