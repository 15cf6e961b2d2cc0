// The rows: which of the held entries are shown, in order.
//
// Rows are numbered, and a row keeps its number while others come behind it, are put in front of it or are
// trimmed. With no filter, the number of a row is simply the number of its entry.

// A growing list of ascending numbers that can also lose and gain at its beginning.
export class Numbers {
  #all = new Float64Array(1024);
  #head = 0;
  #tail = 0;

  start = 0; // the row number of the first

  get length() {
    return this.#tail - this.#head;
  }

  get end() {
    return this.start + this.length;
  }

  get last() {
    return this.length === 0 ? -Infinity : this.#all[this.#tail - 1];
  }

  at(row) {
    return this.#all[this.#head + row - this.start];
  }

  all() {
    return this.#all.subarray(this.#head, this.#tail);
  }

  push(seq) {
    if (this.#tail === this.#all.length) this.#grow(0);
    this.#all[this.#tail++] = seq;
  }

  unshift(list) {
    if (list.length > this.#head) this.#grow(list.length);
    this.#head -= list.length;
    this.#all.set(list, this.#head);
    this.start -= list.length;
  }

  // Forgets what is below `first`, and what is at `end` or above.
  trim(first, end = Infinity) {
    while (this.#head < this.#tail && this.#all[this.#head] < first) {
      this.#head += 1;
      this.start += 1;
    }
    while (this.#tail > this.#head && this.#all[this.#tail - 1] >= end) this.#tail -= 1;
  }

  // The first row whose number is `seq` or more.
  row(seq) {
    let low = this.#head;
    let high = this.#tail;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#all[middle] < seq) low = middle + 1;
      else high = middle;
    }
    return this.start + low - this.#head;
  }

  has(seq) {
    const row = this.row(seq);
    return row < this.end && this.at(row) === seq;
  }

  // Adds numbers in their places; says which were new. Those behind them get other rows.
  insert(list) {
    const fresh = list.filter((seq) => !this.has(seq)).sort((a, b) => a - b);
    while (this.#tail + fresh.length > this.#all.length) this.#grow(0);
    let from = this.#tail - 1;
    let to = this.#tail + fresh.length - 1;
    for (let i = fresh.length - 1; i >= 0; to--) {
      if (from >= this.#head && this.#all[from] > fresh[i]) this.#all[to] = this.#all[from--];
      else this.#all[to] = fresh[i--];
    }
    this.#tail += fresh.length;
    return fresh;
  }

  #grow(front) {
    const bigger = new Float64Array((this.length + front) * 2 + 1024);
    const head = front + 512;
    bigger.set(this.#all.subarray(this.#head, this.#tail), head);
    this.#tail = head + this.length;
    this.#head = head;
    this.#all = bigger;
  }
}

export class Rows {
  #ring;

  matches = null; // Numbers, or null for all that is held
  cap = Infinity; // the entry before which a paused view ends

  constructor(ring) {
    this.#ring = ring;
  }

  get start() {
    return this.matches ? this.matches.start : this.#ring.first;
  }

  get end() {
    return this.matches ? this.matches.end : Math.max(this.start, Math.min(this.#ring.end, this.cap));
  }

  seq(row) {
    return this.matches ? this.matches.at(row) : row;
  }

  // The first row at or behind an entry.
  row(seq) {
    if (this.matches) return this.matches.row(seq);
    return Math.max(this.start, Math.min(this.end, seq));
  }

  // Lets go of what the ring has let go of.
  trim() {
    this.matches?.trim(this.#ring.first, this.#ring.end);
  }
}
