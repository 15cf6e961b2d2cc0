// What the page says about itself in words: the connection, the tab's title, and the announcements for
// screen readers.

import { count, size } from "./time.js";

const ANNOUNCE_MS = 5000;

// The words for a state of the connection: {text, kind}, kind being how it is coloured.
export function words(state, now = Date.now()) {
  switch (state.name) {
    case "live":
      if (state.resumed === undefined) return { text: `live${way(state)}`, kind: "good" };
      if (state.resumed.unknown) return { text: "resumed, an unknown number of bytes missed", kind: "bad" };
      if (state.resumed.bytes > 0) {
        const { bytes } = state.resumed;
        return { text: `resumed, ${count(bytes)} ${bytes === 1 ? "byte" : "bytes"} missed`, kind: "bad" };
      }
      return { text: "resumed, nothing missed", kind: "good" };
    case "retrying": {
      const seconds = Math.max(0, Math.ceil((state.at - now) / 1000));
      const when = seconds > 0 ? `retrying in ${seconds} s` : "retrying now";
      return { text: state.why ? `${when}: ${state.why}` : when, kind: "bad" };
    }
    case "offline":
      return { text: "offline: this machine has no network", kind: "bad" };
    case "held":
      return { text: "waiting: the page is full, the rest stays in the file until you go on", kind: "wait" };
    case "token":
      return { text: "an access token is needed", kind: "bad" };
    default:
      return { text: "connecting", kind: "wait" };
  }
}

// By what the lines come, where that was asked for.
function way({ via, without }) {
  if (without !== undefined) return ` by WebSocket, for the data channel failed: ${without}`;
  return via === "rtc" ? " by a data channel" : "";
}

// What an event says to a reader; `isPast` is one that was met while going back through the file.
export function sentence(event, name, isPast = false) {
  const reason = event.reason ? `: ${event.reason}` : "";
  switch (event.event) {
    case "rotated":
      return isPast ? `↑ older: ${name} before it was rotated` : `${name} was rotated: a new file begins`;
    case "truncated":
      return `${name} was truncated: it begins anew`;
    case "missing":
      return `${name} is gone: waiting for it to come back`;
    case "away":
      return `${name} can't be reached${reason}`;
    case "back":
      return `${name} is back`;
    case "closed":
      return `${name} has ended: nothing more will come`;
    case "gap": {
      const why = event.reason ? ` (${event.reason})` : "";
      if (typeof event.lost !== "number") return `lines of ${name} are gone for good, nobody knows how many${why}`;
      return `${size(event.lost)} of ${name} ${event.lost === 1 ? "is" : "are"} gone for good${why}`;
    }
    case "between":
      return "lines are missing here: c fetches them";
    case "note":
      return String(event.text);
    default:
      return `${name}: ${String(event.event)}`;
  }
}

// "(312) syslog - tailcast"; with an error among the new, "(312 !)".
export function title(fresh, erred, names, host) {
  const what = names.length === 1 ? names[0] : names.length === 0 ? "tailcast" : `${names.length} files`;
  const mark = fresh > 0 ? `(${fresh > 99_999 ? "99,999+" : count(fresh)}${erred ? " !" : ""}) ` : "";
  return `${mark}${what} · ${host}`;
}

// Tells a screen reader now and then what came, never each line.
export class Announcer {
  #region;
  #lines = 0;
  #errors = 0;
  #last = "";
  #timer = null;

  constructor(region) {
    this.#region = region;
  }

  lines(number, errors, last) {
    this.#lines += number;
    this.#errors += errors;
    this.#last = last;
    this.#timer ??= setTimeout(() => this.#speak(), ANNOUNCE_MS);
  }

  say(text) {
    this.#region.textContent = text;
  }

  #speak() {
    this.#timer = null;
    const errors = this.#errors > 0 ? `, ${count(this.#errors)} with errors` : "";
    this.say(this.#lines === 1 ? this.#last.slice(0, 300) : `${count(this.#lines)} new lines${errors}`);
    this.#lines = this.#errors = 0;
  }
}

export function held(ring) {
  return `${count(ring.lines)} ${ring.lines === 1 ? "line" : "lines"} held · ${size(ring.bytes)}`;
}
