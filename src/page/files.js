// The files: what is known of each, which of them are shown, and how they belong together by the host they are of.
//
// What is shown is a set of names, in which "web1/" stands for all files of the host web1, also those that come later.

import { grouped, hostOf, shortNames } from "./hosts.js";
import { Reader } from "./records.js";
import { count, when } from "./time.js";

const TIMEOUT_MS = 5000;
// Colours that the style sheet knows, given out in turn: to files, and to hosts for all of their files.
const COLOURS = 8;
// More of them than that are a list to search: chips of hosts are shorter than most names of files.
const CHIPS_MAX = 11;
const HOST_CHIPS_MAX = 24;

export class Files {
  #byName = new Map();
  #chosen;
  #readers = [];
  // Worked out when asked for, and anew once other files are known or shown.
  #short = null;
  #groups = null;
  #colours = new Map(); // host, or name of a file of this machine -> its colour, which it keeps
  #isShown = null;
  #away = new Set(); // the hosts that are away, as the reader has been told

  all = []; // {name, path, size, kind, state, reason, since, unread, erred, begun}
  shown = null; // Set of names and "host/", or null for all

  // `chosen` is called when the reader has chosen.
  constructor(chosen) {
    this.#chosen = chosen;
  }

  // The number of a file; a name that is new gets one.
  number(name) {
    let number = this.#byName.get(name);
    if (number === undefined) {
      number = this.all.length;
      this.#byName.set(name, number);
      // Until the daemon's list says more, a file of a host that is known is one of that.
      const kind = this.all.find((file) => hostOf(file) !== "" && name.startsWith(`${hostOf(file)}/`))?.kind ?? "file";
      this.all.push({ name, path: null, size: 0, kind, state: "ok", reason: null, since: 0, unread: 0, erred: false, begun: false });
      this.#readers.push(new Reader());
      this.#forget();
    }
    return number;
  }

  #forget() {
    this.#short = this.#groups = this.#isShown = null;
  }

  // What reads the times of a file's lines.
  reader(number) {
    return this.#readers[number];
  }

  name(number) {
    return this.all[number].name;
  }

  // What of a name stands beside the lines.
  short(number) {
    this.#short ??= shortNames(this.all);
    return this.#short[number] ?? this.name(number);
  }

  // The chips: {host, numbers}, a host with all of its files, or a file alone with the host "".
  get groups() {
    this.#groups ??= grouped(this.all);
    return this.#groups;
  }

  host(number) {
    return hostOf(this.all[number]);
  }

  get shownCount() {
    return this.shown === null ? this.all.length : this.all.filter((_, number) => this.isShown(number)).length;
  }

  // Who an event is told of: a host is away with all of its files, and back with them.
  subject(number, event) {
    return (["away", "back"].includes(event.event) && this.host(number)) || this.name(number);
  }

  // Takes in that a file is away or back; whether the reader doesn't know that of its host yet.
  isNews(number, event) {
    const host = this.host(number);
    if (host === "" || !["away", "back"].includes(event)) return true;
    if (event === "back") return this.#away.delete(host);
    return !this.#away.has(host) && this.#away.add(host) !== null;
  }

  // The class of the colour that a file has, or its host.
  colour(number) {
    const key = this.host(number) || this.name(number);
    if (!this.#colours.has(key)) this.#colours.set(key, this.#colours.size % COLOURS);
    return `f${this.#colours.get(key)}`;
  }

  // Asked for each line of what is held.
  isShown(number) {
    if (this.shown === null) return true;
    this.#isShown ??= this.all.map((_, other) => this.covers(this.shown, other));
    return this.#isShown[number] === true;
  }

  // Whether a set of names and hosts has a file.
  covers(names, number) {
    if (names.has(this.name(number))) return true;
    const host = this.host(number);
    return host !== "" && names.has(`${host}/`);
  }

  // The names of the files that stand behind names and hosts; null for all.
  named(names) {
    if (names === null) return null;
    const set = new Set(names);
    return this.all.filter((_, number) => this.covers(set, number)).map(({ name }) => name);
  }

  // Takes in the daemon's list.
  async refresh() {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(new URL("files", location.href), { cache: "no-store", signal });
    if (!response.ok) return response.status;
    for (const { name, path, size: bytes, present, kind = "file", state, reason = null, since } of await response.json()) {
      const now = state ?? (present ? "ok" : "missing");
      Object.assign(this.all[this.number(name)], { path, size: bytes, kind, state: now, reason, since: Date.parse(since) || 0 });
    }
    this.#forget(); // what is of a host is known only now
    this.#away = new Set(this.all.map((_, number) => number).filter((number) => this.all[number].state === "away").map((number) => this.host(number)));
    return 200;
  }

  show(names) {
    this.shown = names === null || names.length === 0 ? null : new Set(names);
    this.#isShown = null;
  }

  read() {
    for (const [number, file] of this.all.entries()) {
      if (this.isShown(number)) Object.assign(file, { unread: 0, erred: false });
    }
  }

  // A chip's files alone; all again where they are it already.
  alone(group) {
    this.show(this.isAlone(group) ? null : this.#names(group));
    this.#chosen();
  }

  // Adds a chip's files to those shown, or takes them away.
  merge(group) {
    this.show(this.merged(this.groups[group].numbers));
    this.#chosen();
  }

  // The n-th chip alone, as by its key; all with 0.
  solo(n) {
    if (n > this.groups.length) return;
    this.show(n === 0 ? null : this.#names(n - 1));
    this.#chosen();
  }

  isAlone(group) {
    const { numbers } = this.groups[group];
    return this.shown !== null && this.shownCount === numbers.length && numbers.every((number) => this.isShown(number));
  }

  // Whether there are too many for a chip each.
  get areMany() {
    const { groups } = this;
    return groups.length > (groups.some(({ host }) => host !== "") ? HOST_CHIPS_MAX : CHIPS_MAX);
  }

  // "shop.log", "web1", "3 of 20 hosts", or "3 of 60 files".
  get words() {
    const { groups, shownCount } = this;
    if (shownCount === 1) return this.name(this.all.findIndex((_, number) => this.isShown(number)));
    const one = groups.findIndex((_, group) => this.isAlone(group));
    if (one >= 0) return groups[one].host;
    const whole = groups.filter(({ numbers }) => numbers.every((number) => this.isShown(number)));
    const files = whole.reduce((sum, { numbers }) => sum + numbers.length, 0);
    const isOfHosts = groups.length > 1 && groups.every(({ host }) => host !== "") && files === shownCount;
    const [some, all, what] = isOfHosts ? [whole.length, groups.length, "hosts"] : [shownCount, this.all.length, "files"];
    return some === all ? `${count(some)} ${what}` : `${count(some)} of ${count(all)} ${what}`;
  }

  // What is to be said of a file that isn't simply there: "away since 10:42".
  stateWords(number) {
    const { state, reason, since } = this.all[number];
    const words = { ok: "", missing: "waiting", unreadable: "can't be read", away: "away", closed: "ended" }[state] ?? state;
    const told = words !== "" && since > 0 ? `${words} since ${when(since)}` : words;
    return told !== "" && reason ? `${told}: ${reason}` : told;
  }

  // The same of a chip: a host is away when any of its files is, since they come over one connection.
  groupWords({ numbers }) {
    const away = numbers.find((number) => this.all[number].state === "away");
    if (away !== undefined) return this.stateWords(away);
    return numbers.length === 1 ? this.stateWords(numbers[0]) : "";
  }

  // The names shown, with those of some files more or fewer; null for all.
  merged(numbers) {
    const shown = new Set(this.all.map((_, number) => number).filter((number) => this.isShown(number)));
    const more = !numbers.every((number) => shown.has(number));
    for (const number of numbers) {
      if (more) shown.add(number);
      else shown.delete(number);
    }
    if (shown.size === this.all.length || shown.size === 0) return null;
    return this.groups.flatMap(({ host, numbers: own }, group) => {
      if (host !== "" && own.every((number) => shown.has(number))) return this.#names(group);
      return own.filter((number) => shown.has(number)).map((number) => this.name(number));
    });
  }

  #names(group) {
    const { host, numbers } = this.groups[group];
    return host === "" ? numbers.map((number) => this.name(number)) : [`${host}/`];
  }
}
