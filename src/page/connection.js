// The connection: one WebSocket that is opened again whenever it ends, and goes on where the page has it. Before the
// first one, plain requests bring the history.
//
// The ids of the ring are the only memory of the place: every connection after the first names them, so the
// daemon sends what is missing and nothing twice, or says with a `gap` what is gone. What an abandoned socket
// still delivers is thrown away, for its lines come again.

import { DataChannel } from "./rtc.js";

const DELAY_FIRST_MS = 500;
const DELAY_MAX_MS = 30_000;
// A socket that doesn't open by then is given up: a proxy may hold it for ever.
const OPEN_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 5000;
// How long "resumed" stands before it is plainly "live".
const RESUMED_MS = 6000;
// A request head may have 16 KiB, with the cookies and all that a proxy adds.
const IDS_CHARS_MAX = 11_000;
// Longer lists of names aren't sent: then all files come, and the page shows those it wants.
export const NAMES_CHARS_MAX = 2000;
// A quiet connection is checked so often; a dead one looks just the same.
const CHECK_MS = 5000;
const QUIET_MS = 10_000;

// The wait before a try: doubled each time, and spread, so that the clients of a restarted daemon don't all
// come in the same moment.
export function delay(tries, random = Math.random) {
  const whole = Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** Math.min(tries, 16));
  return Math.round(whole * (0.5 + random() / 2));
}

// As many of the ids as a request can name; each goes with an escaped "~".
export function fitting(ids) {
  let chars = 0;
  const end = ids.findIndex((id) => (chars += id.length + 3) > IDS_CHARS_MAX);
  return end < 0 ? ids : ids.slice(0, end);
}

// The address of the stream beside the page's own, under whatever prefix that is; of the files named, or all with null.
export function address(page, ids, files = null) {
  const url = new URL("ws", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = "";
  url.hash = "";
  url.searchParams.set("format", "batch");
  const named = fitting(ids);
  // A file without an id is one that appeared meanwhile: all of it is new. But not where some had to be left out.
  const rest = named.length < ids.length ? "0" : "all";
  url.searchParams.set("lines", rest);
  for (const name of files ?? []) url.searchParams.append("file", name);
  if (ids.length > 0) url.searchParams.set("after", named.join("~"));
  return url;
}

// States: {name: "connecting" | "live" | "retrying" | "offline" | "held" | "refused" | "token"} and what belongs to each.
export class Connection {
  #ids;
  #files;
  #via;
  #way = {}; // {via} of a data channel, or {without}: why there is none
  #prepare;
  #said;
  #stated;
  #attempt = null;
  #socket = null;
  #timer = null;
  #tries = 0;
  #hold = false;
  #heard = 0;
  #lost = null; // since when the connection was gone: {bytes, unknown}

  state = { name: "connecting" };

  // `ids()` gives the ids to resume from, `files()` the names to ask for, `via()` the way ("ws" or "rtc"), `prepare(signal)` brings the history where
  // there are no ids yet, `said(message, weight)` takes each message, `stated(state)` each
  // change of state.
  constructor({ ids, files, via = () => "ws", prepare, said, stated }) {
    this.#ids = ids;
    this.#files = files;
    this.#via = via;
    this.#prepare = prepare;
    this.#said = said;
    this.#stated = stated;
    addEventListener("online", () => (this.state.name === "offline" ? this.open() : this.#wake()));
    addEventListener("offline", () => this.#offline());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    setInterval(() => document.hidden || this.#wake(), CHECK_MS);
  }

  async open() {
    clearTimeout(this.#timer);
    this.#abandon();
    if (this.state.name !== "retrying") this.#become({ name: "connecting" });
    const resumed = this.#ids().length > 0;
    if (!resumed && !(await this.#prepared())) return;
    const ids = this.#ids();
    const socket = this.#call(address(location.href, ids, this.#files()));
    this.#socket = socket;
    this.#timer = setTimeout(() => socket === this.#socket && this.#ended({ code: 1006 }, false), OPEN_TIMEOUT_MS);
    let opened = false;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#timer);
      opened = true;
      this.#tries = 0;
      this.#heard = Date.now();
      this.#lost = { bytes: 0, unknown: false };
      const left = ids.length - fitting(ids).length;
      this.#become(resumed ? { name: "live", resumed: this.#lost, left } : { name: "live" });
      if (resumed) this.#timer = setTimeout(() => this.#settle(), RESUMED_MS);
    };
    socket.onmessage = ({ data }) => socket === this.#socket && this.#take(data);
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      if (opened || this.#way.via === undefined || socket.isLater) return this.#ended(event, opened);
      // A way that was asked for and leads nowhere is no reason to show nothing.
      this.#way = { without: socket.why };
      this.open();
    };
  }

  // Where a data channel was asked for and has failed, it is a WebSocket from then on.
  #call(url) {
    const byChannel = this.#via() === "rtc" && this.#way.without === undefined;
    if (this.#via() !== "rtc") this.#way = {};
    else if (byChannel) this.#way = { via: "rtc" };
    return byChannel ? new DataChannel(url) : new WebSocket(url);
  }

  // The machine has no network: nothing comes until the browser says otherwise.
  #offline() {
    if (this.#hold || !["live", "retrying", "connecting"].includes(this.state.name)) return;
    clearTimeout(this.#timer);
    this.#abandon();
    this.#become({ name: "offline" });
  }

  // Tries at once, as when a reader asks for it.
  now() {
    if (this.state.name !== "live" && !this.#hold) this.open();
  }

  // Stops reading for as long as the page can hold no more: what comes waits in the file.
  hold() {
    if (this.#hold) return;
    this.#hold = true;
    clearTimeout(this.#timer);
    this.#abandon();
    this.#become({ name: "held" });
  }

  release() {
    if (!this.#hold) return;
    this.#hold = false;
    this.open();
  }

  get held() {
    return this.#hold;
  }

  // Whether the history came, and nothing else has begun meanwhile.
  async #prepared() {
    const attempt = (this.#attempt = new AbortController());
    try {
      await this.#prepare(attempt.signal);
    } catch {
      if (attempt === this.#attempt) this.#ended({ code: 1006 }, false);
      return false;
    }
    return attempt === this.#attempt;
  }

  #take(data) {
    this.#heard = Date.now();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not ours: something between spoke
    }
    if (message.event === "gap" && this.state.resumed) {
      if (typeof message.lost === "number") this.#lost.bytes += message.lost;
      else this.#lost.unknown = true;
      this.#become({ name: "live", resumed: this.#lost });
    }
    this.#said(message, /[^\x00-\xff]/.test(data) ? 2 : 1);
  }

  #settle() {
    if (this.state.name === "live" && this.#lost.bytes === 0 && !this.#lost.unknown) this.#become({ name: "live" });
  }

  #abandon() {
    this.#attempt?.abort();
    this.#attempt = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #ended({ code }, opened) {
    clearTimeout(this.#timer);
    this.#abandon();
    if (this.#hold) return;
    if (code === 1008) return this.#become({ name: "token" });
    const wait = delay(this.#tries);
    this.#tries += 1;
    this.#become({ name: "retrying", at: Date.now() + wait });
    this.#timer = setTimeout(() => this.open(), wait);
    if (!opened) await this.#ask();
  }

  // A browser doesn't say why a WebSocket was refused; the plain stream does.
  async #ask() {
    const ids = this.#ids();
    const url = new URL("stream", location.href);
    url.search = new URLSearchParams({ follow: "false", lines: "0", ...(ids.length > 0 && { after: fitting(ids).join("~") }) });
    const answer = await probe(url);
    if (answer === null || answer.ok || this.state.name !== "retrying") return;
    if (answer.status === 401) {
      clearTimeout(this.#timer);
      return this.#become({ name: "token" });
    }
    const why = answer.line || `the server answered ${answer.status}`;
    const at = Math.max(this.state.at, Date.now() + answer.after);
    if (this.#socket === null) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.open(), at - Date.now());
    } // else it is being tried again already
    this.#become({ ...this.state, at, why, status: answer.status });
  }

  // The network or the reader is back: a waiting retry happens now, and a socket that has been silent is
  // checked, for a machine that slept doesn't know that its connections are dead.
  async #wake() {
    if (this.#hold) return;
    if (this.state.name === "retrying") return this.#socket === null ? this.open() : undefined;
    if (this.state.name !== "live" || Date.now() - this.#heard < QUIET_MS) return;
    const socket = this.#socket;
    const answer = await probe(new URL("healthz", location.href));
    if (socket !== this.#socket || socket === null) return;
    if (answer === null) this.#ended({ code: 1006 }, true);
    else socket.send(""); // a machine that doesn't know this connection any more says so
  }

  #become(state) {
    this.state = state.name === "live" ? { ...state, ...this.#way } : state;
    this.#stated(this.state);
  }
}

// The status of an address and the first line it says; null where nothing answers.
async function probe(url) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PROBE_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: stop.signal, cache: "no-store" });
    const line = response.ok ? "" : (await response.text()).split("\n")[0].slice(0, 300);
    if (response.ok) stop.abort();
    // "Retry-After: 5", as a daemon with no place says; at most what a wait may be anyway.
    const after = Math.min(DELAY_MAX_MS, 1000 * Number(response.headers.get("Retry-After")) || 0);
    return { ok: response.ok, status: response.status, line, after };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
