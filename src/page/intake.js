// What comes in: from the daemon into the ring, counted as unread, and kept within the ring's bounds.
//
// The bounds are kept, but not at the cost of what the reader looks at: rather than that, the page stops reading
// for a while, for the file keeps what comes.

import { ERROR, fromPriority } from "./level.js";

// A reader's surroundings that trimming leaves alone, in lines.
const MARGIN = 200;
// How far a reader must be from the oldest line before a page that was full reads on.
const ROOM = 0.25;
// Of a batch, so many lines are looked at for errors, whether anybody sees them or not.
const LOOKED_AT_MAX = 500;
// The state of a file that an event tells; who connects later is told again.
const STATES = { missing: "missing", away: "away", closed: "closed" };

export class Intake {
  #page;

  constructor(page) {
    this.#page = page;
  }

  // Takes in one message of the daemon; `weight` is the bytes that a character of it takes.
  take(message, weight) {
    if (typeof message.file !== "string") return;
    const { files, list, panel } = this.#page;
    const known = files.all.length;
    const number = files.number(message.file);
    if (files.all.length !== known) this.#page.fileCame();
    if (Array.isArray(message.lines)) this.#lines(number, message, weight);
    else this.#event(number, message);
    this.makeRoom();
    this.advance();
    list.invalidate();
    panel.later();
  }

  // The scans look at what has come.
  advance() {
    this.#page.view.advance();
    this.#page.find.scan.advance();
    this.#page.errors.advance();
    this.#page.bell.look();
  }

  makeRoom() {
    const { connection, list, paused, ring } = this.#page;
    const reading = !list.follow || paused;
    const keep = reading ? list.firstInSight - MARGIN : Infinity;
    if (!ring.trim(keep)) {
      // What doesn't fit any more comes again with the rest.
      connection.hold();
      this.#dropNewest();
      return;
    }
    if (!connection.held) return;
    if (!reading || (!paused && keep - ring.first > ring.linesMax * ROOM)) connection.release();
  }

  // Entries were put in front; gives the number of rows they make.
  async older(low, high) {
    const { connection, find, list, ring, view } = this.#page;
    if (ring.over) {
      // The newest go, since the reader is at the oldest; they come again when the reader does.
      connection.hold();
      this.#dropNewest();
    }
    const rows = await view.older(low, high);
    await find.scan.older(low, high);
    await this.#page.errors.older(low, high);
    list.invalidate();
    return rows;
  }

  #lines(number, { from, id, lines, times, streams, priorities }, weight) {
    const { files, list, panel, paused, ring, seen } = this.#page;
    // Sent again after all, in whatever way: it is held already.
    if (lines.length > 0 && id !== undefined && ring.ids.get(number) === id) return;
    const first = ring.end;
    const reader = files.reader(number);
    const read = lines.map((line, i) => reader.read(line, times && (Date.parse(times[i]) || null)));
    const traits = {
      times: read.map(({ time }) => time),
      joins: read.map(({ joins }) => joins),
      levels: priorities?.map((priority) => (priority === null ? null : fromPriority(priority))),
      stderr: streams?.map((stream) => stream === "stderr"),
    };
    ring.push(number, lines, { from, id, arrival: Date.now(), weight, traits });
    this.#grown(first);
    if (lines.length === 0) return;
    const file = files.all[number];
    file.begun = true;
    let errors = 0;
    for (let seq = Math.max(first, ring.end - LOOKED_AT_MAX); seq < ring.end; seq++) {
      if (ring.level(seq) === ERROR) errors += 1;
    }
    if (document.hidden || !list.follow || paused || !files.isShown(number)) {
      file.unread += lines.length;
      file.erred ||= errors > 0;
      seen.erred ||= errors > 0 && files.isShown(number);
    }
    if (list.follow && !paused && files.isShown(number)) panel.announcer.lines(lines.length, errors, lines.at(-1));
  }

  // A record that has gained lines may have to be folded now, or says how many more it has.
  #grown(first) {
    const { drawing, list, ring } = this.#page;
    const heads = new Set();
    for (let seq = first; seq < ring.end; seq++) if (ring.head(seq) < first) heads.add(ring.head(seq));
    for (const head of heads) if (drawing.folds(head)) list.refit(ring.record(head).slice(0, 12));
  }

  #event(number, message) {
    const { files, ring } = this.#page;
    if (message.event === "end") return;
    const file = files.all[number];
    const before = file.state;
    file.state = STATES[message.event] ?? "ok";
    file.reason = message.reason ?? null;
    if (before !== file.state) file.since = file.state === "away" ? Date.now() : 0;
    file.begun ||= file.state !== "missing";
    if (message.event === "start") {
      if (typeof message.id === "string" && !ring.ids.has(number)) ring.ids.set(number, message.id);
    } else if (files.isNews(number, message.event) && (STATES[message.event] === undefined || before !== file.state)) {
      ring.pushEvent(number, message, { id: message.id ?? null, arrival: Date.now() });
    }
  }

  // The ring gives up its newest entries: nothing may remember them by their numbers, which others will have.
  #dropNewest() {
    const { drawing, files, find, ring, view } = this.#page;
    const dropped = ring.dropNewest();
    if (dropped.size === 0) return;
    for (const [number, count] of dropped) files.all[number].unread = Math.max(0, files.all[number].unread - count);
    drawing.forget();
    view.retreat();
    find.scan.retreat();
    this.#page.errors.retreat();
  }
}
