// The ticks beside the scroll bar: where in all the rows the errors, the hits of the find and the marked lines are.

const REDRAW_MS = 500;

export class Ticks {
  #canvas;
  #page;
  #timer = null;

  constructor(canvas, page) {
    this.#canvas = canvas;
    this.#page = page;
    canvas.addEventListener("click", (event) => {
      const { rows } = page;
      const row = rows.start + Math.floor((event.offsetY / canvas.clientHeight) * (rows.end - rows.start));
      if (row >= rows.start && row < rows.end) page.goTo(rows.seq(row));
    });
  }

  // Soon: nobody needs them in every frame.
  draw() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#paint();
    }, REDRAW_MS);
  }

  #paint() {
    const canvas = this.#canvas;
    const { drawing, errors, find, rows, view } = this.#page;
    const height = canvas.clientHeight;
    canvas.width = 8;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const all = rows.end - rows.start;
    if (all <= 0) return;
    const layer = (seqs, name, left, width) => {
      const seen = new Uint8Array(height + 1);
      for (const seq of seqs) {
        if (!view.isRow(seq)) continue;
        seen[Math.floor(((rows.row(seq) - rows.start) / all) * height)] = 1;
      }
      context.fillStyle = style.getPropertyValue(name);
      seen.forEach((one, y) => one === 1 && context.fillRect(left, y, width, 2));
    };
    layer(errors.found.all(), "--bad", 4, 4);
    layer(find.scan.found.all(), "--accent", 0, 4);
    layer(drawing.marked, "--info", 0, 8);
  }
}
