// Tries the reader's patterns on lines, away from the page's own thread.
//
// Beside the verdict it walks over the hits as the page will when it marks them, so that a pattern which is
// slow only behind its first hit is found out here too.

import { plain } from "./ansi.js";
import { HITS_MAX, CHARS_MAX } from "./marks.js";

function walk(pattern, line, text) {
  const all = new RegExp(pattern.source, `${pattern.flags}g`);
  // A long line is marked as far as it is shown: with its sequences cut off that is another text.
  for (const front of new Set([text.slice(0, CHARS_MAX), plain(line.slice(0, CHARS_MAX))])) step(all, front);
}

function step(all, front) {
  all.lastIndex = 0;
  for (let hits = 0; hits < HITS_MAX; hits++) {
    const hit = all.exec(front);
    if (hit === null) return;
    if (hit[0] === "") all.lastIndex += 1;
  }
}

onmessage = ({ data: { lines, patterns } }) => {
  const verdicts = new Uint8Array(lines.length);
  lines.forEach((line, i) => {
    const text = plain(line);
    const passes = patterns.every(({ pattern, not }) => pattern.test(text) !== not);
    if (passes) for (const { pattern, not } of patterns) if (!not) walk(pattern, line, text);
    verdicts[i] = passes ? 1 : 0;
  });
  postMessage(verdicts);
};
postMessage("ready");
