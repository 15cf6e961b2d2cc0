// A scan: the entries of the ring that pass a test, found in slices so short that typing never waits, and
// kept up to date as lines come and go.
//
// The reader's own regular expressions run in a worker: one that backtracks for ever on some hostile line is
// ended there and said, where on the page's own thread it would freeze the page.

import { Numbers } from "./rows.js";

const SLICE_MS = 6;
const WORKER_LINES = 2048;
const WORKER_CHARS = 1 << 20;
const WORKER_TIMEOUT_MS = 2000;

export class Scan {
  #ring;
  #changed;
  #until;
  #query = null;
  #next = 0;
  #run = 0; // counts queries: what belongs to an earlier one is thrown away
  #running = false;
  #matcher = null;

  found = new Numbers();
  complete = true; // whether it has once reached the end since it began
  error = null;

  // `changed` is called when matches have been added or the scan is complete; `until` gives the end.
  constructor(ring, changed, until = () => ring.end) {
    this.#ring = ring;
    this.#changed = changed;
    this.#until = until;
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
      seqs.push(...found);
    }
    this.found.unshift(seqs);
    this.#changed();
    return seqs.length;
  }

  // Forgets what the ring has forgotten at its end, so that it is looked at anew when it comes again.
  retreat() {
    this.found.trim(this.#ring.first, this.#ring.end);
    this.#next = Math.min(this.#next, this.#ring.end);
  }

  // One slice on this thread; true when the end is reached.
  #slice() {
    const until = this.#until();
    const deadline = performance.now() + SLICE_MS;
    const { accepts, text } = this.#query;
    let seq = Math.max(this.#next, this.#ring.first);
    for (let n = 1; seq < until; seq++, n++) {
      if (accepts(seq) && passes(this.#ring.text(seq), text)) this.found.push(seq);
      if (n % 64 === 0 && performance.now() > deadline) {
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
        const found = await this.#test(seqs);
        if (run !== this.#run) return;
        for (const seq of found) if (this.#ring.has(seq)) this.found.push(seq);
        this.#next = seqs[seqs.length - 1] + 1;
      }
      this.#changed();
    }
    if (run !== this.#run) return;
    this.#running = false;
    this.#report();
  }

  #report() {
    this.complete = true;
    this.#changed();
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
    if (verdicts === null) {
      this.error = "this pattern takes too long on some line";
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

  constructor(patterns) {
    this.#patterns = patterns;
  }

  // A verdict a line (1: passes), or null where it took too long.
  test(lines) {
    this.#waiting = this.#waiting.then(() => this.#ask(lines));
    return this.#waiting;
  }

  end() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#patterns = null;
  }

  #ask(lines) {
    if (this.#patterns === null) return Promise.resolve(null);
    this.#worker ??= new Worker(new URL("./scan-worker.js", import.meta.url), { type: "module" });
    const worker = this.#worker;
    return new Promise((resolve) => {
      const finish = (verdicts) => {
        clearTimeout(timer);
        if (verdicts === null) this.end();
        resolve(verdicts);
      };
      // The first question also loads the worker, which a slow link may delay.
      const timer = setTimeout(finish, WORKER_TIMEOUT_MS, null);
      worker.onmessage = ({ data }) => (data === "ready" ? undefined : finish(data));
      worker.onerror = () => finish(null);
      worker.postMessage({ lines, patterns: this.#patterns });
    });
  }
}

function passes(entry, text) {
  return text === null || typeof entry !== "string" || text(entry);
}

function range(from, to) {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

// The next task of the event loop: what the reader does comes first, a hidden tab slows it little.
const { port1, port2 } = new MessageChannel();
const turns = [];
port1.onmessage = () => turns.shift()?.();
function turn() {
  return new Promise((resolve) => {
    turns.push(resolve);
    port2.postMessage(null);
  });
}
