// The files: a chip each, with a colour, the number unread, and whether it is shown.
//
// A click on a chip shows that file alone; a click on its dot, or with Ctrl or Shift, adds it to or takes it
// from those that are merged. The first click on a chip that is alone shows all again.

import { shortened } from "./names.js";
import { Reader } from "./records.js";
import { count, size } from "./time.js";

const TIMEOUT_MS = 5000;
// Colours that the style sheet knows, given out in turn.
const COLOURS = 8;
// More files than that are a list to search.
const CHIPS_MAX = 11;

export class Files {
  #bar;
  #byName = new Map();
  #chosen;
  #drawn = "";

  #readers = [];
  #short = [];

  all = []; // {name, path, size, state, reason, unread, erred, begun}
  shown = null; // Set of names, or null for all

  // `chosen` is called when the reader has chosen.
  constructor(bar, chosen) {
    this.#bar = bar;
    this.#chosen = chosen;
    bar.addEventListener("click", (event) => this.#click(event));
  }

  // The number of a file; a name that is new gets one.
  number(name) {
    let number = this.#byName.get(name);
    if (number === undefined) {
      number = this.all.length;
      this.#byName.set(name, number);
      this.all.push({ name, path: null, size: 0, state: "ok", reason: null, unread: 0, erred: false, begun: false });
      this.#readers.push(new Reader());
      this.#short = shortened(this.all.map((file) => file.name));
    }
    return number;
  }

  // What reads the times of a file's lines.
  reader(number) {
    return this.#readers[number];
  }

  name(number) {
    return this.all[number].name;
  }

  // What of a name stands beside the lines.
  short(number) {
    return this.#short[number] ?? this.name(number);
  }

  get shownCount() {
    return this.shown === null ? this.all.length : this.all.filter((_, number) => this.isShown(number)).length;
  }

  colour(number) {
    return `f${number % COLOURS}`;
  }

  isShown(number) {
    return this.shown === null || this.shown.has(this.name(number));
  }

  // Takes in the daemon's list.
  async refresh() {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(new URL("files", location.href), { cache: "no-store", signal });
    if (!response.ok) return response.status;
    for (const { name, path, size: bytes, present, kind = "file", state, reason = null } of await response.json()) {
      const now = state ?? (present ? "ok" : "missing");
      Object.assign(this.all[this.number(name)], { path, size: bytes, kind, state: now, reason });
    }
    return 200;
  }

  show(names) {
    this.shown = names === null || names.length === 0 ? null : new Set(names);
  }

  read() {
    for (const [number, file] of this.all.entries()) {
      if (this.isShown(number)) Object.assign(file, { unread: 0, erred: false });
    }
  }

  // The n-th file alone, as by its key; all with 0.
  solo(n) {
    if (n > this.all.length) return;
    this.show(n === 0 ? null : [this.all[n - 1].name]);
    this.#chosen();
  }

  draw() {
    const state = JSON.stringify([this.all, this.shown && [...this.shown]]);
    if (state === this.#drawn) return;
    this.#drawn = state;
    const chips = this.all.length <= CHIPS_MAX ? this.all : [];
    chips.forEach((file, number) => this.#chip(file, number));
    while (this.#bar.children.length > chips.length) this.#bar.lastElementChild.remove();
  }

  // Whether there are too many for a chip each.
  get areMany() {
    return this.all.length > CHIPS_MAX;
  }

  // "shop.log", or "3 of 60 files".
  get words() {
    const { shownCount } = this;
    if (shownCount === 1) return this.name(this.all.findIndex((_, number) => this.isShown(number)));
    return shownCount === this.all.length ? `${count(shownCount)} files` : `${count(shownCount)} of ${count(this.all.length)} files`;
  }

  // What is to be said of a file that isn't simply there.
  stateWords(number) {
    const { state, reason } = this.all[number];
    const words = { ok: "", missing: "waiting", unreadable: "can't be read", away: "away", closed: "ended" }[state] ?? state;
    return words !== "" && reason ? `${words}: ${reason}` : words;
  }

  // The names shown, with one more or less; null for all.
  merged(number) {
    const { name } = this.all[number];
    const names = new Set(this.shown ?? this.all.map((file) => file.name));
    if (!names.delete(name)) names.add(name);
    return names.size === this.all.length || names.size === 0 ? null : [...names];
  }

  #chip(file, number) {
    const chip = this.#bar.children[number] ?? this.#bar.appendChild(chipElement());
    const [dot, name, unread] = chip.children;
    const alone = this.shown?.size === 1 && this.shown.has(file.name);
    chip.className = `chip ${this.colour(number)}`;
    chip.classList.toggle("off", !this.isShown(number));
    chip.classList.toggle("missing", file.state !== "ok");
    chip.dataset.number = number;
    dot.setAttribute("aria-label", `Merge ${file.name} with the files shown`);
    dot.setAttribute("aria-pressed", String(this.isShown(number)));
    name.setAttribute("aria-pressed", String(alone));
    name.textContent = file.name;
    if (file.unread > 0) name.setAttribute("aria-label", `${file.name}, ${count(file.unread)} unread`);
    else name.removeAttribute("aria-label");
    const where = file.path ?? file.name;
    const times = file.begun && !this.#readers[number].timed ? "\nno times: in order of arrival" : "";
    chip.dataset.state = this.stateWords(number).split(":")[0];
    chip.title = file.state === "ok"
      ? `${where}\n${size(file.size)} when last asked${times}\nClick: this file alone. Dot or Ctrl-click: merge.`
      : `${where}\n${file.state === "missing" ? "is not there: waiting for it" : this.stateWords(number)}`;
    unread.textContent = file.unread > 0 ? (file.unread > 99_999 ? "99,999+" : count(file.unread)) : "";
    unread.hidden = file.unread === 0;
    unread.classList.toggle("error", file.erred);
  }

  #click(event) {
    const chip = event.target.closest(".chip");
    if (chip === null) return;
    const number = Number(chip.dataset.number);
    const { name } = this.all[number];
    const merge = event.target.closest(".dot") !== null || event.ctrlKey || event.metaKey || event.shiftKey;
    if (merge) {
      this.show(this.merged(number));
    } else {
      const alone = this.shown?.size === 1 && this.shown.has(name);
      this.show(alone ? null : [name]);
    }
    this.#chosen();
  }
}

function chipElement() {
  const chip = document.createElement("span");
  for (const part of ["dot", "name"]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = part;
    chip.append(button);
  }
  const unread = document.createElement("span");
  unread.className = "unread";
  chip.append(unread);
  return chip;
}
