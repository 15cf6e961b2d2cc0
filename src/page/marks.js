// The ranges of a line's text that stand out: hits of the filter and of the find, and links.

// Beyond these a line is marked no further: a hostile one must not cost a frame.
export const HITS_MAX = 100;
export const CHARS_MAX = 4096;

const LINK = /\bhttps?:\/\/[^\s"'<>`\\^{|}\u0000-\u001f]+/g;

// Ranges {from, to} of all hits of the patterns, in order, without overlaps.
export function hits(text, patterns) {
  const ranges = [];
  const front = text.length > CHARS_MAX ? text.slice(0, CHARS_MAX) : text;
  for (const pattern of patterns) {
    pattern.lastIndex = 0;
    for (let count = 0; count < HITS_MAX; count++) {
      const hit = pattern.exec(front);
      if (hit === null) break;
      if (hit[0] === "") pattern.lastIndex += 1;
      else ranges.push({ from: hit.index, to: hit.index + hit[0].length });
    }
  }
  return merge(ranges);
}

// The first hit of the patterns, wherever in the text it is; null where there is none.
export function firstHit(text, patterns) {
  let first = null;
  for (const pattern of patterns) {
    pattern.lastIndex = 0;
    const hit = pattern.exec(text);
    if (hit === null || hit[0] === "" || (first !== null && hit.index >= first.from)) continue;
    first = { from: hit.index, to: hit.index + hit[0].length };
  }
  return first;
}

// Ranges {from, to, href} of links; only http and https are links.
export function links(text) {
  if (!text.includes("://")) return [];
  const ranges = [];
  for (const hit of text.slice(0, CHARS_MAX).matchAll(LINK)) {
    const shown = trimmed(hit[0]);
    const href = safe(shown);
    if (href !== null) ranges.push({ from: hit.index, to: hit.index + shown.length, href });
    if (ranges.length === HITS_MAX) break;
  }
  return ranges;
}

// What ends a sentence or closes a bracket that was opened before the link isn't part of it.
function trimmed(link) {
  let text = link;
  for (;;) {
    const last = text[text.length - 1];
    const closes = (last === ")" && !text.includes("(")) || (last === "]" && !text.includes("["));
    if (!".,;:!?*".includes(last) && !closes) return text;
    text = text.slice(0, -1);
  }
}

function safe(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

function merge(ranges) {
  ranges.sort((a, b) => a.from - b.from);
  const merged = [];
  for (const range of ranges) {
    const last = merged[merged.length - 1];
    if (last && range.from <= last.to) last.to = Math.max(last.to, range.to);
    else merged.push(range);
  }
  return merged;
}
