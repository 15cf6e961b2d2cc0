// One row: a line or an event as it stands in the document.

import { LEVELS } from "./level.js";
import { CHARS_MAX } from "./marks.js";
import { paint } from "./paint.js";
import * as json from "./json.js";
import { count, format, full, size } from "./time.js";

// What "show all" shows of a very long line; its whole is in a copy.
const OPENED_MAX = 100_000;

export class Drawing {
  opened = new Set(); // entries whose tree or whole length is shown
  around = new Set(); // entries that are shown as the surroundings of another

  // `looks()` gives {time, colours, several, filterMarks(seq), findMarks(seq), hit(seq), finds(seq), cursor,
  // found}.
  constructor(ring, files, looks) {
    this.#ring = ring;
    this.#files = files;
    this.#looks = looks;
  }

  #ring;
  #files;
  #looks;

  draw(seq) {
    const entry = this.#ring.text(seq);
    const row = document.createElement("div");
    const number = this.#ring.file(seq);
    row.className = `row ${this.#files.colour(number)}`;
    if (typeof entry === "string") this.#line(row, seq, entry);
    else this.#event(row, seq, entry);
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
  }

  time(element, seq) {
    element.textContent = format(this.#ring.time(seq), this.#looks().time);
  }

  #line(row, seq, line) {
    const looks = this.#looks();
    row.classList.add("line", LEVELS[this.#ring.level(seq)]);
    const opened = this.opened.has(seq);
    const shown = line.length <= CHARS_MAX ? line : line.slice(0, opened ? OPENED_MAX : CHARS_MAX);
    const text = make("span", "text");
    paint(text, shown, {
      // The lines around a hit are shown without having been tried: a pattern may be slow on them.
      filter: this.around.has(seq) ? [] : looks.filterMarks(seq), find: looks.findMarks(seq), colours: looks.colours,
    });
    if (shown.length < line.length) {
      text.append(button("long", `… ${count(line.length - shown.length)} more characters`, "Show more of this line"));
    }
    row.append(this.#gutter(seq, looks), text);
    const fold = row.querySelector(".fold");
    const value = opened ? json.find(line) : undefined;
    if (value === undefined && !json.isLikely(line)) return fold.replaceWith(make("span", "fold"));
    fold.setAttribute("aria-expanded", String(opened));
    if (value !== undefined) {
      row.classList.add("opened");
      row.append(json.tree(value));
    }
  }

  #gutter(seq, looks) {
    const gutter = make("span", "gutter");
    const around = button("around-button", "↕", "Show the lines around this one (c)");
    const fold = button("fold", "", "Open this line's JSON (Enter)");
    gutter.append(around, fold);
    if (looks.time !== "off") {
      const time = make("time", `time ${looks.time}`);
      time.title = full(this.#ring.time(seq));
      gutter.append(time);
      this.time(time, seq);
    }
    if (looks.several) {
      const name = make("span", "file");
      name.textContent = this.#files.name(this.#ring.file(seq));
      name.title = name.textContent;
      gutter.append(name);
    }
    return gutter;
  }

  #event(row, seq, event) {
    row.classList.add("event", `event-${event.event}`);
    const label = make("span", "label");
    label.textContent = sentence(event, this.#files.name(this.#ring.file(seq)));
    const time = make("time", "when");
    time.textContent = format(this.#ring.time(seq), this.#looks().time === "utc" ? "utc" : "local").replace(/\.\d+/, "");
    row.append(label, time);
  }
}

// What an event says to a reader.
export function sentence(event, name) {
  switch (event.event) {
    case "rotated":
      return `${name} was rotated: a new file begins`;
    case "truncated":
      return `${name} was truncated: it begins anew`;
    case "missing":
      return `${name} is gone: waiting for it to come back`;
    case "gap": {
      const reason = event.reason ? ` (${event.reason})` : "";
      if (typeof event.lost !== "number") return `lines of ${name} are gone for good, nobody knows how many${reason}`;
      return `${size(event.lost)} of ${name} ${event.lost === 1 ? "is" : "are"} gone for good${reason}`;
    }
    case "note":
      return String(event.text);
    default:
      return `${name}: ${String(event.event)}`;
  }
}

function make(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}

function button(name, text, title) {
  const element = make("button", name);
  element.type = "button";
  element.tabIndex = -1;
  element.textContent = text;
  element.title = title;
  element.setAttribute("aria-label", title);
  return element;
}
