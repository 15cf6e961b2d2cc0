// The fields of a line that is JSON or logfmt: its message, and what stands beside it by name.

import { find } from "./json.js";

const MESSAGE = ["msg", "message", "@message", "MESSAGE", "event", "log", "text"];
const TIME = new Set(["time", "ts", "timestamp", "@timestamp", "t"]);
const LEVEL = new Set(["level", "severity", "lvl", "loglevel", "log.level", "levelname", "log_level", "@level"]);
const PAIR = /(?:^|\s)([A-Za-z_@][\w.@/-]*)=(?:"((?:\\.|[^"\\])*)"|([^\s"]*))(?=\s|$)/g;
// So many fields are told apart, so deep: a hostile line must not cost a frame.
const FIELDS_MAX = 80;
const DEPTH_MAX = 4;
const LENGTH_MAX = 65_536;
// A line of words with one `a=b` in it is no logfmt.
const PAIRS_MIN = 3;

// {message, level, pairs: [[key, text]]} of a line whose fields can be read, else null. `level` is as it is written.
export function fields(line) {
  if (line.length > LENGTH_MAX) return null;
  const pairs = line.charCodeAt(0) === 0x7b ? fromJson(line) : fromLogfmt(line);
  if (pairs === null) return null;
  const named = pairs.find(([key]) => MESSAGE.includes(key));
  const level = pairs.find(([key]) => LEVEL.has(key));
  const rest = pairs.filter((pair) => pair !== named && pair !== level && !TIME.has(pair[0]));
  return { message: (named?.[1] ?? "").trimEnd(), level: level?.[1] ?? "", pairs: rest };
}

// The text of one field, by its dotted name; undefined where the line has none.
export function field(line, key) {
  if (line.length > LENGTH_MAX || !line.includes(key.slice(key.lastIndexOf(".") + 1))) return undefined;
  if (!line.includes("{")) return line.includes("=") ? logfmtPairs(line).find(([name]) => name === key)?.[1] : undefined;
  const value = find(line);
  if (value === undefined) return undefined;
  if (Object.hasOwn(value, key)) return text(value[key]);
  let at = value;
  for (const part of key.split(".")) {
    if (at === null || typeof at !== "object" || !Object.hasOwn(at, part)) return undefined;
    at = at[part];
  }
  return text(at);
}

// A test of a field's text: "500", ">=500", ">1.5", "<10", "a*" (any end), in capitals or not.
export function fieldTest(asked) {
  const compared = /^(>=|<=|>|<)(-?\d+(?:\.\d+)?)$/.exec(asked);
  if (compared) {
    const [, sign, number] = compared;
    const limit = Number(number);
    const holds = {
      ">=": (value) => value >= limit, "<=": (value) => value <= limit, ">": (value) => value > limit, "<": (value) => value < limit,
    }[sign];
    return (value) => value !== undefined && value.trim() !== "" && holds(Number.parseFloat(value));
  }
  const wanted = asked.toLowerCase();
  if (wanted.endsWith("*")) return (value) => value !== undefined && value.toLowerCase().startsWith(wanted.slice(0, -1));
  return (value) => value !== undefined && value.toLowerCase() === wanted;
}

function fromJson(line) {
  const value = find(line);
  if (value === undefined) return null;
  const pairs = [];
  flatten(value, "", 1, pairs);
  return pairs;
}

function flatten(value, before, depth, pairs) {
  for (const key of Object.keys(value)) {
    if (pairs.length === FIELDS_MAX) return;
    const one = value[key];
    const nested = one !== null && typeof one === "object" && !Array.isArray(one) && one.constructor === Object;
    if (nested && depth < DEPTH_MAX && Object.keys(one).length > 0) flatten(one, `${before}${key}.`, depth + 1, pairs);
    else pairs.push([before + key, text(one)]);
  }
}

function text(value) {
  if (typeof value === "string") return value;
  if (value !== null && typeof value === "object" && typeof value.text === "string" && value.constructor !== Object) return value.text;
  return JSON.stringify(value) ?? "";
}

function fromLogfmt(line) {
  if (!/^[A-Za-z_@][\w.@/-]*=/.test(line)) return null;
  const pairs = logfmtPairs(line);
  return pairs.length >= PAIRS_MIN ? pairs : null;
}

function logfmtPairs(line) {
  const pairs = [];
  for (const [, key, quoted, bare] of line.matchAll(PAIR)) {
    pairs.push([key, quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1")]);
    if (pairs.length === FIELDS_MAX) break;
  }
  return pairs;
}
