// The lines that the reader has marked, and how a line is told to somebody else: with its file and time.

import { plain } from "./ansi.js";

export class Marked {
  #page;

  constructor(page) {
    this.#page = page;
  }

  toggle(seq) {
    const { marked } = this.#page.drawing;
    if (!marked.delete(seq)) marked.add(seq);
    return marked.has(seq);
  }

  // The next marked line behind an entry, from the beginning again at the end; null where there is none.
  next(seq) {
    const all = this.all();
    return all.find((other) => seq === null || other > seq) ?? all[0] ?? null;
  }

  all() {
    const { drawing, ring } = this.#page;
    return [...drawing.marked].filter((seq) => ring.has(seq)).sort((a, b) => a - b);
  }

  // A record as it is written into a ticket.
  told(seq) {
    const { files, ring } = this.#page;
    const lines = ring.record(seq).map((other) => plain(String(ring.text(other))));
    const time = ring.when(seq);
    const stamp = time > 0 ? ` ${new Date(time).toISOString()}` : "";
    return `${files.name(ring.file(seq))}${stamp}: ${lines.join("\n")}`;
  }
}
