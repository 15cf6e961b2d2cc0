// Far back: the lines before those that are held, looked through by the daemon for what passes the filter.
//
// What it finds stands in front of the held lines, in the order of time, with lines missing between; it goes when
// another filter is set.

import { asked } from "./filter.js";
import { ask, askSome, byFile } from "./history.js";
import { Past } from "./past.js";

const LINES = 200;
// With so many rows to look at already, it waits until the reader comes to the first.
const ROWS_ENOUGH = 200;
const HITS_MAX = 4000;
const AROUND = 5;

export class Far {
  #ring;
  #files;
  #past;
  #view;
  #changed;
  #run = 0; // counts questions: an answer to an earlier one is thrown away
  #items = []; // {number, item}: the hits, and what was fetched around them, oldest first
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
    this.#items = [];
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

  // The lines around one from far back: asked for, and put beside it.
  async around(seq) {
    const at = seq - this.#ring.first;
    const own = this.#items[at];
    if (own === undefined) return;
    const run = this.#run;
    const name = this.#files.name(own.number);
    const [before, after] = await Promise.all([
      ask({ file: name, before: own.item.id, lines: String(AROUND + 1) }),
      askSome({ file: name, after: own.item.id }, AROUND),
    ]);
    if (run !== this.#run) return;
    const held = new Set(this.#items.map(({ number, item }) => `${number} ${item.id}`));
    const lines = (answer) => byFile(answer, 0).get(name)?.items.filter(({ text, id }) => text !== undefined && !held.has(`${own.number} ${id}`)) ?? [];
    const reader = this.#files.reader(own.number);
    const entry = (item) => ({ number: own.number, item: { ...item, ...reader.read(item.text, item.time) }, hit: false });
    const place = this.#items.indexOf(own);
    this.#show([
      ...this.#items.slice(0, place), ...lines(before).map(entry), own, ...lines(after).slice(0, AROUND).map(entry), ...this.#items.slice(place + 1),
    ]);
  }

  // The id and file of an entry from far back.
  place(seq) {
    const own = this.#items[seq - this.#ring.first];
    return own === undefined || seq >= this.#ring.near ? null : { name: this.#files.name(own.number), id: own.item.id, time: own.item.time };
  }

  isHit(seq) {
    return this.#items[seq - this.#ring.first]?.hit === true;
  }

  #shown() {
    return this.#files.all.map((_, number) => number).filter((n) => this.#files.isShown(n) && this.#past.knows(n) && this.#files.all[n].begun);
  }

  #show(items) {
    const more = items.length - this.#items.length;
    this.#items = items;
    this.#ring.dropFar();
    for (const { number, item } of [...items].reverse()) {
      const weight = /[^\x00-\xff]/.test(item.text) ? 2 : 1;
      this.#ring.putFar(number, [item.text], { weight, traits: { times: [item.time], levels: [item.level], stderr: [item.stderr] } });
    }
    this.#changed(more);
  }
}
