// One row: a line, the rest of a folded record, or an event, as it stands in the document.

import { plain } from "./ansi.js";
import { field, fields } from "./fields.js";
import * as json from "./json.js";
import { LEVELS, OTHER } from "./level.js";
import { CHARS_MAX, firstHit, hits } from "./marks.js";
import { paint } from "./paint.js";
import { summary } from "./records.js";
import { sentence } from "./status.js";
import { count, date, format, full, isSameDay, since } from "./time.js";

// What the first "more" shows of a very long line; the next one shows all of it.
export const OPENED_MAX = 100_000;
// Of a record with more lines than the first, so many are shown of a folded one.
const FOLDED_OVER = 8;
const FOLDED_TO = 3;
const LATE_MS = 2000;
// Rows above that are looked at for a time.
const ABOVE_MAX = 40;
const VALUE_MAX = 120; // characters of a field beside its message
const CONTEXT = 30; // characters before a hit that would be out of sight

export class Drawing {
  opened = new Set(); // entries whose tree or more of whose length is shown
  whole = new Set(); // entries whose whole length is shown
  around = new Set(); // entries that are shown as the surroundings of another
  unfolded = new Set(); // first lines of records that the reader has opened
  marked = new Set(); // entries that the reader has marked
  pointed = null; // the entry that a link points at
  fold = true;

  #ring;
  #files;
  #rows;
  #looks;

  // `looks()` gives {time, colours, several, raw, columns, wrapped, width, filterMarks(seq), findMarks(seq),
  // hit(seq), finds(seq), cursor, found}.
  constructor({ ring, files, rows, looks }) {
    [this.#ring, this.#files, this.#rows, this.#looks] = [ring, files, rows, looks];
  }

  // Whether an entry is within a folded record: neither shown nor any height.
  isHidden(seq) {
    return this.isFolded(seq) && this.#ring.nth(seq) > FOLDED_TO;
  }

  // Whether an entry is behind the lines that stay of a folded record.
  isFolded(seq) {
    return this.#ring.nth(seq) >= FOLDED_TO && this.folds(seq);
  }

  // Whether the record of an entry is folded.
  folds(seq) {
    return this.fold && this.#ring.size(seq) > FOLDED_OVER && !this.unfolded.has(this.#ring.head(seq));
  }

  // Forgets what is known of entries by number that the ring no longer has.
  forget() {
    for (const kept of [this.opened, this.whole, this.around, this.unfolded, this.marked]) {
      for (const seq of kept) if (!this.#ring.has(seq)) kept.delete(seq);
    }
  }

  draw(seq) {
    const entry = this.#ring.text(seq);
    const row = make("div", `row ${this.#files.colour(this.#ring.file(seq))}`);
    row.role = "listitem";
    const at = this.#rows.row(seq);
    row.ariaPosInSet = String(at - this.#rows.start + 1);
    row.ariaSetSize = String(this.#rows.end - this.#rows.start);
    if (typeof entry !== "string") this.#event(row, seq, entry);
    else if (this.isFolded(seq)) this.#more(row, seq);
    else this.#line(row, seq, entry);
    this.mark(row, seq);
    return row;
  }

  // The classes that change while a row stays.
  mark(row, seq) {
    const looks = this.#looks();
    row.classList.toggle("cursor", looks.cursor === seq);
    row.classList.toggle("current", looks.found === seq);
    row.classList.toggle("around", this.around.has(seq));
    row.classList.toggle("hit", looks.hit(seq));
    row.classList.toggle("finds", looks.finds(seq));
    row.classList.toggle("marked", this.marked.has(seq));
    row.classList.toggle("pointed", this.pointed === seq);
  }

  time(element, seq) {
    const { time } = this.#looks();
    element.textContent = format(this.#ring.time(seq), time, time === "above" ? this.#above(seq) : Date.now());
  }

  // The header over the columns, as wide as the rows' own gutter.
  header(columns) {
    const looks = this.#looks();
    const gutter = make("span", "gutter");
    gutter.append(make("span", "fold"));
    if (looks.time !== "off") gutter.append(make("span", `time ${looks.time}`));
    if (looks.several) gutter.append(make("span", "file"));
    gutter.append(...columns);
    return gutter;
  }

  #line(row, seq, line) {
    const looks = this.#looks();
    row.classList.add("line", LEVELS[this.#ring.level(seq)]);
    if (this.#ring.stderr(seq)) row.classList.add("stderr");
    if (this.#ring.nth(seq) > 0) row.classList.add("joined");
    const opened = this.opened.has(seq);
    const text = make("span", "text");
    // The lines around a hit are shown without having been tried: a pattern may be slow on them.
    const marking = {
      filter: this.around.has(seq) ? [] : looks.filterMarks(seq), find: looks.findMarks(seq), colours: looks.colours,
      tokens: looks.colours,
      stamp: this.#ring.time(seq) === 0 ? null : this.#stamp(seq, line),
    };
    if (looks.raw || !this.#read(text, seq, line, marking)) this.#raw(text, seq, line, marking, opened);
    row.append(this.#gutter(seq, looks, line), text);
    this.#notes(row, seq);
    const value = opened ? json.find(line) : undefined;
    const fold = row.querySelector(".fold");
    if (value === undefined && !json.isLikely(line)) return fold.replaceWith(make("span", "fold"));
    fold.setAttribute("aria-expanded", String(opened));
    if (value !== undefined) {
      row.classList.add("opened");
      row.append(json.tree(value));
    }
  }

  // The line as it is, from where its first hit can be seen.
  #raw(text, seq, line, marking, opened) {
    const { wrapped, width } = this.#looks();
    const limit = this.whole.has(seq) ? Infinity : opened ? OPENED_MAX : CHARS_MAX;
    let [from, shown] = [0, line.length <= limit ? line : line.slice(0, limit)];
    const inSight = opened ? limit : wrapped ? CHARS_MAX : Math.max(CONTEXT * 2, width);
    const patterns = [...marking.filter, ...(line.length > CHARS_MAX ? marking.find : [])];
    if (patterns.length > 0 && line.length > inSight) {
      const clean = plain(line);
      const hit = firstHit(clean, patterns);
      if (hit !== null && hit.to > inSight) {
        from = Math.max(0, hit.from - CONTEXT);
        shown = clean.slice(from, from + limit);
        marking = { ...marking, stamp: null };
      }
    }
    const rest = line.length - from - shown.length;
    if (from > 0) text.append(button("long", `${count(from)} before …`, "Show this line from its beginning"));
    if (rest > 0) text.append(button("long", `… ${count(rest)} more characters`, "Show more of this line"));
    paint(text, shown, marking);
  }

  // A line of fields, written as a line of a log: false where it has none, or where its hits would be left out.
  #read(text, seq, line, marking) {
    const read = fields(line);
    if (read === null || (read.message === "" && read.pairs.length === 0)) return false;
    const looks = this.#looks();
    const patterns = [...marking.filter, ...marking.find];
    const isHit = (part) => patterns.length > 0 && hits(part, patterns).length > 0;
    const rest = read.pairs.filter(([key]) => !looks.columns.includes(key));
    const shown = rest.map(([key, value]) => ({ key, value: cut(value) }));
    shown.sort((a, b) => Number(isHit(b.value)) - Number(isHit(a.value)));
    if (patterns.length > 0 && ![read.message, ...shown.map(({ value }) => value)].some(isHit)) return false;
    const plainly = { ...marking, tokens: false, stamp: null };
    const time = this.#ring.time(seq);
    if (looks.time === "off" && time > 0) text.append(part("t-stamp", `${format(time, "local")} `));
    if (read.level !== "" && this.#ring.level(seq) !== OTHER) {
      text.append(part("t-level", LEVELS[this.#ring.level(seq)].toUpperCase().padEnd(5)), " ");
    }
    paint(text, read.message, { ...marking, stamp: null });
    for (const { key, value } of shown) {
      const pair = make("span", "pair");
      pair.append("  ", part("key", `${key}=`));
      paint(pair, /\s/.test(value) ? JSON.stringify(value) : value, plainly);
      text.append(pair);
    }
    return true;
  }

  #stamp(seq, line) {
    const found = this.#files.reader(this.#ring.file(seq)).stamp(plain(line.slice(0, 600)));
    if (found === null || found.to === 0) return null;
    return { from: found.from, to: found.to + (line[found.to] === " " ? 1 : 0) };
  }

  // What of a record isn't shown, as a button.
  #more(row, seq) {
    const looks = this.#looks();
    const all = this.#ring.record(seq);
    const texts = all.slice(FOLDED_TO).map((other) => plain(String(this.#ring.text(other)).slice(0, 400)));
    const patterns = [...looks.filterMarks(seq), ...looks.findMarks(seq)];
    const told = texts.find((text) => patterns.length > 0 && hits(text, patterns).length > 0) ?? summary(texts);
    row.classList.add("line", "more", LEVELS[this.#ring.level(seq)]);
    const more = button("unfold", `▸ ${count(all.length - FOLDED_TO)} more${told === "" ? "" : " · "}`, "Show all lines of this record (Enter)");
    more.setAttribute("aria-expanded", "false");
    paint(more, told.trim(), { filter: looks.filterMarks(seq), find: looks.findMarks(seq), colours: false, tokens: false, stamp: null });
    row.append(this.#gutter(seq, looks, ""), more);
  }

  #gutter(seq, looks, line) {
    const gutter = make("span", "gutter");
    const around = button("around-button", "↕", "Show the lines around this one (c)");
    const fold = button("fold", "", "Open this line's JSON (Enter)");
    gutter.append(around, fold);
    if (looks.time !== "off") {
      const time = make("time", `time ${looks.time}`);
      time.title = full(this.#ring.time(seq), this.#ring.arrival(seq));
      gutter.append(time);
      this.time(time, seq);
    }
    if (looks.several) {
      const name = make("span", "file");
      name.textContent = this.#files.short(this.#ring.file(seq));
      name.title = this.#files.name(this.#ring.file(seq));
      gutter.append(name);
    }
    for (const [at, column] of looks.columns.entries()) {
      const cell = make("span", `cell w${at}`);
      cell.dataset.column = column;
      const value = line === "" ? undefined : field(line, column);
      cell.textContent = value ?? "—";
      cell.title = value ?? `no ${column} in this line`;
      cell.classList.toggle("none", value === undefined);
      gutter.append(cell);
    }
    return gutter;
  }

  // Where a day begins, and a line that came after younger ones.
  #notes(row, seq) {
    const time = this.#ring.time(seq);
    if (time === 0) return;
    const above = this.#above(seq);
    if (above === 0) return;
    const utc = this.#looks().time === "utc";
    if (!isSameDay(time, above, utc)) {
      const day = part("day", date(time, utc));
      row.classList.add("new-day");
      row.append(day);
    }
    if (above - time > LATE_MS) {
      const late = part("late", `${since(above - time).slice(1)} late`);
      late.title = "This line came after younger ones.";
      row.append(late);
    }
  }

  // The time of the nearest row above that has one.
  #above(seq) {
    const rows = this.#rows;
    for (let row = rows.row(seq) - 1, tries = 0; row >= rows.start && tries < ABOVE_MAX; row--, tries++) {
      const time = this.#ring.when(rows.seq(row));
      if (time > 0) return time;
    }
    return 0;
  }

  #event(row, seq, event) {
    row.classList.add("event", `event-${event.event}`);
    if (event.event === "between") {
      row.append(button("between", "⋯ fetch what is between", "Show the lines that are missing here (c)"));
      return;
    }
    const label = part("label", sentence(event, this.#files.subject(this.#ring.file(seq), event), this.#ring.arrival(seq) === 0));
    row.append(label);
    if (this.#ring.arrival(seq) === 0) return;
    const time = make("time", "when");
    time.textContent = format(this.#ring.arrival(seq), this.#looks().time === "utc" ? "utc" : "local").replace(/\.\d+/, "");
    row.append(time);
  }
}

function cut(value) {
  return value.length > VALUE_MAX ? `${value.slice(0, VALUE_MAX)}…` : value;
}

function make(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}

function part(name, text) {
  const element = make("span", name);
  element.textContent = text;
  return element;
}

function button(name, text, title) {
  const element = make("button", name);
  element.type = "button";
  element.tabIndex = -1;
  element.textContent = text;
  element.title = title;
  // Words name a button better than what is said of it.
  if (text.length <= 1) element.setAttribute("aria-label", title);
  return element;
}
