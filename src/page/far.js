// Far back: the lines before those that are held, looked through by the daemon for what passes the filter.
//
// What it finds stands in front of the held lines, in the order of time, with lines missing between; it goes when
// another filter is set. The lines around a hit can be asked for: where they end, and before the held lines, a row
// stands for those that are missing, and fetches some of them.

import { asked } from "./filter.js";
import { ask, askSome, byFile } from "./history.js";
import { Past } from "./past.js";

const LINES = 200;
// With so many rows to look at already, it waits until the reader comes to the first.
const ROWS_ENOUGH = 200;
const HITS_MAX = 4000;
const AROUND = 5;
const BETWEEN = 50;

export class Far {
  #ring;
  #files;
  #past;
  #view;
  #changed;
  #run = 0; // counts questions: an answer to an earlier one is thrown away
  // {number, item, hit, follows}: the hits, and what was fetched around them, oldest first. `follows` is the id of the
  // line before it in its file, where that is known.
  #items = [];
  #entries = []; // the same as they are shown: with {gap: [item, item or null]} where lines are missing
  #query = null; // what the daemon is asked, or null: it can't be, or needn't
  #stop = null;
  #ended = false;

  looking = null; // the name of the file that is being looked through
  error = null;
  hits = 0;

  // `changed(shift)` is told of other entries in front: how many more than before.
  constructor({ ring, files, view, changed }) {
    [this.#ring, this.#files, this.#view, this.#changed] = [ring, files, view, changed];
    this.#past = new Past((number) => files.reader(number));
  }

  // Another filter: nothing of what was found stays.
  reset() {
    this.stop();
    this.#run += 1;
    this.#query = null;
    this.#ended = false;
    this.error = null;
    this.hits = 0;
    this.#items = this.#entries = [];
    this.#past.forget();
    if (this.#ring.near > this.#ring.first) {
      this.#ring.dropFar();
      this.#changed(0);
    }
  }

  // The filter's answer among the held lines is known: begins to look further, where few lines passed.
  begin() {
    if (this.#query !== null || !this.#view.isNarrowed || !this.#view.shown.complete || this.#view.error !== null) return;
    this.#query = asked(this.#view.filter);
    if (this.#query !== null && this.#view.counts.some < ROWS_ENOUGH) this.more();
  }

  // Whether the daemon can be asked for what passes.
  get isAble() {
    return this.#query !== null;
  }

  get isDone() {
    return this.#ended;
  }

  get isHere() {
    return this.#items.length > 0;
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.looking = null;
  }

  // Looks further until there are more rows, or nothing is left.
  async more() {
    if (this.#stop !== null || this.#query === null || this.#ended || this.error !== null || this.#items.length > HITS_MAX) return;
    const run = this.#run;
    const stop = (this.#stop = new AbortController());
    const before = this.#items.length;
    try {
      for (;;) {
        this.#files.all.forEach((file, number) => {
          if (!this.#files.isShown(number) || !file.begun) return;
          const place = this.#ring.oldest(number);
          if (!this.#past.knows(number)) this.#past.sync(number, { id: place.id, held: 0 }, () => Infinity);
        });
        this.#take();
        const number = this.#past.wants(this.#shown());
        this.#ended = number === null;
        if (number === null || this.#items.length >= before + LINES / 4) break;
        this.looking = this.#files.name(number);
        this.#changed(0);
        await this.#one(number, run, stop.signal);
        if (run !== this.#run) return;
      }
    } catch (problem) {
      if (run !== this.#run) return;
      if (!stop.signal.aborted) this.error = problem.message;
    }
    if (this.#stop !== stop) return;
    this.stop();
    this.#changed(0);
  }

  async #one(number, run, signal) {
    const name = this.#files.name(number);
    const { id } = this.#past.place(number);
    const answer = byFile(await ask({ file: name, before: id, lines: String(LINES), ...this.#query }, signal), LINES).get(name);
    if (run !== this.#run) return;
    const { items = [], from = id, beginning = true } = answer ?? {};
    this.#past.take(number, { items, from, beginning });
  }

  // Puts in front what comes next in the order of time.
  #take() {
    const runs = this.#past.release(this.#shown(), LINES);
    if (runs.length === 0) return;
    const found = runs.reverse().flatMap(({ number, items }) => items.map((item) => ({ number, item, hit: true })));
    const passing = found.filter(({ number, item }) => item.text !== undefined && this.#view.passes(number, item));
    this.hits += passing.length;
    this.#show([...passing, ...this.#items]);
  }

  // The lines around one from far back, or of a gap those beside it: asked for, and put there.
  async around(seq) {
    const own = this.#entries[seq - this.#ring.first];
    if (own === undefined) return;
    if (own.gap === undefined) await Promise.all([this.#before(own, AROUND), this.#after(own, AROUND)]);
    else if (own.gap[1] === null) await this.#before(this.#edge(own.gap[0].number), BETWEEN, own.gap);
    else if (own.gap[1].hit) await this.#after(own.gap[0], BETWEEN, own.gap);
    else await this.#before(own.gap[1], BETWEEN, own.gap);
  }

  // Where the held lines of a file begin, as an entry behind all others.
  #edge(number) {
    return { number, item: null, place: this.#ring.oldest(number).id };
  }

  // Fetches lines that stand before an entry, those of a gap alone where one is given.
  async #before(own, lines, gap = null) {
    const place = own.item === null ? own.place : own.item.id;
    if (place === null) return;
    // Its own line is the last of the answer.
    const more = own.item === null ? 0 : 1;
    await this.#fetch(own.number, gap, (file) => ask({ file, before: place, lines: String(lines + more) }));
  }

  async #after(own, lines, gap = null) {
    await this.#fetch(own.number, gap, (file) => askSome({ file, after: own.item.id }, lines), lines, own);
  }

  // Puts in what an answer has of a file: a piece without a hole in it, behind the entry `own` where one is given.
  async #fetch(number, gap, request, lines = Infinity, own = null) {
    const run = this.#run;
    const name = this.#files.name(number);
    const answer = byFile(await request(name), 0).get(name)?.items ?? [];
    if (run !== this.#run) return;
    const reader = this.#files.reader(number);
    const held = this.#ring.oldest(number).id;
    const items = [...this.#items];
    const here = new Map(items.filter((one) => one.number === number).map((one) => [one.item.id, one]));
    let piece = answer.filter(({ text }) => text !== undefined).slice(0, lines);
    for (const end of gap ?? []) {
      const edge = piece.findIndex(({ id }) => end?.number === number && id === end.item.id);
      if (edge >= 0) piece = end === gap[0] ? piece.slice(edge) : piece.slice(0, edge + 1);
    }
    const first = own ?? here.get(piece.find(({ id }) => here.has(id))?.id);
    let at = first === undefined ? items.length : items.indexOf(first) + (own === null ? 0 : 1);
    for (const item of own?.item.id === held ? [] : piece) {
      let one = here.get(item.id);
      if (one === undefined) {
        one = { number, item: { ...item, ...reader.read(item.text, item.time) }, hit: false, follows: null };
        items.splice(at, 0, one);
      }
      one.follows = item.from;
      at = items.indexOf(one) + 1;
      // What stands behind that is held.
      if (item.id === held) break;
    }
    this.#show(items);
  }

  // The id and file of an entry from far back.
  place(seq) {
    const own = seq < this.#ring.near ? this.#entries[seq - this.#ring.first] : undefined;
    return own?.item ? { name: this.#files.name(own.number), id: own.item.id, time: own.item.time } : null;
  }

  isHit(seq) {
    return this.#entries[seq - this.#ring.first]?.hit === true;
  }

  #shown() {
    return this.#files.all.map((_, number) => number).filter((n) => this.#files.isShown(n) && this.#past.knows(n) && this.#files.all[n].begun);
  }

  #show(items) {
    this.#items = items;
    this.#ring.dropFar();
    const more = -this.#entries.length;
    this.#entries = items.flatMap((one, at) => (this.#isGap(one, items[at + 1]) ? [one, { gap: [one, items[at + 1] ?? null] }] : [one]));
    for (const { number, item, gap } of [...this.#entries].reverse()) {
      if (gap !== undefined) {
        this.#ring.putFar(gap[0].number, [{ event: "between" }]);
        continue;
      }
      const weight = /[^\x00-\xff]/.test(item.text) ? 2 : 1;
      this.#ring.putFar(number, [item.text], { weight, traits: { times: [item.time], levels: [item.level], stderr: [item.stderr] } });
    }
    this.#changed(more + this.#entries.length);
  }

  // Whether lines are missing behind an entry that a row is to stand for: where fetched lines end, and before the held.
  #isGap(one, next) {
    if (next === undefined) return one.item.id !== this.#ring.oldest(one.number).id;
    if (one.hit && next.hit) return false;
    return one.number !== next.number || next.follows !== one.item.id;
  }
}
