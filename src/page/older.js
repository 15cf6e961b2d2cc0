// Scrolling back: the lines before the oldest held, for each file that is shown, put in front of the ring.

import { fetchOlder, portion } from "./history.js";

// With a filter on, goes on until a screen is likely filled, but not for ever.
const ROWS_ENOUGH = 40;
const ROUNDS_MAX = 20;

export class Older {
  #ring;
  #files;
  #taken;
  #said;
  #busy = false;
  #failed = null; // why the last fetch failed: another may not
  #ends = new Map(); // file -> {id, held, why}: nothing is to be had before that place

  // `taken(low, high)` is told of entries put in front and gives the number of rows they make; `said(text,
  // more)` what the head of the list is to say.
  constructor({ ring, files, taken, said }) {
    this.#ring = ring;
    this.#files = files;
    this.#taken = taken;
    this.#said = said;
  }

  async fetch() {
    if (this.#busy || this.#open().length === 0) return;
    this.#busy = true;
    this.#failed = null;
    this.#said("fetching older lines …", false);
    try {
      let rows = 0;
      for (let round = 0; round < ROUNDS_MAX && rows < ROWS_ENOUGH && this.#open().length > 0; round++) {
        for (const number of this.#open()) rows += await this.#one(number);
        if (this.#failed !== null) break;
      }
    } finally {
      this.#busy = false;
      this.draw();
    }
  }

  draw() {
    if (this.#busy) return;
    const shown = this.#shown();
    if (shown.length === 0) return this.#said("", false);
    if (this.#open().length > 0) return this.#said(this.#failed ?? "↑ older lines", true);
    const whys = new Set(shown.map((number) => this.#ends.get(number)?.why).filter(Boolean));
    this.#said(whys.size === 1 ? [...whys][0] : "there is nothing older", false);
  }

  // The files that may have more.
  #open() {
    return this.#shown().filter((number) => {
      const { id, held } = this.#ring.oldest(number);
      const end = this.#ends.get(number);
      return id !== null && !(end !== undefined && end.id === id && end.held === held);
    });
  }

  #shown() {
    return this.#files.all.map((_, number) => number).filter((n) => this.#files.isShown(n) && this.#files.all[n].begun);
  }

  async #one(number) {
    const place = this.#ring.oldest(number);
    const name = this.#files.name(number);
    let answer;
    try {
      answer = await fetchOlder(name, place, portion(this.#ring.bytes / this.#ring.length));
    } catch (problem) {
      if (problem.status === 404) this.#ends.set(number, { ...place, why: `what ${name} held before is gone` });
      else this.#failed = `↑ older lines of ${name}: ${problem.message}; try again`;
      return 0;
    }
    // Meanwhile lines may have been trimmed or the list cleared: then this isn't what stands before it.
    const now = this.#ring.oldest(number);
    if (now.id !== place.id || now.held !== place.held) return 0;
    const high = this.#ring.first;
    const weight = answer.lines.some((line) => /[^\x00-\xff]/.test(line)) ? 2 : 1;
    this.#ring.unshift(number, answer.lines, { from: answer.from, id: answer.id, weight });
    if (answer.beginning) this.#ends.set(number, { ...this.#ring.oldest(number), why: `the beginning of ${name}` });
    return answer.lines.length > 0 ? this.#taken(this.#ring.first, high) : 0;
  }
}
