// What comes in: from the daemon into the ring, counted as unread, and kept within the ring's bounds.
//
// The bounds are kept, but not at the cost of what the reader looks at: rather than that, the page stops reading
// for a while, for the file keeps what comes.

import { ERROR } from "./level.js";

// A reader's surroundings that trimming leaves alone, in lines.
const MARGIN = 200;
// How far a reader must be from the oldest line before a page that was full reads on.
const ROOM = 0.25;
// Of a batch, so many lines are looked at for errors, whether anybody sees them or not.
const LOOKED_AT_MAX = 500;

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
    list.invalidate();
    return rows;
  }

  #lines(number, { from, id, lines }, weight) {
    const { files, list, panel, paused, ring, seen } = this.#page;
    // Sent again after all, in whatever way: it is held already.
    if (lines.length > 0 && id !== undefined && ring.ids.get(number) === id) return;
    const first = ring.end;
    ring.push(number, lines, { from, id, time: Date.now(), weight });
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

  #event(number, message) {
    const { files, ring } = this.#page;
    if (message.event === "end") return;
    const file = files.all[number];
    file.present = message.event !== "missing";
    file.begun ||= message.event !== "missing";
    if (message.event === "start") {
      if (typeof message.id === "string" && !ring.ids.has(number)) ring.ids.set(number, message.id);
    } else {
      ring.pushEvent(number, message, { id: message.id ?? null, time: Date.now() });
    }
  }

  // The ring gives up its newest entries: nothing may remember them by their numbers, which others will have.
  #dropNewest() {
    const { drawing, files, find, ring, view } = this.#page;
    const dropped = ring.dropNewest();
    if (dropped.size === 0) return;
    for (const [number, count] of dropped) files.all[number].unread = Math.max(0, files.all[number].unread - count);
    for (const kept of [drawing.opened, drawing.around]) for (const seq of kept) if (!ring.has(seq)) kept.delete(seq);
    view.retreat();
    find.scan.retreat();
  }
}
