// History: lines that stand in the files already, asked for by plain requests. An answer ends, so it is known
// to be whole, it comes compressed, and it has an id for each line.

import { fromPriority } from "./level.js";

// At once, of ordinary lines; fewer of long ones.
const LINES = 1000;
const LINES_MIN = 20;
const CHARS = 4 * 1024 * 1024;

// How many lines to ask for, where one has `chars` on average.
export function portion(chars) {
  return Math.max(LINES_MIN, Math.min(LINES, Math.floor(CHARS / Math.max(1, chars || 1))));
}

// The address of a finished piece of the stream; a list in `params` is a repeated parameter.
export function address(page, params) {
  const url = new URL("stream", page);
  url.search = "";
  url.hash = "";
  for (const [name, value] of Object.entries({ format: "json", follow: "false", ...params })) {
    for (const one of [value].flat()) url.searchParams.append(name, one);
  }
  return url;
}

// Asks for a piece of the stream; gives its entries. Throws with the server's own words, and its status.
export async function ask(params, signal) {
  const response = await fetch(address(location.href, params), { cache: "no-store", signal });
  if (!response.ok) {
    const said = (await response.text()).split("\n")[0].slice(0, 300);
    throw Object.assign(new Error(said || `the server answered ${response.status}`), { status: response.status });
  }
  return entries(await response.text());
}

// The same, but no more than about so many lines of it: the rest isn't read.
export async function askSome(params, lines, signal) {
  const stop = new AbortController();
  signal?.addEventListener("abort", () => stop.abort());
  const response = await fetch(address(location.href, params), { cache: "no-store", signal: stop.signal });
  if (!response.ok) throw Object.assign(new Error(`the server answered ${response.status}`), { status: response.status });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let body = "";
  for (let seen = 0; ; ) {
    const { done, value = "" } = await reader.read();
    body += value;
    seen += value.split("\n").length - 1;
    if (done || seen > lines + 2) {
      reader.cancel().catch(() => {});
      return entries(body);
    }
  }
}

// The objects of JSON Lines; a last line without its end is not one.
export function entries(body) {
  return body.split("\n").slice(0, -1).filter((line) => line !== "").map((line) => JSON.parse(line));
}

// The answer by file: name -> {items, from, beginning}. An item is a line or an event with the id of the place behind
// it and of the place before it; `asked` is how many lines a file may have, so that fewer are all there are.
export function byFile(all, asked) {
  const files = new Map();
  for (const entry of all) {
    if (typeof entry.file !== "string" || entry.event === "end") continue;
    if (!files.has(entry.file)) files.set(entry.file, { items: [], from: null, last: null, lines: 0, told: [] });
    const file = files.get(entry.file);
    if (entry.event === "start") {
      file.from = file.last = entry.id ?? null;
    } else if (typeof entry.line === "string") {
      file.items.push({ ...item(entry), from: file.last });
      file.last = entry.id;
      file.lines += 1;
    } else if (typeof entry.id === "string" && ["rotated", "truncated", "gap"].includes(entry.event)) {
      file.items.push({ event: entry, id: entry.id, from: file.last });
      file.last = entry.id;
    } else {
      file.told.push(entry);
    }
  }
  for (const file of files.values()) file.beginning = file.lines < asked;
  return files;
}

function item({ line, id, time, stream, priority }) {
  return {
    text: line, id,
    time: time === undefined ? undefined : Date.parse(time) || null,
    level: priority === undefined ? null : fromPriority(priority),
    stderr: stream === "stderr",
  };
}

// The lines of a file before the place that `id` names, without the last `held` of them.
export async function fetchOlder(file, { id, held }, lines) {
  const answer = byFile(await ask({ file, before: id, lines: String(lines + held) }), lines + held).get(file);
  return answer === undefined ? { items: [], from: null, beginning: true } : without(answer, held);
}

// The same without its last lines, which are held already.
export function without({ items, from, beginning }, held) {
  let end = items.length;
  for (let left = held; left > 0 && end > 0; end--) if (items[end - 1].text !== undefined) left -= 1;
  return { items: items.slice(0, end), from, beginning };
}
