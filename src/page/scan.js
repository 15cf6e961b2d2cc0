// A scan: the entries of the ring that pass a test, found in slices so short that typing never waits, and
// kept up to date as lines come and go. A scan by records takes all lines of a record of which one passes.
//
// The reader's own regular expressions run in a worker: one that backtracks for ever on some hostile line is
// ended there and said, where on the page's own thread it would freeze the page.

import { plain } from "./ansi.js";
import { Numbers } from "./rows.js";

const SLICE_MS = 6;
const WORKER_LINES = 8192;
const WORKER_CHARS = 1 << 20;
const WORKER_TIMEOUT_MS = 2000;
// It is loaded over the network first.
const WORKER_LOAD_MS = 30_000;
// Between two looks at the clock: a few lines, or a few characters of long ones.
const LOOK_LINES = 64;
const LOOK_CHARS = 16_384;

export class Scan {
  #ring;
  #changed;
  #until;
  #query = null;
  #next = 0;
  #run = 0; // counts queries: what belongs to an earlier one is thrown away
  #running = false;
  #matcher = null;
  #inserted = false; // whether matches have come between others since the last word
  #retreats = 0; // counted, for a verdict that is on its way may be on a line that is gone

  #records;

  found = new Numbers();
  complete = true; // whether it has once reached the end since it began
  error = null;

  // `changed(inserted)` is called when matches have been added or the scan is complete, with true where some came
  // between others; `until` gives the end.
  constructor(ring, changed, until = () => ring.end, { records = false } = {}) {
    this.#ring = ring;
    this.#changed = changed;
    this.#until = until;
    this.#records = records;
  }

  // The first entry not yet looked at.
  get next() {
    return this.#next;
  }

  get progress() {
    const all = this.#until() - this.#ring.first;
    return all <= 0 ? 1 : Math.max(0, Math.min(1, (this.#next - this.#ring.first) / all));
  }

  // What is asked for: `accepts(seq)` by anything cheap; then `text(line)`, or `patterns` for the worker.
  // With null, nothing is.
  begin(query) {
    this.#run += 1;
    this.#query = query;
    this.#matcher?.end();
    this.#matcher = query?.patterns ? new Matcher(query.patterns) : null;
    this.#next = this.#ring.first;
    this.#running = false;
    this.found = new Numbers();
    this.complete = query === null;
    this.error = null;
    this.advance();
  }

  // Looks at what has come; to be called after each arrival.
  advance() {
    this.found.trim(this.#ring.first);
    if (this.#query === null || this.#running || this.error !== null) return;
    if (this.#matcher === null && this.#slice()) return this.#report();
    this.#running = true;
    this.#walk(this.#run);
  }

  // Takes in entries that were put in front of all others: from `low` up to `high`.
  async older(low, high) {
    if (this.#query === null) return 0;
    const run = this.#run;
    const seqs = [];
    for (let at = low; at < high; at += WORKER_LINES) {
      const found = await this.#test(range(at, Math.min(high, at + WORKER_LINES)));
      if (run !== this.#run) return 0;
      for (const seq of found) {
        if (this.#records) seqs.push(...this.#ring.record(seq).filter((other) => other < high));
        else seqs.push(seq);
      }
    }
    const all = this.#records ? [...new Set(seqs)].sort((a, b) => a - b) : seqs;
    this.found.unshift(all);
    this.#changed(false);
    return all.length;
  }

  // Of what is before `near`, exactly these are found.
  front(near, seqs) {
    this.found.trim(near);
    this.found.unshift(seqs);
  }

  // Forgets what the ring has forgotten at its end, so that it is looked at anew when it comes again.
  retreat() {
    this.#retreats += 1;
    this.found.trim(this.#ring.first, this.#ring.end);
    this.#next = Math.min(this.#next, this.#ring.end);
  }

  // One slice on this thread; true when the end is reached.
  #slice() {
    const until = this.#until();
    const deadline = performance.now() + SLICE_MS;
    const { accepts, text } = this.#query;
    let seq = Math.max(this.#next, this.#ring.first);
    for (let work = 0; seq < until; seq++) {
      const entry = this.#ring.text(seq);
      this.#admit(seq, () => accepts(seq) && passes(entry, text));
      work += 1 / LOOK_LINES + (entry.length ?? 0) / LOOK_CHARS;
      if (work < 1) continue;
      work = 0;
      if (performance.now() > deadline) {
        seq += 1;
        break;
      }
    }
    this.#next = Math.max(seq, this.#next);
    return this.#next >= until;
  }

  async #walk(run) {
    while (run === this.#run && this.error === null) {
      await turn();
      if (run !== this.#run) return;
      if (this.#matcher === null) {
        if (this.#slice()) break;
      } else {
        const from = Math.max(this.#next, this.#ring.first);
        const seqs = this.#portion(from);
        if (seqs.length === 0) break;
        const retreats = this.#retreats;
        const found = await this.#test(seqs);
        if (run !== this.#run) return;
        if (retreats !== this.#retreats) continue;
        const passed = new Set(found);
        for (const seq of seqs) if (this.#ring.has(seq)) this.#admit(seq, () => passed.has(seq));
        this.#next = seqs[seqs.length - 1] + 1;
      }
      this.#tell();
    }
    if (run !== this.#run) return;
    this.#running = false;
    this.#report();
  }

  // Takes in an entry that passes, or of whose record another line does.
  #admit(seq, passes) {
    const head = this.#records ? this.#ring.head(seq) : seq;
    if (head !== seq && this.found.has(head)) return this.found.push(seq);
    if (!passes()) return;
    if (head !== seq) {
      const before = this.#ring.record(seq).filter((other) => other < seq);
      if (before[0] > this.found.last) for (const other of before) this.found.push(other);
      else this.#inserted = this.found.insert(before).length > 0 || this.#inserted;
    }
    this.found.push(seq);
  }

  #report() {
    this.complete = true;
    this.#tell();
  }

  #tell() {
    const inserted = this.#inserted;
    this.#inserted = false;
    this.#changed(inserted);
  }

  #portion(from) {
    const until = Math.min(this.#until(), from + WORKER_LINES);
    let to = from;
    for (let chars = 0; to < until && chars < WORKER_CHARS; to++) chars += this.#ring.text(to).length ?? 0;
    return range(from, to);
  }

  async #test(seqs) {
    const run = this.#run;
    const { accepts, text } = this.#query;
    const held = seqs.filter((seq) => this.#ring.has(seq) && accepts(seq));
    if (this.#matcher === null) return held.filter((seq) => passes(this.#ring.text(seq), text));
    const lines = held.filter((seq) => typeof this.#ring.text(seq) === "string");
    const verdicts = await this.#matcher.test(lines.map((seq) => this.#ring.text(seq)));
    if (run !== this.#run) return []; // an ended question has no say in the next one
    if (typeof verdicts === "string") {
      this.error = verdicts;
      return [];
    }
    const passed = new Set(lines.filter((_, i) => verdicts[i] === 1));
    return held.filter((seq) => passed.has(seq) || typeof this.#ring.text(seq) !== "string");
  }
}

// The worker that tries patterns on lines; one question at a time.
class Matcher {
  #patterns;
  #worker = null;
  #waiting = Promise.resolve();
  #ready = false;
  #finish = null;

  constructor(patterns) {
    this.#patterns = patterns;
  }

  // A verdict a line (1: passes), or words for why there is none.
  test(lines) {
    this.#waiting = this.#waiting.then(() => this.#ask(lines));
    return this.#waiting;
  }

  end() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#patterns = null;
    this.#finish?.("the pattern was given up");
  }

  #ask(lines) {
    if (this.#patterns === null) return Promise.resolve("the pattern was given up");
    this.#worker ??= new Worker(new URL("./scan-worker.js", import.meta.url), { type: "module" });
    const worker = this.#worker;
    return new Promise((resolve) => {
      let timer = null;
      const finish = (verdicts) => {
        clearTimeout(timer);
        this.#finish = null;
        if (typeof verdicts === "string") this.end();
        resolve(verdicts);
      };
      this.#finish = finish;
      const ask = () => {
        this.#ready = true;
        clearTimeout(timer);
        timer = setTimeout(finish, WORKER_TIMEOUT_MS, "this pattern takes too long on some line");
        worker.postMessage({ lines, patterns: this.#patterns });
      };
      worker.onmessage = ({ data }) => (data === "ready" ? ask() : finish(data));
      worker.onerror = () => finish("the pattern can't be tried: its worker did not load");
      if (this.#ready) ask();
      else timer = setTimeout(finish, WORKER_LOAD_MS, "the pattern can't be tried: its worker did not load");
    });
  }
}

function passes(entry, text) {
  return text === null || typeof entry !== "string" || text(plain(entry));
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

// The next task of the event loop: what the reader does comes first, a hidden tab slows it little.
const { port1, port2 } = new MessageChannel();
const turns = [];
port1.onmessage = () => turns.shift()?.();
export function turn() {
  return new Promise((resolve) => {
    turns.push(resolve);
    port2.postMessage(null);
  });
}
