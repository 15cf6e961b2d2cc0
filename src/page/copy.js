// What leaves the page: copied lines and downloads, as clean text without gutter and escape sequences.

import { plain } from "./ansi.js";
import { turn } from "./scan.js";

const PART = 2000;

// The selected text of the log. The rows' own text only: times, names and buttons aren't part of the log.
export function selected(pane, rows, ring) {
  const selection = getSelection();
  if (selection.isCollapsed || selection.rangeCount === 0) return null;
  // Everything selected, as by Ctrl-A: also the rows that aren't in the document.
  if (selection.containsNode(pane)) return [...lines(rows, ring)].join("\n") || null;
  const range = selection.getRangeAt(0);
  const parts = [];
  for (const row of pane.children) {
    if (!range.intersectsNode(row)) continue;
    const text = row.querySelector(".text");
    if (text === null) continue;
    const within = document.createRange();
    within.selectNodeContents(text);
    const begins = range.compareBoundaryPoints(Range.START_TO_START, within) > 0;
    const ends = range.compareBoundaryPoints(Range.END_TO_END, within) < 0;
    if (!begins && !ends) {
      // The whole row: also what a very long line doesn't show.
      const entry = ring.has(Number(row.dataset.seq)) ? ring.text(Number(row.dataset.seq)) : null;
      parts.push(typeof entry === "string" ? plain(entry) : text.textContent);
      continue;
    }
    if (begins && text.contains(range.startContainer)) within.setStart(range.startContainer, range.startOffset);
    else if (begins) continue;
    if (ends && text.contains(range.endContainer)) within.setEnd(range.endContainer, range.endOffset);
    else if (ends) continue;
    const part = within.cloneContents();
    for (const button of part.querySelectorAll("button")) button.remove();
    parts.push(part.textContent);
  }
  return parts.length === 0 ? null : parts.join("\n");
}

// The lines of the rows that there are now, one by one; rows that go meanwhile are left out.
function* lines(rows, ring) {
  const { end } = rows;
  for (let row = rows.start; row < end; row++) {
    const seq = rows.seq(row);
    const entry = ring.has(seq) ? ring.text(seq) : null;
    if (typeof entry === "string") yield plain(entry);
  }
}

// All the rows as parts of a file, a portion a turn so that the page stays awake.
export async function text(rows, ring) {
  const parts = [];
  let part = [];
  for (const line of lines(rows, ring)) {
    part.push(line);
    if (part.length < PART) continue;
    parts.push(`${part.join("\n")}\n`);
    part = [];
    await turn();
  }
  if (part.length > 0) parts.push(`${part.join("\n")}\n`);
  return parts;
}

export function download(parts, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// "syslog 2026-11-23 10.15.30.log": sorts by time, and is a name on every system.
export function filename(names, now = new Date()) {
  const stamp = now.toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
  const what = names.length === 1 ? names[0].replace(/[^\w.-]+/g, "_").replace(/\.log$/, "") : "tailcast";
  return `${what} ${stamp}.log`;
}

// The clipboard needs a secure context; the old way works everywhere else.
export async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "away";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
