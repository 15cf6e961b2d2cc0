// The panel: everything around the list, drawn from the state of the page. It decides nothing.

import { isEmpty } from "./filter.js";
import { LEVELS } from "./level.js";
import { SIZES } from "./settings.js";
import { Announcer, held, title, words } from "./status.js";
import { count } from "./time.js";
import * as keys from "./keys.js";

// The title and the counts change no faster: nobody reads faster.
const LATER_MS = 250;
const TOAST_MS = 2500;

const element = (id) => document.getElementById(id);

export class Panel {
  #page;
  #timer = null;
  #clock = null;
  #toast = null;
  #state = { name: "connecting" };

  announcer = new Announcer(element("announce"));

  constructor(page) {
    this.#page = page;
    keys.help(element("keylist"));
    for (const level of [4, 3, 2, 1, 0]) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = `level ${LEVELS[level]}`;
      chip.dataset.level = level;
      chip.textContent = LEVELS[level];
      chip.title = `Lines of level ${LEVELS[level]}: click to hide or show, with Shift alone`;
      element("levels").append(chip);
    }
    document.addEventListener("visibilitychange", () => this.later());
  }

  // The theme and the size of the type.
  look() {
    const { taste, list } = this.#page;
    if (taste.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = taste.theme;
    element("theme").lastElementChild.textContent = taste.theme;
    list.rowHeight = Math.round(taste.size * 1.55);
    const log = element("log");
    log.style.setProperty("--size", `${taste.size}px`);
    log.style.setProperty("--row", `${list.rowHeight}px`);
    const ruler = document.createElement("span");
    ruler.className = "text ruler";
    ruler.textContent = "0".repeat(100);
    log.append(ruler);
    list.charWidth = ruler.getBoundingClientRect().width / 100;
    ruler.remove();
    element("smaller").disabled = taste.size === SIZES[0];
    element("larger").disabled = taste.size === SIZES.at(-1);
    list.reset();
  }

  settings(settings) {
    const filter = element("filter");
    if (filter.value !== settings.filter && document.activeElement !== filter) filter.value = settings.filter;
    element("hide").setAttribute("aria-pressed", String(!settings.marking));
    element("mark").setAttribute("aria-pressed", String(settings.marking));
    for (const chip of element("levels").children) {
      chip.setAttribute("aria-pressed", String(((settings.levels >> Number(chip.dataset.level)) & 1) === 1));
    }
    element("wrap").setAttribute("aria-pressed", String(settings.wrap));
    element("colours").setAttribute("aria-pressed", String(settings.colours));
    element("time").lastElementChild.textContent = settings.time;
    const log = element("log");
    log.classList.toggle("wrapped", settings.wrap);
    this.#tick();
    this.draw();
  }

  // Soon, but not for each of a thousand lines; runs also where nothing is drawn, as in a hidden tab.
  later() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.draw();
    }, LATER_MS);
  }

  draw() {
    const { files, view, ring, list } = this.#page;
    files.draw();
    const { some, all } = view.counts;
    const searching = view.isFiltered && !view.shown.complete;
    element("count").textContent =
      searching ? `${Math.floor(view.shown.progress * 100)} %` : some === all && isEmpty(view.filter) ? `${count(all)}` : `${count(some)} of ${count(all)}`;
    const problem = view.error;
    element("problem").hidden = problem === null;
    element("problem").textContent = problem ?? "";
    element("filter").setAttribute("aria-invalid", String(problem !== null));
    element("log").classList.toggle("filtered", view.isFiltered);
    element("held").textContent = held(ring);
    list.follow ? element("log").classList.add("following") : element("log").classList.remove("following");
    this.#fresh();
    this.#empty();
    this.#title();
    this.#page.older.draw();
  }

  state(state) {
    this.#state = state;
    this.#tick();
    if (state.name === "token") this.askToken();
    this.later();
  }

  askToken() {
    const dialog = element("token");
    if (!dialog.open) dialog.showModal();
  }

  head(text, more) {
    const older = element("older");
    if (older.textContent !== text) older.textContent = text;
    older.disabled = !more;
  }

  toast(text) {
    const toast = element("toast");
    toast.textContent = text;
    toast.hidden = false;
    this.announcer.say(text);
    clearTimeout(this.#toast);
    this.#toast = setTimeout(() => (toast.hidden = true), TOAST_MS);
  }

  #fresh() {
    const { page } = { page: this.#page };
    const button = element("fresh");
    const fresh = page.fresh;
    button.hidden = page.paused ? false : page.list.follow;
    button.classList.toggle("error", page.seen.erred && fresh > 0);
    const waiting = page.connection.held ? "+" : "";
    if (page.paused) button.textContent = `Paused · ${count(fresh)}${waiting} waiting`;
    else button.textContent = fresh > 0 ? `↓ ${count(fresh)}${waiting} new` : "↓ to the end";
    element("pause").setAttribute("aria-pressed", String(page.paused));
    element("pause").querySelector("use").setAttribute("href", page.paused ? "#i-play" : "#i-pause");
    element("pause").lastElementChild.textContent = page.paused ? "Go on" : "Pause";
  }

  // A list with nothing in it says why, and what would change it.
  #empty() {
    const { files, rows, ring, view } = this.#page;
    const [heading, text] = element("empty").children;
    const nothing = rows.end === rows.start && (!view.isFiltered || view.shown.complete);
    element("empty").hidden = !nothing;
    if (!nothing) return;
    const shown = files.all.filter((_, number) => files.isShown(number));
    const absent = shown.filter((file) => !file.present);
    if (ring.length > 0) {
      heading.textContent = "Nothing gets through";
      text.textContent = `None of the ${count(ring.lines)} lines held passes the filter, the levels and the files chosen. New lines that do will show here; Esc clears the filter.`;
    } else if (absent.length > 0 && absent.length === shown.length) {
      heading.textContent = "No such file yet: waiting";
      text.textContent = `${absent.map((file) => file.path ?? file.name).join(", ")} will show here as soon as something writes it.`;
    } else if (this.#state.name === "live" && files.all.length === 0) {
      heading.textContent = "No file matches yet: waiting";
      text.textContent = "A file that matches the daemon's pattern will show here as soon as it appears.";
    } else if (this.#state.name === "live") {
      heading.textContent = "No lines yet";
      text.textContent = `What is written to ${shown.map((file) => file.path ?? file.name).join(", ")} will show here at once.`;
    } else {
      heading.textContent = words(this.#state).text;
      text.textContent = "";
    }
  }

  #title() {
    const { files, seen, fresh } = this.#page;
    const names = files.all.filter((_, number) => files.isShown(number)).map((file) => file.name);
    const text = title(fresh, seen.erred, names, location.host);
    if (document.title !== text) document.title = text;
  }

  // What changes by the second: the countdown and relative times; no clock runs where neither is shown.
  #tick() {
    const { text, kind } = words(this.#state);
    const button = element("connection");
    if (button.lastElementChild.textContent !== text) button.lastElementChild.textContent = text;
    button.dataset.kind = kind;
    const relative = this.#page.settings.time === "relative";
    if (relative && !document.hidden) {
      this.#page.list.each((row, seq) => {
        const time = row.querySelector(".time");
        if (time) this.#page.drawing.time(time, seq);
      });
    }
    const needed = relative || this.#state.name === "retrying";
    if (needed) this.#clock ??= setInterval(() => this.#tick(), 1000);
    else {
      clearInterval(this.#clock);
      this.#clock = null;
    }
  }
}
