// Tries the reader's patterns on lines, away from the page's own thread.
//
// Beside the verdict it walks over the hits as the page will when it marks them, so that a pattern which is
// slow only behind its first hit is found out here too.

import { HITS_MAX, CHARS_MAX } from "./marks.js";

function walk(pattern, text) {
  const all = new RegExp(pattern.source, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`);
  const front = text.slice(0, CHARS_MAX);
  for (let hits = 0; hits < HITS_MAX; hits++) {
    const hit = all.exec(front);
    if (hit === null) return;
    if (hit[0] === "") all.lastIndex += 1;
  }
}

onmessage = ({ data: { lines, patterns } }) => {
  const verdicts = new Uint8Array(lines.length);
  lines.forEach((line, i) => {
    const passes = patterns.every(({ pattern, not }) => pattern.test(line) !== not);
    if (passes) for (const { pattern, not } of patterns) if (!not) walk(pattern, line);
    verdicts[i] = passes ? 1 : 0;
  });
  postMessage(verdicts);
};
