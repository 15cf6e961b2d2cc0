// The past: lines from before those that the ring holds, fetched but not yet put in front of it, since in the
// order of time others come first. What is given out goes back in time, across all files.
//
// A file of which nothing is waiting bounds what may be given out: what it still has is older than its oldest
// known line, so whatever is younger than that is next for certain; for more, that file is to be asked first.

export class Past {
  #readers;
  #files = new Map(); // number -> {units, lead, from, tail, bound, beginning, why, pages}

  byTime = true;

  // `readers(number)` gives the reader of a file's lines.
  constructor(readers) {
    this.#readers = readers;
  }

  forget() {
    this.#files.clear();
  }

  // What is known of a file holds only as long as the ring begins where it was left: `place` is where it begins now,
  // {id, held}, and `bound` gives the time of its oldest line.
  sync(number, place, bound) {
    const file = this.#files.get(number);
    if (file !== undefined && file.tail.id === place.id && file.tail.held === place.held) return;
    this.#files.set(number, {
      units: [], lead: [], from: null, tail: place, bound: bound(), beginning: false, why: null, pages: 0,
    });
  }

  knows(number) {
    return this.#files.has(number);
  }

  // Where the oldest line begins that is known of a file: for the next request.
  place(number) {
    const file = this.#files.get(number);
    return file.from === null ? file.tail : { id: file.from, held: 0 };
  }

  // Takes in what a request brought from before that place.
  take(number, { items, from, beginning }) {
    const file = this.#files.get(number);
    const reader = this.#readers(number);
    file.pages += 1;
    file.from = from ?? items[0]?.from ?? file.from;
    file.beginning = beginning;
    // Whether its lines have times is known before any of them is judged.
    if (!reader.timed) for (const { text, time } of items) if (text !== undefined) reader.read(text, time);
    const { units, lead } = grouped([...items.map((item) => read(item, reader)), ...file.lead]);
    if (beginning && lead.length > 0) units.unshift({ items: lead, time: NaN });
    file.lead = beginning ? [] : lead;
    for (let i = units.length - 2; i >= 0; i--) if (Number.isNaN(units[i].time)) units[i].time = units[i + 1].time;
    file.units = [...units, ...file.units];
  }

  // A file has nothing more; `why` is what a reader is told.
  end(number, why) {
    Object.assign(this.#files.get(number), { beginning: true, why });
  }

  why(number) {
    return this.#files.get(number)?.why ?? null;
  }

  isOpen(number) {
    const file = this.#files.get(number);
    return file !== undefined && (!file.beginning || file.units.length > 0);
  }

  // The file to ask next, of those shown; null where none has more.
  wants(shown) {
    const open = shown.filter((number) => !this.#files.get(number)?.beginning && this.#files.get(number)?.tail.id !== null);
    const timed = open.filter((number) => this.#ordered(number) && this.#files.get(number).units.length === 0);
    const next = timed.reduce((best, number) => (best === null || this.#key(number) > this.#key(best) ? number : best), null);
    const others = open.filter((number) => !this.#ordered(number));
    const pages = (number) => this.#files.get(number).pages;
    return [next, ...others].filter((number) => number !== null).sort((a, b) => pages(a) - pages(b))[0] ?? null;
  }

  // What can be put in front now, the youngest first: runs of items of one file each, at most about `limit` lines.
  release(shown, limit) {
    const out = [];
    const give = (number, unit) => {
      const file = this.#files.get(number);
      const last = out.at(-1);
      if (last?.number === number) last.items.unshift(...unit.items);
      else out.push({ number, items: [...unit.items] });
      if (!Number.isNaN(unit.time)) file.bound = unit.time;
      file.tail = { id: unit.items[0].from ?? file.from, held: 0 };
    };
    const ordered = shown.filter((number) => this.#ordered(number));
    for (let lines = 0; lines < limit; ) {
      const best = ordered.reduce((a, b) => (this.isOpen(b) && (a === null || this.#key(b) > this.#key(a)) ? b : a), null);
      const unit = best === null ? undefined : this.#files.get(best).units.pop();
      if (unit === undefined) break;
      give(best, unit);
      lines += unit.items.length;
    }
    for (const number of shown.filter((n) => this.#files.has(n) && !this.#ordered(n)).reverse()) {
      const { units } = this.#files.get(number);
      while (units.length > 0) give(number, units.pop());
    }
    return out;
  }

  // A file without times has no place among the others.
  #ordered(number) {
    return this.byTime && this.#files.has(number) && this.#readers(number).timed;
  }

  #key(number) {
    const { units, bound } = this.#files.get(number);
    const time = units.length > 0 ? units.at(-1).time : bound;
    return Number.isNaN(time) ? -Infinity : time;
  }
}

function read(item, reader) {
  if (item.text === undefined || item.joins !== undefined) return item;
  return { ...item, ...reader.read(item.text, item.time) };
}

// Lines that belong together, each with the time of its first; an event goes with what stands behind it. What goes on
// with a line that isn't there is the lead.
function grouped(items) {
  const units = [];
  const lead = [];
  let time = NaN;
  let events = [];
  for (const item of items) {
    if (item.text === undefined) {
      events.push(item);
    } else if (item.joins && events.length === 0) {
      (units.at(-1)?.items ?? lead).push(item);
    } else {
      if (item.time > 0) time = item.time;
      units.push({ items: [...events, item], time });
      events = [];
    }
  }
  if (events.length > 0) (units.at(-1)?.items ?? lead).push(...events);
  return { units, lead };
}
