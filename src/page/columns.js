// The columns: fields that stand before the message, under a header by which they are made wider or taken away.

import { field } from "./fields.js";

const WIDTH = 16; // characters
const WIDTH_MIN = 4;
const WIDTH_MAX = 80;
const LOOKED_AT = 2000;

export class Columns {
  #bar;
  #page;
  #widths = new Map();
  #drawn = "";
  #drag = null;

  constructor(bar, page) {
    this.#bar = bar;
    this.#page = page;
    bar.addEventListener("keydown", (event) => {
      const name = event.target.dataset.column;
      if (name === undefined) return;
      const step = { "<": -2, ",": -2, ">": 2, ".": 2 }[event.key];
      if (step === undefined && event.key !== "Delete") return;
      event.preventDefault();
      event.stopPropagation();
      if (step === undefined) this.drop(name);
      else this.#size(name, this.#width(name) + step);
    });
    bar.addEventListener("pointerdown", (event) => {
      const name = event.target.closest("[data-column]")?.dataset.column;
      if (name === undefined) return;
      this.#drag = { name, from: event.clientX, width: this.#width(name) };
      bar.setPointerCapture(event.pointerId);
    });
    bar.addEventListener("pointermove", (event) => {
      if (this.#drag === null || event.buttons === 0) return;
      this.#size(this.#drag.name, this.#drag.width + Math.round((event.clientX - this.#drag.from) / page.list.charWidth));
    });
    bar.addEventListener("pointerup", () => (this.#drag = null));
    bar.addEventListener("click", (event) => {
      if (event.target.closest(".drop")) this.drop(event.target.closest(".drop").dataset.column);
    });
  }

  add(name) {
    const { columns } = this.#page.settings;
    if (!columns.includes(name)) this.#page.set({ columns: [...columns, name] });
  }

  drop(name) {
    this.#page.set({ columns: this.#page.settings.columns.filter((other) => other !== name) });
  }

  draw() {
    const { columns } = this.#page.settings;
    const key = JSON.stringify([columns, this.#page.settings.time, this.#page.files.shownCount > 1]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#bar.hidden = columns.length === 0;
    if (columns.length === 0) return;
    const cells = columns.map((name, at) => {
      const cell = document.createElement("span");
      cell.className = `cell w${at}`;
      const head = document.createElement("button");
      head.type = "button";
      head.textContent = name;
      head.title = `${name}: drag, < or > to size, Del to take away${this.#isNowhere(name) ? "\nin none of the lines held" : ""}`;
      cell.dataset.column = head.dataset.column = name;
      const drop = document.createElement("button");
      drop.type = "button";
      drop.className = "drop";
      drop.textContent = "×";
      drop.dataset.column = name;
      drop.setAttribute("aria-label", `Take the column ${name} away`);
      cell.append(head, drop);
      return cell;
    });
    this.#bar.replaceChildren(this.#page.drawing.header(cells));
    for (const name of columns) this.#size(name, this.#width(name));
  }

  // Whether none of the lines held last has such a field.
  #isNowhere(name) {
    const { ring } = this.#page;
    for (let seq = ring.end - 1, tries = 0; seq >= ring.first && tries < LOOKED_AT; seq--, tries++) {
      const text = ring.text(seq);
      if (typeof text === "string" && field(text, name) !== undefined) return false;
    }
    return true;
  }

  #width(name) {
    return this.#widths.get(name) ?? WIDTH;
  }

  #size(name, width) {
    this.#widths.set(name, Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, width)));
    const at = this.#page.settings.columns.indexOf(name);
    document.getElementById("canvas").style.setProperty(`--width-${at}`, `${this.#width(name)}ch`);
  }
}
