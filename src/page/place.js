// Places in the files: where the page begins to read. At the end, at a line that a link names, or at a time.

import { ask, askSome, byFile } from "./history.js";

// What a page begins with: so many lines in all, and of each file so many at least and at most.
const LINES_IN_ALL = 5000;
const LINES_LEAST = 20;
const LINES_MOST = 500;
// Around a place: so many lines of each file on either side.
const AROUND = 300;

// So many lines of ten minutes are looked at for a time.
const STAMPED = 20_000;

// A pattern of the stamps of the ten minutes that a time is in, in the usual forms, in UTC and in the reader's zone.
export function stampPattern(time) {
  const two = (value) => String(value).padStart(2, "0");
  const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const forms = (year, month, day, hour, minute) => {
    const clock = `${two(hour)}:${Math.floor(minute / 10)}\\d`;
    return [
      `${year}[-/]${two(month + 1)}[-/]${two(day)}[T ]${clock}`, `${months[month]} +${day} ${clock}`,
      `${two(day)}/${months[month]}/${year}:${clock}`,
    ];
  };
  const at = new Date(time);
  const all = new Set([
    ...forms(at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes()),
    ...forms(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes()),
  ]);
  return `^.{0,120}(?:${[...all].join("|")})`;
}

export class Place {
  #page;

  at = null; // {name, id} of a line, {time}, or null for the end
  target = null; // the entry that is meant, once it is held
  missed = null; // why it isn't what was asked for

  constructor(page) {
    this.#page = page;
  }

  // The history that a page begins with.
  async begin(signal) {
    const { files, asked, older, ring } = this.#page;
    [this.target, this.missed] = [null, null];
    const names = asked ?? files.all.map((file) => file.name);
    const share = Math.floor(LINES_IN_ALL / Math.max(1, names.length));
    const lines = Math.max(LINES_LEAST, Math.min(LINES_MOST, share));
    if (this.at === null || names.length === 0) {
      const answer = await ask({ ...(asked && { file: asked }), lines: String(lines) }, signal);
      await older.begin(byFile(answer, lines));
      if (ring.lines < LINES_LEAST) older.fetch();
      return;
    }
    const before = this.at.id === undefined ? await this.#untilTime(names, this.at.time, signal) : await this.#untilLine(names, signal);
    if (before === null) return;
    await this.#further(before, signal);
    await older.begin(before, (item) => item === this.#wanted);
    this.target = older.target;
  }

  #wanted = null;

  // What stands before a line, it included; of the other files, what stands before its time.
  async #untilLine(names, signal) {
    const { name, id } = this.at;
    let files;
    try {
      files = byFile(await ask({ file: name, before: id, lines: String(AROUND) }, signal), AROUND);
    } catch (problem) {
      if (problem.status !== 404 && problem.status !== 400) throw problem;
      this.missed = "that line was rotated away; this is the oldest left";
      const all = byFile(await askSome({ file: name, lines: "all" }, AROUND, signal), AROUND);
      this.#wanted = all.get(name)?.items[0] ?? null;
      for (const file of all.values()) file.beginning = true;
      return all;
    }
    const { items } = files.get(name);
    this.#wanted = items.findLast((item) => item.text !== undefined) ?? null;
    const reader = this.#page.files.reader(this.#page.files.number(name));
    const time = items.map((item) => (item.text === undefined ? 0 : reader.read(item.text, item.time).time)).findLast((t) => t > 0) ?? 0;
    const others = names.filter((other) => other !== name);
    if (others.length === 0) return files;
    const rest = time > 0 ? await this.#untilTime(others, time, signal, false) : byFile(await ask({ file: others, lines: "0" }, signal), 1);
    return new Map([...files, ...rest]);
  }

  // What stands before a time in each file; the line meant is the first that isn't older.
  async #untilTime(names, time, signal, wanted = true) {
    const until = new Date(time).toISOString();
    let answer = byFile(await ask({ file: names, until, lines: String(AROUND) }, signal), AROUND);
    // A daemon that doesn't know `until` has sent the end.
    const later = ([name, { items }]) => {
      const reader = this.#page.files.reader(this.#page.files.number(name));
      return items.some((item) => item.text !== undefined && reader.read(item.text, item.time).time >= time);
    };
    if ([...answer].some(later)) answer = new Map((await Promise.all(names.map((name) => this.#byStamp(name, time, signal)))).flat());
    if (wanted) this.#wanted = time;
    return answer;
  }

  // The same by the stamps in the lines: the first of the ten minutes around is looked for.
  async #byStamp(name, time, signal) {
    const reader = this.#page.files.reader(this.#page.files.number(name));
    const hits = byFile(await askSome({ file: name, lines: "all", grep: stampPattern(time) }, STAMPED, signal), 0).get(name)?.items ?? [];
    const first = hits.find((item) => item.text !== undefined && reader.read(item.text, item.time).time >= time) ?? hits.at(-1);
    if (first === undefined) {
      const all = byFile(await askSome({ file: name, lines: "all" }, 1, signal), 0).get(name);
      const opening = all?.items.find((item) => item.text !== undefined);
      const isLater = opening !== undefined && reader.read(opening.text, opening.time).time >= time;
      if (isLater) return [[name, { items: [], from: all.from, last: all.from, beginning: true }]];
      return [...byFile(await ask({ file: name, lines: "0" }, signal), AROUND)];
    }
    const files = byFile(await ask({ file: name, before: first.id, lines: String(AROUND + 1) }, signal), AROUND + 1);
    // The line itself stands behind the place.
    for (const file of files.values()) {
      file.items.pop();
      file.last = file.items.at(-1)?.id ?? file.from;
    }
    return [...files];
  }

  // Adds what stands behind; as far as all files reach that go on, so that nothing comes too early.
  async #further(files, signal) {
    let end = Infinity;
    await Promise.all([...files].map(async ([name, file]) => {
      if (file.last === null) return;
      const answer = byFile(await askSome({ file: name, after: file.last }, AROUND, signal), AROUND).get(name);
      const items = answer?.items ?? [];
      const reader = this.#page.files.reader(this.#page.files.number(name));
      // Looked at twice: whether the file's lines have times is known before any of them is judged.
      for (const { text, time } of items) if (text !== undefined) reader.read(text, time);
      const times = items.map(({ text, time }) => (text === undefined ? 0 : reader.read(text, time).time));
      if (items.length >= AROUND) end = Math.min(end, times.findLast((t) => t > 0) ?? Infinity);
      Object.assign(file, { behind: items, times });
    }));
    for (const file of files.values()) {
      if (file.behind === undefined) continue;
      const beyond = file.times.findIndex((time) => time > end);
      const items = beyond < 0 ? file.behind : file.behind.slice(0, beyond);
      if (typeof this.#wanted === "number") {
        const at = items.findIndex((_, i) => file.times[i] >= this.#wanted);
        if (at >= 0 && (this.#first === null || file.times[at] < this.#first.time)) this.#first = { item: items[at], time: file.times[at] };
      }
      file.items = [...file.items, ...items];
      file.last = items.at(-1)?.id ?? file.last;
    }
    if (typeof this.#wanted === "number") {
      const lines = [...files.values()].flatMap((file) => file.items).filter((item) => item.text !== undefined);
      if (this.#first === null) this.missed = "no line is that young; this is the last before it";
      this.#wanted = this.#first?.item ?? lines.at(-1) ?? null;
    }
    this.#first = null;
  }

  #first = null;
}
