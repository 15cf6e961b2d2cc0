// The page: makes every part, and tells each what the others did.
//
// What flows: history and connection -> intake -> ring -> scans -> rows -> list. The reader's deeds go the other way,
// through the view's settings, which stand in the URL. Everything is drawn once a frame, and only what is in sight.
//
// The map, by what a module knows:
//   a line's text   ansi, level, stamps (its time), records (what it belongs to), fields, json, tokens, marks
//   what is held    ring, rows, heights, past (fetched, not yet in front), scan and scan-worker
//   what is asked   settings (the URL), filter, view, find
//   the daemon      connection, history, intake, older
//   the files       files, hosts, names, chips, picker
//   what is drawn   list, row, paint, panel, status, time, theme
//   the reader      deeds, keys, copy

import { Connection, NAMES_CHARS_MAX } from "./connection.js";
import { Files } from "./files.js";
import { Bell } from "./bell.js";
import { Chips } from "./chips.js";
import { Columns } from "./columns.js";
import { Find } from "./find.js";
import { ALL_LEVELS, asked, marks, parse } from "./filter.js";
import { ask, byFile } from "./history.js";
import { Intake } from "./intake.js";
import { plain } from "./ansi.js";
import { ERROR, LEVELS, OTHER, detect } from "./level.js";
import { sentence } from "./status.js";
import { List } from "./list.js";
import { Marked } from "./marked.js";
import { Menu } from "./menu.js";
import { Moments } from "./moments.js";
import { Older } from "./older.js";
import { Panel } from "./panel.js";
import { Ring } from "./ring.js";
import { Drawing } from "./row.js";
import { Far } from "./far.js";
import { Past } from "./past.js";
import { Picker } from "./picker.js";
import { Place } from "./place.js";
import { Scan } from "./scan.js";
import { Strip } from "./strip.js";
import { Ticks } from "./ticks.js";
import { Rows } from "./rows.js";
import { Taste, read, write } from "./settings.js";
import { deeds } from "./deeds.js";
import { listen } from "./keys.js";
import { count } from "./time.js";
import { View } from "./view.js";

// Where long lines are wrapped unless the reader says otherwise; the style sheet knows the same width.
const NARROW = matchMedia("screen and (max-width: 760px)");

// Who still types isn't looked further for.
const FAR_MS = 400;
const ROUNDS_MAX = 20;
const URL_MS = 200;
const TYPED_MS = 1500;
// What is a step of history when it changes.
const STEPS = ["filter", "files", "levels", "marking", "from", "to", "place"];
const SPOKEN_MAX = 300; // characters of a line
// How often the list is asked for files that a host has got, where only that host's are read.
const HOSTS_MS = 15_000;

const element = (id) => document.getElementById(id);

class Page {
  taste = new Taste();
  settings = read(location.hash, this.taste.view);
  ring = new Ring({ detect });
  rows = new Rows(this.ring);
  #farTimer = null;
  #urlTimer = null;
  #typed = 0; // when the filter was last typed
  #arrived = false; // at a place that is to be spoken
  #step = false; // whether the URL to be written is a step of history
  #fragment = ""; // of the URL to be written
  #looksNow = null;
  #wanted = null; // the names of the files that have been shown, or null for all
  #started = false;
  #asked = false; // whether the list of files is as young as the connection
  cursor = null; // the entry that the keys mean
  seen = { seq: 0, erred: false, looked: 0 }; // up to where the reader has seen everything

  constructor() {
    this.files = new Files(() => this.set({ files: this.files.shown && [...this.files.shown] }));
    this.chips = new Chips({ bar: element("files"), files: this.files, list: (host) => this.picker.open(`${host}/`) });
    this.drawing = new Drawing({ ring: this.ring, files: this.files, rows: this.rows, looks: () => this.looks });
    this.past = new Past((number) => this.files.reader(number));
    this.list = this.#makeList();
    this.view = new View({
      ring: this.ring, files: this.files, rows: this.rows, around: this.drawing.around,
      changed: (anew) => this.#rowsChanged(anew), hit: () => this.#hitsChanged(),
    });
    this.far = new Far({ ring: this.ring, files: this.files, view: this.view, changed: (more) => this.#farChanged(more) });
    this.place = new Place(this);
    this.find = new Find({
      bar: element("findbar"), input: element("find"), said: element("found"), list: this.list, ring: this.ring,
      until: () => this.view.settled, accepts: (seq) => this.view.has(seq), changed: () => this.#marksChanged(),
      hits: () => this.#hitsChanged(), go: (seq) => this.goTo(seq, "mark.found"),
    });
    this.find.further = () => this.#findFurther();
    this.find.canFurther = () => this.older.hasMore;
    this.older = new Older({
      ring: this.ring, files: this.files, past: this.past,
      taken: (low, high) => this.intake.older(low, high),
      said: (text, more) => this.#head(text, more),
    });
    this.errors = new Scan(this.ring, () => this.panel?.later());
    this.errors.begin({ accepts: (seq) => this.ring.head(seq) === seq && this.ring.level(seq) === ERROR, text: null, patterns: null });
    this.strip = new Strip(element("strip"), this);
    this.ticks = new Ticks(element("ticks"), this);
    this.menu = new Menu(element("menu"), this);
    this.marked = new Marked(this);
    this.columns = new Columns(element("columns"), this);
    this.bell = new Bell(this);
    this.moments = new Moments(this);
    this.picker = new Picker({
      dialog: element("picker"), input: element("picked"), list: element("picklist"), files: this.files,
      chosen: (files) => this.set({ files }),
    });
    this.panel = new Panel(this);
    this.intake = new Intake(this);
    this.connection = new Connection({
      ids: () => [...this.ring.ids.values()],
      files: () => this.asked,
      via: () => this.settings.via,
      prepare: (signal) => this.#begin(signal),
      said: (message, weight) => this.intake.take(message, weight),
      stated: (state) => this.#stated(state),
    });
    this.deeds = deeds(this);
    listen(this.deeds, () => this.taste.single);
    addEventListener("hashchange", () => {
      clearTimeout(this.#urlTimer);
      this.#apply(read(location.hash, this.taste.view));
    });
    addEventListener("beforeprint", () => this.list.print(true));
    addEventListener("afterprint", () => this.list.print(false));
    NARROW.addEventListener("change", () => {
      this.panel.look();
      this.#apply(this.settings);
    });
    setInterval(() => this.#hosts(), HOSTS_MS);
  }

  async start() {
    this.panel.look();
    this.#apply(this.settings);
    // First the daemon's list, so that the files stand in its order, whichever speaks first.
    await this.#askFiles();
    this.#asked = true;
    this.#started = true;
    this.connection.open();
  }

  get paused() {
    return this.rows.cap !== Infinity;
  }

  // Changes the view; the URL says so too, so that it can be shared. `whole` is a change that isn't typed.
  set(change, whole = false) {
    const before = this.settings;
    const settings = { ...before, ...change };
    this.#apply(settings);
    this.taste.keep(settings);
    const fragment = write(settings);
    // A change of what is shown is a step, which Back takes back; one that is still being typed is no step of its own.
    const changed = STEPS.filter((name) => String(settings[name]) !== String(before[name]));
    const typing = !whole && changed.join() === "filter" && this.#typed + TYPED_MS > Date.now();
    if (!whole && changed.join() === "filter") this.#typed = Date.now();
    else if (changed.length > 0) this.#typed = 0;
    const isStep = changed.length > 0 && !typing;
    // One that comes so soon that the last was not written yet takes nothing from that.
    if (isStep && this.#step) this.#writeUrl();
    this.#step ||= isStep;
    this.#fragment = fragment;
    // Too many changes of the URL in a moment are refused by some browsers: the last one counts.
    clearTimeout(this.#urlTimer);
    this.#urlTimer = setTimeout(() => this.#writeUrl(), URL_MS);
  }

  #writeUrl() {
    const fragment = this.#fragment;
    const url = fragment === "" ? location.pathname + location.search : `#${fragment}`;
    if (this.#step && location.hash.slice(1) !== fragment) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    this.#step = false;
  }

  pause(on) {
    this.rows.cap = on ? this.ring.end : Infinity;
    if (!on) {
      this.intake.advance();
      this.intake.makeRoom();
    }
    this.#rowsChanged(false);
  }

  // Forgets what is shown; the files keep it.
  clear() {
    this.pause(false);
    this.ring.clear();
    this.view.again();
    this.find.again();
    this.errors.retreat();
    this.list.toEnd();
    this.list.reset();
  }

  point(seq) {
    this.cursor = seq;
    this.list.each((row, at) => this.drawing.mark(row, at));
  }

  // How many rows came since the reader last saw the end.
  get fresh() {
    if (this.paused) return this.ring.end - this.rows.cap;
    return Math.max(0, this.rows.end - this.rows.row(this.seen.seq));
  }

  #makeList() {
    const { ring, rows, drawing } = this;
    return new List({
      scroller: element("log"), canvas: element("canvas"), pane: element("pane"), ring, rows,
      draw: (seq) => drawing.draw(seq),
      length: (seq) => ring.text(seq).length ?? 0,
      open: () => drawing.opened.size > 0,
      hidden: (seq) => drawing.isHidden(seq),
      rendered: () => this.#rendered(),
      followed: () => {
        this.intake?.makeRoom();
        this.panel?.later();
      },
      nearTop: () => this.further(),
    });
  }

  // Shows an entry, also where it is within a folded record or beyond the edge.
  goTo(seq, selector = null) {
    if (this.drawing.isFolded(seq)) this.unfold(seq, true);
    this.list.goTo(seq);
    this.list.reveal(seq, selector);
  }

  // A row as it is spoken: "error, shop.log, text, 12 of 500".
  spoken(seq) {
    const { ring, rows } = this;
    const entry = ring.text(seq);
    const at = `${count(rows.row(seq) - rows.start + 1)} of ${count(rows.end - rows.start)}`;
    const name = this.files.name(ring.file(seq));
    if (typeof entry !== "string") return `${sentence(entry, this.files.subject(ring.file(seq), entry), ring.arrival(seq) === 0)}, ${at}`;
    const level = ring.level(seq) === OTHER ? "" : `${LEVELS[ring.level(seq)]}, `;
    return `${level}${name}, ${plain(entry).slice(0, SPOKEN_MAX)}, ${at}`;
  }

  // Opens or folds the record of an entry.
  unfold(seq, open) {
    const head = this.ring.head(seq);
    if (open) this.drawing.unfolded.add(head);
    else this.drawing.unfolded.delete(head);
    this.list.refit(this.ring.record(head));
  }

  // What a row looks like depends on this; worked out once a frame. Patterns mark only the lines that the scans have
  // let through: the worker has shown that they are quick there.
  get looks() {
    this.#looksNow ??= this.#looks();
    return this.#looksNow;
  }

  #looks() {
    const { settings, view, find, list } = this;
    queueMicrotask(() => (this.#looksNow = null));
    const hit = (seq) => view.hits(seq) ?? false;
    const finds = (seq) => find.scan.found.has(seq);
    const findMarks = find.filter && !find.scan.error ? marks(find.filter) : [];
    return {
      time: settings.time, colours: settings.colours, several: this.files.shownCount > 1, raw: settings.raw,
      columns: settings.columns, wrapped: list.wrap, width: list.columnsInSight, hit, finds,
      filterMarks: (seq) => ((view.marking ? hit(seq) : view.shown.found.has(seq)) ? view.filterMarks : []),
      findMarks: (seq) => (finds(seq) ? findMarks : []),
      cursor: this.cursor, found: find.at,
    };
  }

  #apply(settings) {
    const before = this.settings;
    this.settings = settings;
    const several = this.files.shownCount > 1;
    this.files.show(settings.files);
    this.#ask(settings);
    this.drawing.fold = settings.fold;
    this.view.set(settings, () => this.far.reset());
    if (settings.find !== this.find.text) this.find.set(settings.find, false);
    const wrapped = this.list.wrap;
    this.list.wrap = settings.wrap ?? NARROW.matches;
    const other = this.list.wrap !== wrapped || settings.fold !== before.fold || several !== this.files.shownCount > 1;
    if (other) this.list.reset();
    this.list.redraw();
    this.panel.settings(settings);
  }

  // Asks the daemon for the files shown, once they are more than it was asked for: all of what is held comes anew.
  // Files that aren't shown any more go on, and count as unread.
  #ask({ files, arrival, place }) {
    const names = this.files.named(files);
    const wider = this.#wanted !== null && (files === null || files.some((name) => !this.#wanted.has(name)));
    const moved = JSON.stringify(place) !== JSON.stringify(this.place.at);
    const other = moved || this.past.byTime === arrival || this.older.wouldMix(names);
    this.place.at = place;
    this.past.byTime = !arrival;
    if (!this.#started) this.#wanted = files && new Set(files);
    else if (wider) this.#wanted = files && new Set([...this.#wanted, ...files]);
    if (this.#started && (wider || other)) this.again();
  }

  // The names of the files to ask for, or null for all: a name that nobody knows would be refused.
  get asked() {
    const known = this.#wanted === null ? [] : this.files.named([...this.#wanted]);
    return known.length === 0 || known.join("").length > NAMES_CHARS_MAX ? null : known;
  }

  // Reads all that is shown anew, from the end of the files.
  again() {
    this.pause(false);
    this.ring.clear();
    this.ring.ids.clear();
    this.past.forget();
    this.far.reset();
    this.list.toEnd();
    this.list.reset();
    this.view.again();
    this.find.again();
    this.connection.open();
  }

  // Goes to a place in the files that may not be held: {name, id} or {time}; to the end with null. `change` is what
  // else of the view is another one there.
  goToPlace(place, change = {}) {
    this.set({ ...change, place }, true);
  }

  // Goes to the first row that isn't older than a time: among those held, else in the files.
  goToTime(time) {
    const { ring, rows, settings } = this;
    const held = (row) => ring.when(rows.seq(row));
    let [first, last] = [rows.start, rows.end - 1];
    while (first < last && held(first) === 0) first += 1;
    while (last > first && held(last) === 0) last -= 1;
    const inside = rows.end > rows.start && held(first) > 0 && (time >= held(first) || !this.older.hasMore) && (time <= held(last) || settings.place === null);
    if (!inside || settings.arrival) return this.goToPlace({ time });
    // Nearly in order: a search by halves, then the first of its neighbours.
    let [low, high] = [first, last];
    while (low < high) {
      const middle = (low + high) >> 1;
      let at = middle;
      while (at > low && held(at) === 0) at -= 1;
      if (held(at) < time) low = middle + 1;
      else high = middle;
    }
    this.point(rows.seq(low));
    this.goTo(rows.seq(low));
    this.panel.announcer.say(this.spoken(rows.seq(low)));
  }

  askTime() {
    this.moments.open();
  }

  // The address of a line: the view, there.
  async linkTo(seq) {
    const { far, files, ring, settings } = this;
    let place = far.place(seq);
    if (place === null) {
      const run = ring.run(seq);
      const lines = [...Array(run.first + run.count - seq).keys()].filter((i) => typeof ring.text(seq + i) === "string").length;
      const name = files.name(run.file);
      if (run.id === null || typeof ring.text(seq) !== "string") return null;
      if (lines === 1) place = { name, id: run.id };
      else place = { name, id: byFile(await ask({ file: name, before: run.id, lines: String(lines) }), lines).get(name).items.find(({ text }) => text !== undefined).id };
    }
    const { name, id } = place;
    return `${location.href.split("#")[0]}#${write({ ...settings, place: { name, id } })}`;
  }

  // Leaves the filter and keeps the line; Back returns.
  showInPlace(seq) {
    const all = { filter: "", levels: ALL_LEVELS, from: null, to: null, marking: false };
    const far = this.far.place(seq);
    if (far !== null) return this.goToPlace({ name: far.name, id: far.id }, all);
    this.set(all, true);
    this.point(seq);
    this.goTo(seq);
  }

  // Looks before the lines held for the last one that the daemon's `query` and `passes` let through, and goes there:
  // false where there is none.
  async findFurther(query, passes = () => true) {
    const { files, ring } = this;
    const numbers = files.all.map((_, n) => n).filter((n) => files.isShown(n) && files.all[n].begun && ring.oldest(n).id !== null);
    const found = await Promise.all(numbers.map(async (number) => {
      const name = files.name(number);
      let before = ring.oldest(number).id;
      for (let round = 0; round < ROUNDS_MAX; round++) {
        const { items = [], from = null, beginning = true } = byFile(await ask({ file: name, before, lines: "20", ...query }), 20).get(name) ?? {};
        const item = items.findLast((one) => one.text !== undefined && passes(one));
        if (item !== undefined) return { name, id: item.id, time: files.reader(number).read(item.text, item.time).time };
        if (beginning || from === null) return null;
        before = from;
      }
      return null;
    }));
    const best = found.filter((one) => one !== null).sort((a, b) => b.time - a.time)[0];
    if (best === undefined) return false;
    this.goToPlace({ name: best.name, id: best.id });
    return true;
  }

  // The find looks further up than its first hit held: true where it does.
  #findFurther() {
    const query = this.find.filter?.error ? null : asked({ ...parse(""), ...this.find.filter });
    if (query === null || !this.older.hasMore) return false;
    this.panel.toast("looking further up …");
    this.findFurther(query).then(
      (found) => found || this.panel.toast("nothing further up"),
      (problem) => this.panel.toast(problem.message),
    );
    return true;
  }

  // What the head of the list says while a filter looks further back.
  #head(text, more) {
    const { far, files, view } = this;
    if (!far.isAble || !view.isNarrowed) return this.panel.head(text, more);
    if (far.looking !== null) return this.panel.head(`looking further back in ${far.looking} …`, false);
    if (far.error !== null) return this.panel.head(`further back: ${far.error}`, false);
    if (far.isDone) return this.panel.head(`nothing more in all of ${files.words}`, false);
    return this.panel.head("↑ look further back", true);
  }

  async #begin(signal) {
    await this.place.begin(signal);
    this.drawing.pointed = this.place.at?.id === undefined ? null : this.place.target;
    if (this.place.at === null) return;
    if (this.place.missed !== null) this.panel.toast(this.place.missed);
    if (this.place.target === null) return;
    this.point(this.place.target);
    this.goTo(this.place.target);
    this.#arrived = true;
  }

  // What stands before the first row: fetched from the files, or looked for there by the filter.
  further() {
    if (this.far.isAble && (this.far.isHere || this.view.isNarrowed)) return this.far.more();
    return this.older.fetch();
  }

  // Other lines from far back stand in front.
  #farChanged(more) {
    const { far, find, list, ring, rows, view } = this;
    const anchor = list.anchor;
    if (more !== 0 || (rows.matches !== null && rows.matches.start < rows.matches.row(ring.near)) || far.isHere) {
      if (rows.matches === view.shown.found) {
        view.far();
        find.scan.front(ring.near, []);
        find.scan.older(ring.first, ring.near);
        if (anchor !== null && anchor.seq < ring.near) list.anchor = { seq: Math.max(ring.first, anchor.seq), dy: anchor.dy };
        list.reset();
      }
    }
    this.older.draw();
    this.panel.later();
  }

  fileCame() {
    this.#askFiles();
    if (this.files.shownCount === 2) this.list.reset(); // from now on rows name their file
  }

  #rowsChanged(anew) {
    clearTimeout(this.#farTimer);
    if (this.view.isNarrowed && this.view.shown.complete) this.#farTimer = setTimeout(() => this.far.begin(), FAR_MS);
    if (anew) {
      this.list.reset();
      this.find?.again();
    }
    this.list.invalidate();
    this.panel?.later();
  }

  // Only rows that look otherwise are drawn again: a selection in the others stays.
  #hitsChanged() {
    this.list.each((row, seq) => {
      const hit = row.classList.contains("hit") === (this.view.hits(seq) ?? false);
      if (!hit || row.classList.contains("finds") !== this.find.scan.found.has(seq)) this.list.redrawRow(seq);
    });
    this.panel?.later();
  }

  #marksChanged() {
    if (this.find.text !== this.settings.find) this.set({ find: this.find.text });
    this.list.redraw();
  }

  #rendered() {
    if (this.list.follow && !this.paused) {
      this.seen = { seq: this.ring.end, erred: false, looked: this.ring.end };
      this.files.read();
    }
    this.panel.draw();
  }

  #stated(state) {
    let later = null;
    if (state.name === "live") {
      if (!this.#asked) this.#askFiles();
      this.#asked = false;
      if (this.#arrived && this.ring.has(this.place.target)) later = this.spoken(this.place.target);
      this.#arrived = false;
    }
    if (state.left > 0) {
      const text = `${count(state.left)} of the files are more than a request can name: what came to them meanwhile isn't shown`;
      this.ring.pushEvent(0, { event: "note", text }, { arrival: Date.now() });
    }
    if (state.status === 400 && this.ring.ids.size > 0) {
      // Ids that the daemon can't read would be refused for ever: begin anew, and say so.
      const text = "the daemon didn't know the page's place any more: from here on, what the files hold now";
      this.ring.pushEvent(0, { event: "note", text }, { arrival: Date.now() });
      this.ring.ids.clear();
    }
    this.panel.state(state);
    if (later !== null) this.panel.announcer.say(later);
  }

  // A stream of a host's files by name is told of none that comes later: the list is.
  #hosts() {
    const asksForHost = this.#wanted !== null && [...this.#wanted].some((name) => name.endsWith("/"));
    if (asksForHost && !document.hidden && this.connection.state.name === "live") this.#askFiles();
  }

  async #askFiles() {
    const { shownCount } = this.files;
    const asked = String(this.asked);
    try {
      const status = await this.files.refresh();
      if (status === 401) this.panel.askToken();
      // Of a host that is shown, more files are known now.
      if (this.#started && this.files.shownCount !== shownCount) this.view.again();
      if (this.#started && String(this.asked) !== asked) this.connection.open();
    } catch {
      // The connection says what is wrong.
    }
    this.older.draw();
    this.panel.later();
  }
}

export const page = new Page();
page.start();
