// The filter's syntax: what a reader types, as terms that a line has to meet, all of them.
//
//   word        the line has it, in capitals or not        -word    the line doesn't have it
//   "two words" the same, with what is between             /re/i    the line matches the pattern
//   level:warn  the line has this level                    level:warn+   this level or a graver one
//   file:nginx  the line is from a file whose name has it
//   reqId:77    the line's field is that              res.status:>=500  or is at least that
//
// A term that can't be used is said in `error`, never thrown; the others hold.

import { field, fieldTest } from "./fields.js";
import { LEVELS } from "./level.js";

const NAMES = new Map(LEVELS.map((name, level) => [name, level]));
for (const [name, level] of [["warning", 3], ["err", 4], ["fatal", 4], ["notice", 2], ["trace", 1], ["none", 0]]) {
  NAMES.set(name, level);
}

// Looking around and back: the daemon's patterns, which take the same time on every line, have neither.
const BROWSER_ONLY = /\(\?<?[=!]|\\[1-9]|\\k</;

export const ALL_LEVELS = (1 << LEVELS.length) - 1;

// {patterns: [{pattern, not}], fields: [{key, text, test, not}], levels: mask, files: [{name, not}], error: string | null}
export function parse(input) {
  const filter = { patterns: [], fields: [], levels: ALL_LEVELS, files: [], error: null };
  for (const token of tokens(input)) {
    try {
      add(filter, token);
    } catch (problem) {
      filter.error ??= problem.message;
    }
  }
  return filter;
}

export function isEmpty(filter) {
  return filter.patterns.length === 0 && filter.fields.length === 0 && filter.levels === ALL_LEVELS && filter.files.length === 0;
}

// What a line's text must match to be in; null where any will do.
export function textTest(filter) {
  const { patterns, fields } = filter;
  if (patterns.length === 0 && fields.length === 0) return null;
  return (text) => patterns.every(({ pattern, not }) => pattern.test(text) !== not) && fieldsPass(fields, text);
}

// Whether a line's fields are as they are asked for.
export function fieldsPass(fields, text) {
  return fields.every(({ key, text: wanted, test, not }) => {
    const value = field(text, key);
    // "host:8080" may be just what stands in a line without such a field.
    const passes = value === undefined ? text.toLowerCase().includes(`${key}:${wanted}`.toLowerCase()) : test(value);
    return passes !== not;
  });
}

// What the daemon is to be asked for the same lines, or some more: {grep, exclude}; null where it can't be asked, for
// a pattern that only the browser knows or a filter without any text.
export function asked(filter) {
  const [grep, exclude] = [[], []];
  for (const { pattern, not } of filter.patterns) {
    if (BROWSER_ONLY.test(pattern.source) || /[uv]/.test(pattern.flags)) return null;
    const flags = [...pattern.flags].filter((flag) => "ims".includes(flag)).join("");
    (not ? exclude : grep).push(`${flags === "" ? "" : `(?${flags})`}${pattern.source.replaceAll("\\/", "/")}`);
  }
  for (const { key, text, not } of filter.fields) {
    if (!not) grep.push(escape(key.slice(key.lastIndexOf(".") + 1)));
    if (!not && !/^[<>]/.test(text)) grep.push(`(?i)${escape(text.replace(/\*$/, ""))}`);
  }
  if (grep.length === 0 && exclude.length === 0) return null;
  return { grep, exclude };
}


// The patterns whose hits are to be marked, fit for a walk over all hits.
export function marks(filter) {
  return filter.patterns
    .filter(({ not }) => !not)
    .map(({ pattern }) => new RegExp(pattern.source, withFlag(pattern.flags, "g")));
}

// Whether a pattern comes from the reader's own regular expression, which may take any time on a hostile line.
export function isCostly(filter) {
  return filter.patterns.some(({ regex }) => regex);
}

function add(filter, { text, not, kind }) {
  if (kind === "regex") {
    filter.patterns.push({ pattern: regex(text.source, text.flags), not, regex: true });
    return;
  }
  const own = kind === "word" ? /^(level|file):(.*)$/i.exec(text) : null;
  if (own && own[2] === "") return; // still being typed
  if (own && own[1].toLowerCase() === "level") {
    const mask = levels(own[2]);
    filter.levels &= not ? ~mask : mask;
    return;
  }
  if (own) {
    filter.files.push({ name: own[2].toLowerCase(), not });
    return;
  }
  const named = kind === "word" ? /^([A-Za-z_@][\w.@-]*):(?!\/)((?:[<>]=?)?[^:]+)$/.exec(text) : null;
  if (named) filter.fields.push({ key: named[1], text: named[2], test: fieldTest(named[2]), not });
  else filter.patterns.push({ pattern: new RegExp(escape(text), "i"), not, regex: false });
}

function regex(source, flags) {
  try {
    return new RegExp(source, flags);
  } catch (problem) {
    throw new Error(`/${source}/: ${problem.message.replace(/^.*: /, "")}`);
  }
}

function levels(list) {
  let mask = 0;
  for (const name of list.toLowerCase().split(",")) {
    const level = NAMES.get(name.replace(/\+$/, ""));
    if (level === undefined) throw new Error(`no level "${name}": ${LEVELS.slice(1).join(", ")} or other`);
    mask |= name.endsWith("+") ? ALL_LEVELS & ~((1 << level) - 1) : 1 << level;
  }
  return mask;
}

// Words at blanks; quotes hold blanks together; a pattern ends at a slash that its flags and a blank follow.
function tokens(input) {
  const out = [];
  let at = 0;
  while (at < input.length) {
    if (/\s/.test(input[at])) {
      at += 1;
      continue;
    }
    const not = input[at] === "-" && at + 1 < input.length && !/\s/.test(input[at + 1]);
    if (not) at += 1;
    const rest = input.slice(at);
    const quoted = /^"([^"]*)("|$)/.exec(rest);
    const pattern = /^\/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\])+)\/([imsu]*)(?=\s|$)/.exec(rest);
    if (quoted) {
      if (quoted[1] !== "") out.push({ kind: "phrase", text: quoted[1], not });
      at += quoted[0].length;
    } else if (pattern) {
      out.push({ kind: "regex", text: { source: pattern[1], flags: pattern[2] }, not });
      at += pattern[0].length;
    } else {
      const unreadable = /^\/(.+)\/([imsu]*)(?=\s|$)/.exec(rest);
      const word = unreadable ? unreadable[0] : /^\S+/.exec(rest)[0];
      if (unreadable) out.push({ kind: "regex", text: { source: unreadable[1], flags: unreadable[2] }, not });
      else out.push({ kind: "word", text: word, not });
      at += word.length;
    }
  }
  return out;
}

export function escape(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function withFlag(flags, flag) {
  return flags.includes(flag) ? flags : flags + flag;
}
