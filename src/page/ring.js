// The ring: the lines that the page holds, oldest first, bounded by lines and by bytes.
//
// Every entry has a number (`seq`) of its own that never changes, whatever is trimmed before it or put in
// front of it, so that a reader's place can be named by it. Entries are raw: a line is the string as it came,
// an event is an object; colours, levels and marks are worked out later, for what is looked at.
//
// Lines that belong together, as a stack trace does to its error, are one record: each knows its first line, and
// has the level of that.
//
// Invariant: every entry came in one run, and a run knows the ids of the place where it begins and
// of the place where it ends. So the ring can give up entries at either end and still say from where the
// daemon must send them again: the file is the buffer, this is only a window on it.

export const LINES_MAX = 200_000;
export const BYTES_MAX = 64 * 1024 * 1024;

const CHUNK = 1024;
// A record has no more lines than this; what follows is its own.
const RECORD_MAX = 65_000;
// So far back is looked for the record that a line belongs to, where that isn't known.
const HEAD_NEAR = 2000;

class Chunk {
  text = new Array(CHUNK);
  file = new Uint16Array(CHUNK);
  time = new Float64Array(CHUNK); // the line's own, 0 where it has none
  arrival = new Float64Array(CHUNK);
  level = new Uint8Array(CHUNK); // 0: not worked out yet, else 1 + the level
  stderr = new Uint8Array(CHUNK);
  back = new Uint32Array(CHUNK); // how far before it its record's first line is; 0: it is the first
  nth = new Uint16Array(CHUNK); // which line of its record it is
  lines = new Uint16Array(CHUNK); // of a record's first line: how many lines it has
}

export class Ring {
  #chunks = [];
  #firstChunk = 0; // the number of #chunks[0]: floor(seq / CHUNK)
  #runs = []; // {file, from, id, first, count, weight}, in the order of `first`
  #gone = 0; // so many of the first runs are gone; cut off now and then, for a shift moves all the others
  #oldest = new Map(); // file -> its oldest run, or null: known to have none
  #heads = new Map(); // file -> the first line of its newest record
  #detect;

  first = 0;
  near = 0; // the first entry that isn't from far back: before it lines are missing between the entries
  end = 0;
  bytes = 0;
  events = []; // the numbers of the events among the entries
  ids = new Map(); // file -> id of the place up to which the ring has it

  constructor({ linesMax = LINES_MAX, bytesMax = BYTES_MAX, detect = () => 0 } = {}) {
    this.linesMax = linesMax;
    this.bytesMax = bytesMax;
    this.#detect = detect;
  }

  get length() {
    return this.end - this.first;
  }

  get lines() {
    return this.length - this.events.length;
  }

  get over() {
    return this.length > this.linesMax || this.bytes > this.bytesMax;
  }

  has(seq) {
    return seq >= this.first && seq < this.end;
  }

  text(seq) {
    return this.#chunk(seq).text[slot(seq)];
  }

  file(seq) {
    return this.#chunk(seq).file[slot(seq)];
  }

  // The line's own time in milliseconds since 1970; 0 where it has none.
  time(seq) {
    return this.#chunk(seq).time[slot(seq)];
  }

  // The time of the record that a line belongs to.
  when(seq) {
    return this.time(seq) || this.time(this.head(seq));
  }

  // When the line arrived; 0 for one of the history.
  arrival(seq) {
    return this.#chunk(seq).arrival[slot(seq)];
  }

  stderr(seq) {
    return this.#chunk(seq).stderr[slot(seq)] === 1;
  }

  // The first line of the record that a line belongs to, as far as it is held.
  head(seq) {
    const head = seq - this.#chunk(seq).back[slot(seq)];
    return head < this.first ? seq : head;
  }

  // Which line of its record it is, and how many the record has.
  nth(seq) {
    return this.head(seq) === seq ? 0 : this.#chunk(seq).nth[slot(seq)];
  }

  size(seq) {
    const head = this.head(seq);
    return this.#chunk(head).lines[slot(head)];
  }

  // All lines of the record that a line belongs to.
  record(seq) {
    const head = this.head(seq);
    const all = [head];
    const size = this.size(head);
    for (let at = head + 1; all.length < size && at < this.end; at++) if (this.#joined(at) && this.head(at) === head) all.push(at);
    return all;
  }

  level(seq) {
    const chunk = this.#chunk(seq);
    const at = slot(seq);
    if (chunk.level[at] === 0) {
      const text = chunk.text[at];
      const head = this.head(seq);
      if (head !== seq) chunk.level[at] = 1 + this.level(head);
      else chunk.level[at] = 1 + (typeof text === "string" ? this.#detect(text) : 0);
    }
    return chunk.level[at] - 1;
  }

  // The level where it has been worked out; else that of a line without one.
  knownLevel(seq) {
    const known = this.#chunk(seq).level[slot(seq)];
    return known === 0 ? 0 : known - 1;
  }

  // `weight` is the bytes a character takes: 1, or 2 where one of them is outside Latin-1. `traits` has arrays beside
  // the lines: times, joins (whether a line belongs to the one before), levels and stderr.
  push(file, lines, { from = null, id = null, arrival = 0, weight = 1, traits = {} } = {}) {
    if (lines.length > 0) {
      this.#run({ file, from: from ?? this.ids.get(file) ?? null, id, first: this.end, count: lines.length, weight });
      lines.forEach((line, i) => {
        this.#store(this.end, file, line, arrival, line.length * weight);
        this.#mark(this.end, file, traits, i, (seq) => this.#newestHead(seq, file));
        this.end += 1;
      });
    }
    if (id !== null) this.ids.set(file, id);
  }

  pushEvent(file, event, { id = null, arrival = 0 } = {}) {
    this.#run({ file, from: this.ids.get(file) ?? null, id, first: this.end, count: 1, weight: 0 });
    this.events.push(this.end);
    this.#store(this.end, file, event, arrival, 0);
    this.#heads.set(file, null);
    this.end += 1;
    if (id !== null) this.ids.set(file, id);
  }

  // Puts older lines of one file, or an event, in front of everything.
  unshift(file, lines, { from = null, id = null, weight = 1, traits = {} } = {}) {
    if (lines.length === 0) return;
    this.first -= lines.length;
    const run = { file, from, id, first: this.first, count: lines.length, weight };
    if (this.#gone > 0) this.#runs[--this.#gone] = run;
    else this.#runs.unshift(run);
    this.#oldest.set(file, run);
    this.near = this.first;
    this.#front(file, lines, weight, traits);
    if (!this.#heads.has(file)) this.#heads.set(file, this.head(this.first + lines.length - 1));
  }

  // Puts lines from far back, with others missing between, in front of everything; `dropFar` takes them all back.
  putFar(file, lines, { weight = 1, traits = {} } = {}) {
    if (lines.length === 0) return;
    this.first -= lines.length;
    const run = { file, from: null, id: null, first: this.first, count: lines.length, weight, far: true };
    if (this.#gone > 0) this.#runs[--this.#gone] = run;
    else this.#runs.unshift(run);
    this.#front(file, lines, weight, traits);
  }

  dropFar() {
    while (this.first < this.near) this.#dropFirst();
    this.#forgetEvents();
  }

  #front(file, lines, weight, traits) {
    let head = null;
    lines.forEach((line, i) => {
      const seq = this.first + i;
      this.#store(seq, file, line, 0, typeof line === "string" ? line.length * weight : 0);
      this.#mark(seq, file, traits, i, () => head);
      head = this.head(seq);
    });
    const events = lines.flatMap((line, i) => (typeof line === "string" ? [] : [this.first + i]));
    if (events.length > 0) this.events.unshift(...events);
  }

  // Gives up the oldest entries until the bounds are kept, but none from `keep` on.
  // False where that was not enough.
  trim(keep = Infinity) {
    const before = this.first;
    while (this.over && this.first < Math.min(keep, this.end)) this.#dropFirst();
    if (this.first !== before) this.#forgetEvents();
    return !this.over;
  }

  // Gives up the newest runs until the bounds are kept, and takes the ids back to where they began, so
  // that a resume brings them again. A run that began at an unknown place has to stay. Gives what went: a
  // number of entries for each file.
  dropNewest() {
    const dropped = new Map();
    while (this.over && this.#runs.length - this.#gone > 1) {
      const last = this.#runs[this.#runs.length - 1];
      if (last.from === null) break;
      this.#runs.pop();
      if (this.#oldest.get(last.file) === last) this.#oldest.set(last.file, null);
      dropped.set(last.file, (dropped.get(last.file) ?? 0) + last.count);
      for (let seq = last.first; seq < last.first + last.count; seq++) {
        const chunk = this.#chunk(seq);
        const text = chunk.text[slot(seq)];
        if (typeof text === "string") this.bytes -= text.length * last.weight;
        chunk.text[slot(seq)] = undefined;
        this.#leave(seq);
      }
      this.end = last.first;
      this.#heads.delete(last.file);
      this.ids.set(last.file, last.from);
    }
    this.events = this.events.filter((seq) => seq < this.end);
    return dropped;
  }

  // Forgets all entries, but not how far each file has been read.
  clear() {
    this.#chunks = [];
    this.#runs = [];
    this.#gone = 0;
    this.#oldest.clear();
    this.#heads.clear();
    this.events = [];
    this.first = this.near = this.end;
    this.bytes = 0;
  }

  // Where the oldest held line of a file begins: an id for `before`, and how many of the lines before that
  // place are held already (where a run has lost only a part of its lines).
  oldest(file) {
    // Asked for each file in each frame: looked for once, until that run goes.
    let run = this.#oldest.get(file);
    if (run === undefined) {
      run = this.#runs.find((r) => r?.file === file && !r.far) ?? null;
      this.#oldest.set(file, run);
    }
    if (run === null) return { id: this.ids.get(file) ?? null, held: 0 };
    if (run.first >= this.first && run.from !== null) return { id: run.from, held: 0 };
    return { id: run.id, held: run.first + run.count - Math.max(run.first, this.first) };
  }

  #run(run) {
    this.#runs.push(run);
    if (this.#oldest.get(run.file) === null) this.#oldest.set(run.file, run);
  }

  #chunk(seq) {
    return this.#chunks[Math.floor(seq / CHUNK) - this.#firstChunk];
  }

  // The run that an entry came in, {file, id, first, count}: the id is of the place behind it.
  run(seq) {
    let [low, high] = [this.#gone, this.#runs.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#runs[middle].first <= seq) low = middle;
      else high = middle - 1;
    }
    return this.#runs[low];
  }

  #joined(seq) {
    return this.#chunk(seq).back[slot(seq)] > 0;
  }

  // The first line of the file's newest record before an entry; null where none is near.
  #newestHead(seq, file) {
    const known = this.#heads.get(file);
    if (known !== undefined) return known !== null && known >= this.first ? known : null;
    for (let at = seq - 1; at >= this.first && at > seq - HEAD_NEAR; at--) {
      if (this.file(at) === file && typeof this.text(at) === "string") return this.head(at);
    }
    return null;
  }

  // Writes down what is known of a line besides its text.
  #mark(seq, file, { times, joins, levels, stderr }, i, before) {
    const chunk = this.#chunk(seq);
    const at = slot(seq);
    chunk.time[at] = times?.[i] ?? 0;
    chunk.stderr[at] = stderr?.[i] ? 1 : 0;
    if (levels?.[i] !== undefined && levels[i] !== null) chunk.level[at] = 1 + levels[i];
    const head = joins?.[i] ? before(seq) : null;
    if (head === null) {
      chunk.lines[at] = 1;
      if (seq >= this.end) this.#heads.set(file, typeof chunk.text[at] === "string" ? seq : null);
      return;
    }
    const owner = this.#chunk(head);
    const nth = owner.lines[slot(head)];
    if (nth === RECORD_MAX) return this.#mark(seq, file, { times, levels, stderr }, i, before);
    owner.lines[slot(head)] = nth + 1;
    chunk.back[at] = seq - head;
    chunk.nth[at] = nth;
  }

  // A record loses its last line.
  #leave(seq) {
    const chunk = this.#chunk(seq);
    const back = chunk.back[slot(seq)];
    if (back === 0 || seq - back < this.first) return;
    this.#chunk(seq - back).lines[slot(seq - back)] -= 1;
  }

  #store(seq, file, text, arrival, bytes) {
    const number = Math.floor(seq / CHUNK);
    if (this.#chunks.length === 0) this.#firstChunk = number;
    while (number < this.#firstChunk) {
      this.#chunks.unshift(new Chunk());
      this.#firstChunk -= 1;
    }
    while (number >= this.#firstChunk + this.#chunks.length) this.#chunks.push(new Chunk());
    const chunk = this.#chunks[number - this.#firstChunk];
    const at = slot(seq);
    chunk.text[at] = text;
    chunk.file[at] = file;
    chunk.arrival[at] = arrival;
    for (const column of [chunk.time, chunk.level, chunk.stderr, chunk.back, chunk.nth]) column[at] = 0;
    chunk.lines[at] = 1;
    this.bytes += bytes;
  }

  #dropFirst() {
    const run = this.#runs[this.#gone];
    const chunk = this.#chunk(this.first);
    const text = chunk.text[slot(this.first)];
    if (typeof text === "string") this.bytes -= text.length * run.weight;
    chunk.text[slot(this.first)] = undefined;
    this.first += 1;
    this.near = Math.max(this.near, this.first);
    if (this.first >= run.first + run.count) {
      this.#runs[this.#gone++] = undefined;
      this.#oldest.delete(run.file);
      if (this.#gone > CHUNK && this.#gone * 2 > this.#runs.length) {
        this.#runs.splice(0, this.#gone);
        this.#gone = 0;
      }
    }
    while (this.#chunks.length > 0 && (this.#firstChunk + 1) * CHUNK <= this.first) {
      this.#chunks.shift();
      this.#firstChunk += 1;
    }
  }

  #forgetEvents() {
    const from = this.events.findIndex((seq) => seq >= this.first);
    if (from !== 0) this.events = from < 0 ? [] : this.events.slice(from);
  }
}

function slot(seq) {
  return seq - Math.floor(seq / CHUNK) * CHUNK;
}
