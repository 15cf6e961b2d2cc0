// The ring: the lines that the page holds, oldest first, bounded by lines and by bytes.
//
// Every entry has a number (`seq`) of its own that never changes, whatever is trimmed before it or put in
// front of it, so that a reader's place can be named by it. Entries are raw: a line is the string as it came,
// an event is an object; colours, levels and marks are worked out later, for what is looked at.
//
// Invariant: every entry belongs to one record, and a record knows the ids of the place where it begins and
// of the place where it ends. So the ring can give up entries at either end and still say from where the
// daemon must send them again: the file is the buffer, this is only a window on it.

export const LINES_MAX = 200_000;
export const BYTES_MAX = 64 * 1024 * 1024;

const CHUNK = 1024;

class Chunk {
  text = new Array(CHUNK);
  file = new Uint16Array(CHUNK);
  time = new Float64Array(CHUNK);
  level = new Uint8Array(CHUNK); // 0: not worked out yet, else 1 + the level
}

export class Ring {
  #chunks = [];
  #firstChunk = 0; // the number of #chunks[0]: floor(seq / CHUNK)
  #records = []; // {file, from, id, first, count, weight}, in the order of `first`
  #gone = 0; // so many of the first records are gone; cut off now and then, for a shift moves all the others
  #oldest = new Map(); // file -> its oldest record, or null: known to have none
  #detect;

  first = 0;
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

  // When the line arrived, in milliseconds; 0 for one that was fetched from further back.
  time(seq) {
    return this.#chunk(seq).time[slot(seq)];
  }

  level(seq) {
    const chunk = this.#chunk(seq);
    const at = slot(seq);
    if (chunk.level[at] === 0) {
      const text = chunk.text[at];
      chunk.level[at] = 1 + (typeof text === "string" ? this.#detect(text) : 0);
    }
    return chunk.level[at] - 1;
  }

  // `weight` is the bytes a character takes: 1, or 2 where one of them is outside Latin-1.
  push(file, lines, { from = null, id = null, time = 0, weight = 1 } = {}) {
    if (lines.length > 0) {
      this.#record({
        file, from: from ?? this.ids.get(file) ?? null, id, first: this.end, count: lines.length, weight,
      });
      for (const line of lines) this.#append(file, line, time, line.length * weight);
    }
    if (id !== null) this.ids.set(file, id);
  }

  pushEvent(file, event, { id = null, time = 0 } = {}) {
    this.#record({ file, from: this.ids.get(file) ?? null, id, first: this.end, count: 1, weight: 0 });
    this.events.push(this.end);
    this.#append(file, event, time, 0);
    if (id !== null) this.ids.set(file, id);
  }

  // Puts older lines of one file in front of everything.
  unshift(file, lines, { from = null, id = null, weight = 1 } = {}) {
    if (lines.length === 0) return;
    this.first -= lines.length;
    const record = { file, from, id, first: this.first, count: lines.length, weight };
    if (this.#gone > 0) this.#records[--this.#gone] = record;
    else this.#records.unshift(record);
    this.#oldest.set(file, record);
    lines.forEach((line, i) => this.#store(this.first + i, file, line, 0, line.length * weight));
  }

  // Gives up the oldest entries until the bounds are kept, but none from `keep` on.
  // False where that was not enough.
  trim(keep = Infinity) {
    const before = this.first;
    while (this.over && this.first < Math.min(keep, this.end)) this.#dropFirst();
    if (this.first !== before) this.#forgetEvents();
    return !this.over;
  }

  // Gives up the newest records until the bounds are kept, and takes the ids back to where they began, so
  // that a resume brings them again. A record that began at an unknown place has to stay. Gives what went: a
  // number of entries for each file.
  dropNewest() {
    const dropped = new Map();
    while (this.over && this.#records.length - this.#gone > 1) {
      const last = this.#records[this.#records.length - 1];
      if (last.from === null) break;
      this.#records.pop();
      if (this.#oldest.get(last.file) === last) this.#oldest.set(last.file, null);
      dropped.set(last.file, (dropped.get(last.file) ?? 0) + last.count);
      for (let seq = last.first; seq < last.first + last.count; seq++) {
        const chunk = this.#chunk(seq);
        const text = chunk.text[slot(seq)];
        if (typeof text === "string") this.bytes -= text.length * last.weight;
        chunk.text[slot(seq)] = undefined;
        chunk.level[slot(seq)] = 0;
      }
      this.end = last.first;
      this.ids.set(last.file, last.from);
    }
    this.events = this.events.filter((seq) => seq < this.end);
    return dropped;
  }

  // Forgets all entries, but not how far each file has been read.
  clear() {
    this.#chunks = [];
    this.#records = [];
    this.#gone = 0;
    this.#oldest.clear();
    this.events = [];
    this.first = this.end;
    this.bytes = 0;
  }

  // Where the oldest held line of a file begins: an id for `before`, and how many of the lines before that
  // place are held already (where a record has lost only a part of its lines).
  oldest(file) {
    // Asked for each file in each frame: looked for once, until that record goes.
    let record = this.#oldest.get(file);
    if (record === undefined) {
      record = this.#records.find((r) => r?.file === file) ?? null;
      this.#oldest.set(file, record);
    }
    if (record === null) return { id: this.ids.get(file) ?? null, held: 0 };
    if (record.first >= this.first && record.from !== null) return { id: record.from, held: 0 };
    return { id: record.id, held: record.first + record.count - Math.max(record.first, this.first) };
  }

  #record(record) {
    this.#records.push(record);
    if (this.#oldest.get(record.file) === null) this.#oldest.set(record.file, record);
  }

  #chunk(seq) {
    return this.#chunks[Math.floor(seq / CHUNK) - this.#firstChunk];
  }

  #append(file, text, time, bytes) {
    this.#store(this.end, file, text, time, bytes);
    this.end += 1;
  }

  #store(seq, file, text, time, bytes) {
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
    chunk.time[at] = time;
    chunk.level[at] = 0;
    this.bytes += bytes;
  }

  #dropFirst() {
    const record = this.#records[this.#gone];
    const chunk = this.#chunk(this.first);
    const text = chunk.text[slot(this.first)];
    if (typeof text === "string") this.bytes -= text.length * record.weight;
    chunk.text[slot(this.first)] = undefined;
    this.first += 1;
    if (this.first >= record.first + record.count) {
      this.#records[this.#gone++] = undefined;
      this.#oldest.delete(record.file);
      if (this.#gone > CHUNK && this.#gone * 2 > this.#records.length) {
        this.#records.splice(0, this.#gone);
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
