// The page: makes every part, and tells each what the others did.
//
// What flows: connection -> ring -> scans -> rows -> list. The reader's deeds go the other way, through the
// view's settings, which stand in the URL. Everything is drawn once a frame, and only what is in sight.

import { Connection } from "./connection.js";
import { Files } from "./files.js";
import { Find } from "./find.js";
import { marks } from "./filter.js";
import { Intake } from "./intake.js";
import { detect } from "./level.js";
import { List } from "./list.js";
import { Older } from "./older.js";
import { Panel } from "./panel.js";
import { Ring } from "./ring.js";
import { Drawing } from "./row.js";
import { Rows } from "./rows.js";
import { Taste, read, write } from "./settings.js";
import { deeds } from "./deeds.js";
import { listen } from "./keys.js";
import { count } from "./time.js";
import { View } from "./view.js";

// Where long lines are wrapped unless the reader says otherwise; the style sheet knows the same width.
const NARROW = matchMedia("(max-width: 760px)");

const element = (id) => document.getElementById(id);

class Page {
  settings = read(location.hash);
  taste = new Taste();
  ring = new Ring({ detect });
  rows = new Rows(this.ring);
  #asked = false; // whether the list of files is as young as the connection
  cursor = null; // the entry that the keys mean
  seen = { seq: 0, erred: false, looked: 0 }; // up to where the reader has seen everything

  constructor() {
    this.files = new Files(element("files"), () => this.set({ files: this.files.shown && [...this.files.shown] }));
    this.drawing = new Drawing(this.ring, this.files, () => this.#looks());
    this.list = this.#makeList();
    this.view = new View({
      ring: this.ring, files: this.files, rows: this.rows, around: this.drawing.around,
      changed: (anew) => this.#rowsChanged(anew), hit: () => this.#hitsChanged(),
    });
    this.find = new Find({
      bar: element("findbar"), input: element("find"), said: element("found"), list: this.list, ring: this.ring,
      until: () => this.view.settled, accepts: (seq) => this.view.has(seq), changed: () => this.#marksChanged(),
      hits: () => this.#hitsChanged(),
    });
    this.older = new Older({
      ring: this.ring, files: this.files,
      taken: (low, high) => this.intake.older(low, high),
      said: (text, more) => this.panel.head(text, more),
    });
    this.panel = new Panel(this);
    this.intake = new Intake(this);
    this.connection = new Connection({
      ids: () => [...this.ring.ids.values()],
      said: (message, weight) => this.intake.take(message, weight),
      stated: (state) => this.#stated(state),
    });
    this.deeds = deeds(this);
    listen(this.deeds);
    addEventListener("hashchange", () => this.#apply(read(location.hash)));
    NARROW.addEventListener("change", () => this.#apply(this.settings));
  }

  async start() {
    this.panel.look();
    this.#apply(this.settings);
    // First the daemon's list, so that the files stand in its order, whichever speaks first.
    await this.#askFiles();
    this.#asked = true;
    this.connection.open();
  }

  get paused() {
    return this.rows.cap !== Infinity;
  }

  // Changes the view; the URL says so too, so that it can be shared.
  set(change) {
    const settings = { ...this.settings, ...change };
    this.#apply(settings);
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
      rendered: () => this.#rendered(),
      followed: () => {
        this.intake?.makeRoom();
        this.panel?.later();
      },
      nearTop: () => this.older.fetch(),
    });
  }

  // Patterns mark only the lines that the scans have let through: the worker has shown that they are quick there.
  #looks() {
    const { settings, view, find } = this;
    const hit = (seq) => view.hits(seq) ?? false;
    const finds = (seq) => find.scan.found.has(seq);
    const findMarks = find.filter && !find.scan.error ? marks(find.filter) : [];
    return {
      time: settings.time, colours: settings.colours, several: this.files.all.length > 1, hit, finds,
      filterMarks: (seq) => ((view.marking ? hit(seq) : view.shown.found.has(seq)) ? view.filterMarks : []),
      findMarks: (seq) => (finds(seq) ? findMarks : []),
      cursor: this.cursor, found: find.at,
    };
  }

  #apply(settings) {
    this.settings = settings;
    this.files.show(settings.files);
    this.view.set(settings);
    if (settings.find !== this.find.text) this.find.set(settings.find, false);
    const wrapped = this.list.wrap;
    this.list.wrap = settings.wrap ?? NARROW.matches;
    if (this.list.wrap !== wrapped) this.list.reset();
    this.list.redraw();
    this.panel.settings(settings);
  }

  fileCame() {
    this.#askFiles();
    if (this.files.all.length === 2) this.list.reset(); // from now on rows name their file
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
      this.ring.pushEvent(0, { event: "note", text }, { time: Date.now() });
    }
    if (state.status === 400 && this.ring.ids.size > 0) {
      // Ids that the daemon can't read would be refused for ever: begin anew, and say so.
      const text = "the daemon didn't know the page's place any more: from here on, what the files hold now";
      this.ring.pushEvent(0, { event: "note", text }, { time: Date.now() });
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
