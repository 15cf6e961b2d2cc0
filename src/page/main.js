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
//   what is drawn   list, row, paint, panel, files, names, status, time, theme
//   the reader      deeds, keys, copy

import { Connection, NAMES_CHARS_MAX } from "./connection.js";
import { Files } from "./files.js";
import { Find } from "./find.js";
import { marks } from "./filter.js";
import { Intake } from "./intake.js";
import { plain } from "./ansi.js";
import { LEVELS, OTHER, detect } from "./level.js";
import { sentence } from "./status.js";
import { List } from "./list.js";
import { Older } from "./older.js";
import { Panel } from "./panel.js";
import { Ring } from "./ring.js";
import { Drawing } from "./row.js";
import { ask } from "./history.js";
import { Past } from "./past.js";
import { Rows } from "./rows.js";
import { Taste, read, write } from "./settings.js";
import { deeds } from "./deeds.js";
import { listen } from "./keys.js";
import { count } from "./time.js";
import { View } from "./view.js";

// Where long lines are wrapped unless the reader says otherwise; the style sheet knows the same width.
const NARROW = matchMedia("(max-width: 760px)");

// What a page begins with: so many lines in all, and of each file so many at least and at most.
const LINES_IN_ALL = 5000;
const LINES_LEAST = 20;
const LINES_MOST = 500;
const SPOKEN_MAX = 300; // characters of a line

const element = (id) => document.getElementById(id);

class Page {
  taste = new Taste();
  settings = read(location.hash, this.taste.view);
  ring = new Ring({ detect });
  rows = new Rows(this.ring);
  #looksNow = null;
  #wanted = null; // the names of the files that have been shown, or null for all
  #started = false;
  #asked = false; // whether the list of files is as young as the connection
  cursor = null; // the entry that the keys mean
  seen = { seq: 0, erred: false, looked: 0 }; // up to where the reader has seen everything

  constructor() {
    this.files = new Files(element("files"), () => this.set({ files: this.files.shown && [...this.files.shown] }));
    this.drawing = new Drawing({ ring: this.ring, files: this.files, rows: this.rows, looks: () => this.looks });
    this.past = new Past((number) => this.files.reader(number));
    this.list = this.#makeList();
    this.view = new View({
      ring: this.ring, files: this.files, rows: this.rows, around: this.drawing.around,
      changed: (anew) => this.#rowsChanged(anew), hit: () => this.#hitsChanged(),
    });
    this.find = new Find({
      bar: element("findbar"), input: element("find"), said: element("found"), list: this.list, ring: this.ring,
      until: () => this.view.settled, accepts: (seq) => this.view.has(seq), changed: () => this.#marksChanged(),
      hits: () => this.#hitsChanged(), go: (seq) => this.goTo(seq, "mark.found"),
    });
    this.older = new Older({
      ring: this.ring, files: this.files, past: this.past,
      taken: (low, high) => this.intake.older(low, high),
      said: (text, more) => this.panel.head(text, more),
    });
    this.panel = new Panel(this);
    this.intake = new Intake(this);
    this.connection = new Connection({
      ids: () => [...this.ring.ids.values()],
      files: () => this.asked,
      prepare: (signal) => this.#begin(signal),
      said: (message, weight) => this.intake.take(message, weight),
      stated: (state) => this.#stated(state),
    });
    this.deeds = deeds(this);
    listen(this.deeds);
    addEventListener("hashchange", () => this.#apply(read(location.hash, this.taste.view)));
    NARROW.addEventListener("change", () => this.#apply(this.settings));
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

  // Changes the view; the URL says so too, so that it can be shared.
  set(change) {
    const settings = { ...this.settings, ...change };
    this.#apply(settings);
    this.taste.keep(settings);
    const fragment = write(settings);
    // Too many changes of the URL in a moment are refused by some browsers: the last one counts.
    clearTimeout(this.urlTimer);
    this.urlTimer = setTimeout(() => {
      history.replaceState(null, "", fragment === "" ? location.pathname + location.search : `#${fragment}`);
    }, 200);
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
      nearTop: () => this.older.fetch(),
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
    if (typeof entry !== "string") return `${sentence(entry, name)}, ${at}`;
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
    this.view.set(settings);
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
  #ask({ files, arrival }) {
    const wider = this.#wanted !== null && (files === null || files.some((name) => !this.#wanted.has(name)));
    const other = this.past.byTime === arrival || this.older.wouldMix(files);
    this.past.byTime = !arrival;
    if (!this.#started) this.#wanted = files && new Set(files);
    else if (wider) this.#wanted = files && new Set([...this.#wanted, ...files]);
    if (this.#started && (wider || other)) this.again();
  }

  // The names of the files to ask for, or null for all: a name that nobody knows would be refused.
  get asked() {
    const known = this.files.all.map((file) => file.name).filter((name) => this.#wanted?.has(name));
    return known.length === 0 || known.join("").length > NAMES_CHARS_MAX ? null : known;
  }

  // Reads all that is shown anew, from the end of the files.
  again() {
    this.pause(false);
    this.ring.clear();
    this.ring.ids.clear();
    this.past.forget();
    this.list.toEnd();
    this.list.reset();
    this.view.again();
    this.find.again();
    this.connection.open();
  }

  // The history that a page begins with.
  async #begin(signal) {
    const files = this.asked;
    const share = Math.floor(LINES_IN_ALL / Math.max(1, files?.length ?? this.files.all.length));
    const lines = Math.max(LINES_LEAST, Math.min(LINES_MOST, share));
    const answer = await ask({ ...(files && { file: files }), lines: String(lines) }, signal);
    await this.older.begin(answer, lines);
    if (this.ring.lines < LINES_LEAST) this.older.fetch();
  }

  fileCame() {
    this.#askFiles();
    if (this.files.shownCount === 2) this.list.reset(); // from now on rows name their file
  }

  #rowsChanged(anew) {
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
    if (state.name === "live") {
      if (!this.#asked) this.#askFiles();
      this.#asked = false;
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
  }

  async #askFiles() {
    try {
      const status = await this.files.refresh();
      if (status === 401) this.panel.askToken();
    } catch {
      // The connection says what is wrong.
    }
    this.older.draw();
    this.panel.later();
  }
}

export const page = new Page();
page.start();
