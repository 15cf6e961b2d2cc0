// What the reader has set: the view in the URL's fragment, so that it can be shared, and the reader's own
// taste (theme, size of the type) in the browser.

import { LEVELS } from "./level.js";
import { ALL_LEVELS } from "./filter.js";
import { moment } from "./moment.js";
import { TIMES } from "./time.js";

export const THEMES = ["auto", "light", "dark"];
export const SIZES = [10, 11, 12, 13, 14, 16, 18, 20];

export const DEFAULTS = Object.freeze({
  filter: "", marking: false, levels: ALL_LEVELS, files: null, find: "", time: "off", wrap: null, colours: true,
  arrival: false, fold: true, raw: false, columns: [], from: null, to: null, place: null, watch: false,
  via: "ws",
});

// What stays as the reader had it at the last visit, where the address says nothing else.
const KEPT = ["time", "wrap", "colours", "fold", "raw"];
const COLUMNS_MAX = 8;
const FILTERS_MAX = 10;

// Characters of a filter or a find, as the inputs have it too: a link must not bring one that takes a minute a line.
export const TYPED_MAX = 1000;

// wrap: null is automatic, by the width of the window. The view as a fragment; what is as it always is isn't in it.
export function write(view) {
  const out = new URLSearchParams();
  if (view.filter !== "") out.set("filter", view.filter);
  if (view.marking) out.set("mark", "1");
  if (view.levels !== ALL_LEVELS) {
    out.set("levels", LEVELS.filter((_, level) => view.levels & (1 << level)).join(",") || "none");
  }
  for (const name of view.files ?? []) out.append("file", name);
  if (view.find !== "") out.set("find", view.find);
  if (view.time !== "off") out.set("time", view.time);
  if (view.wrap !== null) out.set("wrap", view.wrap ? "1" : "0");
  if (!view.colours) out.set("colours", "0");
  if (view.arrival) out.set("order", "arrival");
  if (!view.fold) out.set("fold", "0");
  if (view.raw) out.set("json", "raw");
  if (view.from !== null) out.set("from", new Date(view.from).toISOString());
  if (view.to !== null) out.set("to", new Date(view.to).toISOString());
  if (view.watch) out.set("watch", "1");
  if (view.via !== "ws") out.set("via", view.via);
  if (view.place?.id !== undefined) {
    out.set("line", view.place.id);
    out.set("of", view.place.name);
  } else if (view.place !== null) {
    out.set("t", new Date(view.place.time).toISOString());
  }
  if (view.columns.length > 0) out.set("cols", view.columns.join(","));
  return out.toString();
}

// The view that a fragment asks for; what can't be read is as it always is, or as the reader has it, in `kept`.
export function read(fragment, kept = {}) {
  const asked = new URLSearchParams(fragment.replace(/^#/, ""));
  const view = { ...DEFAULTS, ...kept };
  view.filter = (asked.get("filter") ?? "").slice(0, TYPED_MAX);
  view.marking = asked.get("mark") === "1";
  if (asked.has("levels")) {
    const names = asked.get("levels").split(",");
    const mask = LEVELS.reduce((bits, name, level) => (names.includes(name) ? bits | (1 << level) : bits), 0);
    if (mask !== 0 || names.includes("none")) view.levels = mask;
  }
  const files = asked.getAll("file");
  view.files = files.length > 0 ? files : null;
  view.find = (asked.get("find") ?? "").slice(0, TYPED_MAX);
  if (TIMES.includes(asked.get("time"))) view.time = asked.get("time");
  view.wrap = { 0: false, 1: true }[asked.get("wrap")] ?? view.wrap;
  if (asked.has("colours")) view.colours = asked.get("colours") !== "0";
  view.arrival = asked.get("order") === "arrival";
  if (asked.has("fold")) view.fold = asked.get("fold") !== "0";
  if (asked.has("json")) view.raw = asked.get("json") === "raw";
  const columns = (asked.get("cols") ?? "").split(",").filter((name) => name !== "");
  view.columns = [...new Set(columns)].slice(0, COLUMNS_MAX);
  [view.from, view.to] = ["from", "to"].map((name) => (asked.has(name) ? moment(asked.get(name)) : NaN)).map((t) => (Number.isNaN(t) ? null : t));
  view.watch = asked.get("watch") === "1";
  view.via = asked.get("via") === "rtc" ? "rtc" : "ws";
  const time = moment(asked.get("t") ?? "");
  if (/^[\w.-]{1,64}$/.test(asked.get("line") ?? "") && asked.has("of")) view.place = { name: asked.get("of"), id: asked.get("line") };
  else if (!Number.isNaN(time)) view.place = { time };
  return view;
}

// The reader's taste. A browser may refuse to store; then it lasts as long as the page.
export class Taste {
  #kept = {};

  constructor() {
    try {
      this.#kept = JSON.parse(localStorage.getItem("tailcast") ?? "{}") ?? {};
    } catch {
      this.#kept = {};
    }
  }

  get theme() {
    return THEMES.includes(this.#kept.theme) ? this.#kept.theme : "auto";
  }

  // Whether keys of a single letter do something.
  get single() {
    return this.#kept.single !== false;
  }

  get tone() {
    return this.#kept.tone === true;
  }

  get timeline() {
    return this.#kept.timeline;
  }

  // The filters used last, the newest first.
  get filters() {
    const kept = this.#kept.filters;
    return Array.isArray(kept) ? kept.filter((text) => typeof text === "string").slice(0, FILTERS_MAX) : [];
  }

  used(filter) {
    this.set({ filters: [filter, ...this.filters.filter((other) => other !== filter)].slice(0, FILTERS_MAX) });
  }

  get size() {
    return SIZES.includes(this.#kept.size) ? this.#kept.size : 13;
  }

  // The parts of a view that are kept from visit to visit.
  get view() {
    const kept = this.#kept.view ?? {};
    const fits = ([name, value]) =>
      name === "time" ? TIMES.includes(value) : KEPT.includes(name) && (typeof value === "boolean" || (name === "wrap" && value === null));
    return Object.fromEntries(Object.entries(Object(kept)).filter(fits));
  }

  keep(view) {
    this.set({ view: Object.fromEntries(KEPT.map((name) => [name, view[name]])) });
  }

  set(change) {
    Object.assign(this.#kept, change);
    try {
      localStorage.setItem("tailcast", JSON.stringify(this.#kept));
    } catch {
      // Private windows and full disks: not worth a word.
    }
  }
}
