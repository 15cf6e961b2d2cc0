// The panel: everything around the list, drawn from the state of the page. It decides nothing.

import { ALL_LEVELS, isEmpty } from "./filter.js";
import { CROWD } from "./chips.js";
import { LEVELS } from "./level.js";
import { SIZES } from "./settings.js";
import { Announcer, held, title, words } from "./status.js";
import { TIME_WORDS, count, format } from "./time.js";
import * as keys from "./keys.js";

// The title and the counts change no faster: nobody reads faster.
const LATER_MS = 250;
const TOAST_MS = 2500;
const SPOKEN_MS = 800;
const NAME_MAX = 20; // characters

const element = (id) => document.getElementById(id);

// A text that is set anew is laid out and, in a live region, spoken anew.
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export class Panel {
  #page;
  #timer = null;
  #second = null;
  #toast = null;
  #spoken = null;
  #counting = ""; // the filter whose count was spoken last
  #longest = 0;
  #state = { name: "connecting" };

  announcer = new Announcer(element("announce"));

  constructor(page) {
    this.#page = page;
    keys.help(element("keylist"));
    element("single").checked = page.taste.single;
    element("single").addEventListener("change", ({ target }) => page.taste.set({ single: target.checked }));
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
    write(element("theme").lastElementChild, taste.theme);
    element("theme").setAttribute("aria-label", `Theme: ${taste.theme}`);
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
    const strip = taste.timeline ?? !matchMedia("(max-width: 760px), (max-height: 499px)").matches;
    element("stripbar").hidden = !strip;
    element("timeline").setAttribute("aria-pressed", String(strip));
    this.#page.strip.draw(true);
    this.filters();
    element("smaller").disabled = taste.size === SIZES[0];
    element("larger").disabled = taste.size === SIZES.at(-1);
    list.reset();
  }

  // The filters used last, offered while one is typed.
  filters() {
    element("filters").replaceChildren(...this.#page.taste.filters.map((text) => new Option(text, text)));
  }

  settings(settings) {
    const filter = element("filter");
    if (filter.value !== settings.filter && document.activeElement !== filter) filter.value = settings.filter;
    element("hide").setAttribute("aria-pressed", String(!settings.marking));
    element("mark").setAttribute("aria-pressed", String(settings.marking));
    for (const chip of element("levels").children) {
      chip.setAttribute("aria-pressed", String(((settings.levels >> Number(chip.dataset.level)) & 1) === 1));
    }
    element("wrap").setAttribute("aria-pressed", String(this.#page.list.wrap));
    element("colours").setAttribute("aria-pressed", String(settings.colours));
    write(element("time").lastElementChild, TIME_WORDS[settings.time]);
    element("time").setAttribute("aria-label", `Times: ${TIME_WORDS[settings.time]}`);
    element("bell").setAttribute("aria-pressed", String(settings.watch));
    element("bell").classList.toggle("tone", settings.watch && this.#page.taste.tone);
    element("unrange").hidden = settings.from === null && settings.to === null;
    write(element("unrange"), `× ${this.#clock(settings.from)} – ${this.#clock(settings.to)}`);
    const few = settings.levels !== ALL_LEVELS || settings.marking;
    element("opensheet").classList.toggle("dotted", few);
    element("unfilter").hidden = filter.value === "";
    element("openfilter").classList.toggle("dotted", settings.filter !== "");
    this.#page.columns?.draw();
    const log = element("log");
    log.classList.toggle("wrapped", this.#page.list.wrap);
    log.classList.toggle("timed", settings.time !== "off");
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
    const { chips, files, view, ring, list } = this.#page;
    chips.draw();
    element("header").classList.toggle("many", files.areMany);
    element("header").classList.toggle("crowded", !files.areMany && files.groups.length > CROWD);
    write(element("pick"), `${files.words} ▾`);
    this.#names();
    this.#tellCount(this.#counted());
    const problem = view.error;
    element("problem").hidden = problem === null;
    write(element("problem"), problem ?? "");
    element("filter").setAttribute("aria-invalid", String(problem !== null));
    element("log").classList.toggle("filtered", view.isNarrowed);
    element("log").classList.toggle("following", list.follow);
    write(element("held"), held(ring));
    this.#fresh();
    this.#empty();
    this.#title();
    this.#page.older.draw();
    this.#page.strip.draw();
    this.#page.ticks.draw();
    this.#page.columns.draw();
  }

  state(state) {
    const before = this.#state.name;
    this.#state = state;
    if (state.name !== before || state.resumed) this.announcer.say(words(state).text);
    this.#tick();
    if (state.name === "token") this.askToken();
    this.later();
  }

  // The count, which is spoken once it stands still while somebody filters.
  #tellCount(text) {
    if (element("count").textContent === text) return;
    write(element("count"), text);
    element("count").title = text;
    clearTimeout(this.#spoken);
    if (!this.#page.view.isNarrowed || !text.includes(" of ")) return;
    const { filter } = this.#page.settings;
    this.#spoken = setTimeout(() => {
      if (this.#counting === filter) return;
      this.#counting = filter;
      this.announcer.say(text);
    }, SPOKEN_MS);
  }

  askToken() {
    const dialog = element("token");
    if (!dialog.open) dialog.showModal();
  }

  head(text, more) {
    write(element("older"), text);
    element("older").disabled = !more;
  }

  toast(text) {
    const toast = element("toast");
    toast.textContent = text;
    toast.hidden = false;
    this.announcer.say(text);
    clearTimeout(this.#toast);
    this.#toast = setTimeout(() => (toast.hidden = true), TOAST_MS);
  }

  // As wide as the longest name beside the lines has to be, within reason.
  #names() {
    const { files, list } = this.#page;
    const longest = Math.min(NAME_MAX, Math.max(0, ...files.all.map((_, number) => (files.isShown(number) ? files.short(number).length : 0))));
    if (longest === this.#longest) return;
    this.#longest = longest;
    element("log").style.setProperty("--names", `${longest}ch`);
    list.invalidate(); // wrapped, the lines have another width now
  }

  // A time of day as the reader has times now.
  #clock(time) {
    return time === null ? "…" : format(time, this.#page.settings.time === "utc" ? "utc" : "local").replace(/\.\d+/, "");
  }

  // "1,600 lines", "87 of 104,213", "37 of 104,213 held · 200+ further back", or how far the search is.
  #counted() {
    const { far, view } = this.#page;
    if (view.isFiltered && !view.shown.complete) return `${Math.floor(view.shown.progress * 100)} %`;
    const { some, all } = view.counts;
    if (some === all && isEmpty(view.filter)) return `${count(all)} ${all === 1 ? "line" : "lines"}`;
    const back = far.hits > 0 ? ` held · ${count(far.hits)}${far.isDone ? "" : "+"} further back` : "";
    return `${count(some)} of ${count(all)}${back}`;
  }

  #fresh() {
    const page = this.#page;
    const button = element("fresh");
    const fresh = page.fresh;
    button.hidden = page.paused ? false : page.list.follow;
    button.classList.toggle("error", page.seen.erred && fresh > 0);
    const waiting = page.connection.held ? "+" : "";
    if (page.paused) write(button, `Paused · ${count(fresh)}${waiting} waiting`);
    else if (fresh > 0) write(button, `↓ ${count(fresh)}${waiting} new`);
    else write(button, waiting ? "↓ more is waiting" : "↓ to the end");
    element("pause").setAttribute("aria-pressed", String(page.paused));
    element("pause").querySelector("use").setAttribute("href", page.paused ? "#i-play" : "#i-pause");
    write(element("pause").lastElementChild, page.paused ? "Continue" : "Pause");
  }

  // A list with nothing in it says why, and what would change it.
  #empty() {
    const { far, files, rows, ring, settings, view } = this.#page;
    const [heading, text] = element("empty").children;
    const nothing = rows.end === rows.start && (!view.isFiltered || view.shown.complete);
    element("empty").hidden = !nothing;
    if (!nothing) return;
    const shown = files.all.filter((_, number) => files.isShown(number));
    const asked = !isEmpty(view.filter) || settings.levels !== ALL_LEVELS || settings.from !== null || settings.to !== null;
    element("emptied").hidden = !(asked && ring.length > 0);
    const { from, to } = settings;
    const isRange = (from !== null || to !== null) && isEmpty(view.filter) && settings.levels === ALL_LEVELS;
    const near = isRange ? this.#page.moments.nearest(from ?? to) : 0;
    element("nearest").hidden = near === 0;
    element("nearest").dataset.time = near;
    write(element("nearest"), `The nearest line is from ${this.#clock(near)}`);
    const say = (title, words) => {
      write(heading, title);
      write(text, words);
    };
    const paths = (list) => list.map((file) => file.path ?? file.name).join(", ");
    const all = (state) => shown.length > 0 && shown.every((file) => file.state === state);
    if (ring.length > 0 && isRange) {
      say(`No line held from ${this.#clock(from)} to ${this.#clock(to)}`, "");
    } else if (ring.length > 0 && asked) {
      const held = `Nothing in ${count(ring.lines)} ${ring.lines === 1 ? "line" : "lines"} held`;
      if (far.looking !== null) say(held, `Looking through ${far.looking} …`);
      else if (far.isDone) say(`Nothing in all of ${files.words}`, "New lines that match will show here.");
      else if (far.error !== null) say(held, `Further back: ${far.error}`);
      else if (!far.isAble && view.filter.patterns.length > 0) say(held, "Only this browser knows the pattern: no further than the lines held. New lines that match will show here.");
      else say(held, "New lines that match will show here.");
    } else if (all("unreadable")) {
      const why = shown.map((file) => file.reason).find(Boolean) ?? "";
      say("The file can't be read", `${paths(shown)}${why === "" ? "" : `: ${why}`}. It is tried again, and will show here once the daemon may read it.`);
    } else if (all("away")) {
      const group = files.groups.filter(({ numbers }) => numbers.some((number) => files.isShown(number)));
      say("Not reachable now", group.map((one) => `${one.host || files.name(one.numbers[0])}: ${files.groupWords(one)}`).join(", "));
    } else if (shown.length > 0 && shown.every((file) => ["missing", "unreadable"].includes(file.state))) {
      say("No such file yet: waiting", `${paths(shown)} will show here as soon as something writes it.`);
    } else if (this.#state.name === "live" && files.all.length === 0) {
      say("No file matches yet: waiting", "A file that matches the daemon's pattern will show here as soon as it appears.");
    } else if (this.#state.name === "live") {
      say("No lines yet", `What is written to ${paths(shown)} will show here at once.`);
    } else {
      say(words(this.#state).text, "");
    }
  }

  #title() {
    const { files, seen, fresh } = this.#page;
    const names = files.all.filter((_, number) => files.isShown(number)).map((file) => file.name);
    const text = title(fresh, seen.erred, names, location.host);
    if (document.title !== text) document.title = text;
  }

  // What changes by the second: the countdown and times ago; no clock runs where neither is shown.
  #tick() {
    const { text, kind } = words(this.#state);
    const button = element("connection");
    write(button.lastElementChild, text);
    button.setAttribute("aria-label", `Connection: ${text}`);
    button.dataset.kind = kind;
    const ago = this.#page.settings.time === "ago";
    if (ago && !document.hidden) {
      this.#page.list.each((row, seq) => {
        const time = row.querySelector(".time");
        if (time) this.#page.drawing.time(time, seq);
      });
    }
    const needed = ago || this.#state.name === "retrying";
    if (needed) this.#second ??= setInterval(() => this.#tick(), 1000);
    else {
      clearInterval(this.#second);
      this.#second = null;
    }
  }
}
