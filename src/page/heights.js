// The heights of all rows, as sums by block, so that a row is found by its pixel and a pixel by its row
// without a walk over 200,000 of them. A height begins as an estimate and is set right when the row is drawn.

const BLOCK = 256;

export class Heights {
  #blocks = [];
  #firstBlock = 0;

  start = 0;
  end = 0;
  total = 0;

  // Begins anew with the rows from `start` up to `end`; `estimate` gives the height of one.
  reset(start, end, estimate) {
    this.#blocks = [];
    this.#firstBlock = Math.floor(start / BLOCK);
    this.start = start;
    this.end = start;
    this.total = 0;
    this.extend(end, estimate);
  }

  extend(end, estimate) {
    for (let row = this.end; row < end; row++) this.#put(row, estimate(row));
    this.end = Math.max(this.end, end);
  }

  prepend(start, estimate) {
    for (let row = this.start - 1; row >= start; row--) this.#put(row, estimate(row));
    this.start = Math.min(this.start, start);
  }

  trim(start) {
    for (; this.start < Math.min(start, this.end); this.start++) this.#put(this.start, 0);
    if (start >= this.end) {
      this.reset(start, start);
      return;
    }
    const gone = Math.floor(this.start / BLOCK) - this.#firstBlock;
    if (gone > 0) {
      this.#blocks.splice(0, gone);
      this.#firstBlock += gone;
    }
  }

  get(row) {
    const block = this.#blocks[Math.floor(row / BLOCK) - this.#firstBlock];
    return block ? block.heights[row - Math.floor(row / BLOCK) * BLOCK] : 0;
  }

  set(row, height) {
    this.#put(row, height);
  }

  // The pixel at which a row begins.
  top(row) {
    const last = Math.floor(row / BLOCK);
    let sum = 0;
    for (let i = 0; i < this.#blocks.length && this.#firstBlock + i < last; i++) sum += this.#blocks[i].sum;
    for (let r = Math.max(last * BLOCK, this.start); r < row; r++) sum += this.get(r);
    return sum;
  }

  // The row in which a pixel lies; the first or the last where it lies outside.
  at(pixel) {
    let sum = 0;
    for (let i = 0; i < this.#blocks.length; i++) {
      const block = this.#blocks[i];
      if (sum + block.sum > pixel) {
        const from = (this.#firstBlock + i) * BLOCK;
        for (let row = Math.max(from, this.start); row < Math.min(from + BLOCK, this.end); row++) {
          sum += this.get(row);
          if (sum > pixel) return row;
        }
      } else {
        sum += block.sum;
      }
    }
    return Math.max(this.start, this.end - 1);
  }

  #put(row, height) {
    const number = Math.floor(row / BLOCK);
    while (number < this.#firstBlock) {
      this.#blocks.unshift({ sum: 0, heights: new Float32Array(BLOCK) });
      this.#firstBlock -= 1;
    }
    while (number >= this.#firstBlock + this.#blocks.length) {
      this.#blocks.push({ sum: 0, heights: new Float32Array(BLOCK) });
    }
    const block = this.#blocks[number - this.#firstBlock];
    const at = row - number * BLOCK;
    const change = height - block.heights[at];
    block.heights[at] = height;
    block.sum += change;
    this.total += change;
  }
}
