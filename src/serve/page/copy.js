// What leaves the page: copied lines and downloads, as clean text without gutter and escape sequences.

import { plain } from "./ansi.js";

const PART = 2000;

// The selected text of the log. The rows' own text only: times, names and buttons aren't part of the log.
export function selected(pane, ring) {
  const selection = getSelection();
  if (selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const lines = [];
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
      lines.push(typeof entry === "string" ? plain(entry) : text.textContent);
      continue;
    }
    if (begins && text.contains(range.startContainer)) within.setStart(range.startContainer, range.startOffset);
    else if (begins) continue;
    if (ends && text.contains(range.endContainer)) within.setEnd(range.endContainer, range.endOffset);
    else if (ends) continue;
    lines.push(within.toString());
  }
  return lines.length === 0 ? null : lines.join("\n");
}

// All the rows as parts of a file, a portion a turn so that the page stays awake.
export async function text(rows, ring) {
  const parts = [];
  let lines = [];
  for (let row = rows.start; row < rows.end; row++) {
    const seq = rows.seq(row);
    const entry = ring.has(seq) ? ring.text(seq) : null;
    if (typeof entry === "string") lines.push(plain(entry));
    if (lines.length === PART) {
      parts.push(`${lines.join("\n")}\n`);
      lines = [];
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  if (lines.length > 0) parts.push(`${lines.join("\n")}\n`);
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
