// What the reader has set: the view in the URL's fragment, so that it can be shared, and the reader's own
// taste (theme, size of the type) in the browser.

import { LEVELS } from "./level.js";
import { ALL_LEVELS } from "./filter.js";
import { TIMES } from "./time.js";

export const THEMES = ["auto", "light", "dark"];
export const SIZES = [10, 11, 12, 13, 14, 16, 18, 20];

export const DEFAULTS = Object.freeze({
  filter: "", marking: false, levels: ALL_LEVELS, files: null, find: "", time: "off", wrap: null, colours: true,
});

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
  return out.toString();
}

// The view that a fragment asks for; what can't be read is as it always is.
export function read(fragment) {
  const asked = new URLSearchParams(fragment.replace(/^#/, ""));
  const view = { ...DEFAULTS };
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
  view.time = TIMES.includes(asked.get("time")) ? asked.get("time") : "off";
  view.wrap = { 0: false, 1: true }[asked.get("wrap")] ?? null;
  view.colours = asked.get("colours") !== "0";
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

  get size() {
    return SIZES.includes(this.#kept.size) ? this.#kept.size : 13;
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
