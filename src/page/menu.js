// The line's own menu: a bar of five at the row that the mouse is on, that was tapped, or where the cursor is.

const FOOT = 64; // pixels

export class Menu {
  #bar;
  #page;
  #shut = null;

  seq = null; // the entry that it is for

  constructor(bar, page) {
    this.#bar = bar;
    this.#page = page;
    const pane = document.getElementById("pane");
    pane.addEventListener("pointerover", ({ pointerType, target }) => {
      const row = target.closest(".line");
      if (pointerType === "mouse" && row !== null && getSelection().isCollapsed) this.show(Number(row.dataset.seq));
    });
    document.getElementById("log").addEventListener("scroll", () => this.hide(), { passive: true });
    document.querySelector(".stage").addEventListener("pointerleave", () => this.hide());
    bar.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const buttons = [...bar.querySelectorAll("button:not([hidden])")];
      if (step !== undefined) buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length).focus();
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.hide();
      document.getElementById("log").focus({ preventScroll: true });
    });
  }

  get isOpen() {
    return !this.#bar.hidden;
  }

  // Opens at an entry's row; `focus` gives it the keys.
  show(seq, focus = false) {
    const row = document.querySelector(`.row[data-seq="${seq}"]`);
    if (row === null) return;
    clearTimeout(this.#shut);
    this.seq = seq;
    const { view } = this.#page;
    document.getElementById("m-around").hidden = document.getElementById("m-place").hidden = !view.isNarrowed;
    this.#bar.hidden = false;
    const [box, stage] = [row.getBoundingClientRect(), this.#bar.parentElement.getBoundingClientRect()];
    const below = focus === false && this.#bar.offsetHeight > box.height + 12 ? box.bottom : box.top + (box.height - this.#bar.offsetHeight) / 2;
    // What lies at the foot of the log stays free.
    const foot = document.getElementById("fresh").hidden ? 0 : FOOT;
    const top = Math.max(0, Math.min(stage.height - foot - this.#bar.offsetHeight, below - stage.top));
    this.#bar.style.setProperty("top", `${top}px`);
    if (focus) this.#bar.querySelector("button").focus();
  }

  hide() {
    if (this.#bar.hidden || this.#bar.contains(document.activeElement)) return;
    this.#bar.hidden = true;
    this.seq = null;
  }

  shut() {
    this.#bar.hidden = true;
    this.seq = null;
  }
}
