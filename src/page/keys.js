// The keyboard: every deed of the page has a key, none of the browser's own is taken.

// [keys, what it does, the deed's name]; the help is written from this table.
export const KEYS = [
  [["Space"], "pause, go on; nothing is lost", "pause"],
  [["f"], "filter", "filter"],
  [["/"], "find", "find"],
  [["n", "N"], "next hit, the one before", "next"],
  [["Esc"], "leave the box, end the find, clear the filter", "escape"],
  [["G", "End"], "to the newest line, and follow", "end"],
  [["g", "Home"], "to the oldest line", "top"],
  [["j", "k"], "next line, the one before", "down"],
  [["Enter"], "open the line's JSON, or all of a long line", "open"],
  [["c"], "show the lines around this one", "around"],
  [["y"], "copy the line", "copy"],
  [["e", "E"], "next error, the one before", "error"],
  [["m"], "filter: hide the others, or only mark", "mark"],
  [["."], "what can be done with this line", "menu"],
  [["Y"], "copy it with file and time", "copyTold"],
  [["L"], "copy a link to it", "link"],
  [["v"], "show it in its place, without the filter", "inPlace"],
  [["b", "B"], "mark the line, to the next marked one", "bookmark"],
  [["C"], "copy all marked lines with file and time", "copyMarked"],
  [["T"], "go to a time", "goTo"],
  [["h"], "when the lines are from", "timeline"],
  [["p"], "choose the files", "pick"],
  [["!"], "tell me of new lines while this tab is hidden", "watch"],
  [["1", "…", "9"], "one file alone; 0: all", "file"],
  [["w"], "wrap long lines", "wrap"],
  [["Z"], "fold long records, or show all their lines", "fold"],
  [["r"], "JSON and logfmt as they are in the file", "raw"],
  [["t"], "times: none, local, UTC, ago, since the line above", "time"],
  [["o"], "order of several files: by time, by arrival", "order"],
  [["a"], "ANSI colours on or off", "colours"],
  [["+", "-"], "larger, smaller type", "larger"],
  [["d"], "theme: automatic, light, dark", "theme"],
  [["s"], "save what is shown", "save"],
  [["x"], "clear the view; scrolling up brings it back", "clear"],
  [["?"], "these keys", "help"],
];

const DEEDS = new Map([
  [" ", "pause"], ["f", "filter"], ["/", "find"], ["n", "next"], ["N", "previous"], ["G", "end"], ["End", "end"],
  ["g", "top"], ["Home", "top"], ["j", "down"], ["k", "up"], ["Enter", "open"], ["c", "around"], ["y", "copy"],
  ["e", "error"], ["E", "errorBefore"], ["m", "mark"], ["w", "wrap"], ["t", "time"], ["a", "colours"],
  ["+", "larger"], ["=", "larger"], ["-", "smaller"], ["d", "theme"], ["s", "save"], ["x", "clear"], ["?", "help"],
  [".", "menu"], ["Y", "copyTold"], ["L", "link"], ["v", "inPlace"], ["b", "bookmark"], ["B", "nextMarked"],
  ["C", "copyMarked"], ["T", "goTo"], ["h", "timeline"], ["p", "pick"], ["!", "watch"], ["Z", "fold"], ["r", "raw"], ["o", "order"],
]);

// Calls deeds[name]() for a key; Escape is heard everywhere, the others where nobody is typing. A reader who talks to
// the computer can turn off those of a single letter: `single()` tells.
export function listen(deeds, single) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return deeds.escape(event.target);
    const { target } = event;
    if (target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key.length === 1 && event.key !== " " && !single()) return;
    // A focused button keeps the keys that press it.
    if (target.closest("button, a, summary") && (event.key === " " || event.key === "Enter")) return;
    const digit = /^[0-9]$/.test(event.key);
    const deed = DEEDS.get(event.key);
    if (!digit && deed === undefined) return;
    event.preventDefault();
    if (digit) deeds.file(Number(event.key));
    else deeds[deed]();
  });
}

export function help(list) {
  for (const [keys, what] of KEYS) {
    const term = document.createElement("dt");
    for (const key of keys) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap);
    }
    const meaning = document.createElement("dd");
    meaning.textContent = what;
    const pair = document.createElement("div");
    pair.append(term, meaning);
    list.append(pair);
  }
}
