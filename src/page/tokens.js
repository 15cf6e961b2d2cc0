// What an eye looks for in a line: its level word, quoted texts, numbers, addresses, ids, paths and keys, as ranges
// that are coloured softly.

const CHARS_MAX = 1500;
const TOKENS_MAX = 80;

const KINDS = [
  ["level", "\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|PANIC)\\b"],
  ["quoted", '"[^"\\n]{1,300}"'],
  ["id", "\\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\b|\\b(?=[a-f]*\\d)[0-9a-f]{12,64}\\b"],
  ["address", "(?<![\\w.])\\d{1,3}(?:\\.\\d{1,3}){3}(?::\\d+)?(?![\\w.])|(?<![\\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\\w:])"],
  ["path", "(?<![\\w/.:-])/[\\w.@%+~-]+(?:/[\\w.@%+~-]*)+"],
  ["key", "(?<![\\w.])[A-Za-z_][\\w.-]{0,40}=(?=\\S)"],
  ["number", "(?<![\\w.:/-])-?\\d+(?:[.,]\\d+)*(?:\\s?(?:ns|µs|us|ms|s|m|h|%|B|KB|MB|GB|KiB|MiB|GiB|kB))?(?![\\w:/-])"],
];
const ALL = new RegExp(KINDS.map(([name, source]) => `(?<${name}>${source})`).join("|"), "g");

// Ranges {from, to, kind} in order, without overlaps.
export function tokens(text) {
  const ranges = [];
  for (const hit of (text.length > CHARS_MAX ? text.slice(0, CHARS_MAX) : text).matchAll(ALL)) {
    const kind = KINDS.find(([name]) => hit.groups[name] !== undefined)[0];
    ranges.push({ from: hit.index, to: hit.index + hit[0].length, kind });
    if (ranges.length === TOKENS_MAX) break;
  }
  return ranges;
}
