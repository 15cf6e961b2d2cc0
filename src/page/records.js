// Records: which lines belong to the one before them, as a stack trace does to its error.

import { plain } from "./ansi.js";
import { Stamps } from "./stamps.js";

// What goes on with the line before, in whatever file.
const GOES_ON = /^(?:\s+\S|at \S+[.(]|Caused by\b|Suppressed: |File "|\.\.\.|…|Traceback \(most recent|During handling of the above|The above exception was)/;
// An unstamped line of another look belongs to the one before as long as so many lines of the file per stamped one
// are like that: in a file that has a stamp only now and then, such lines are their own.
const UNSTAMPED_SHARE = 3;

// Reads a line's time and whether it goes on with the line before: one for each file, told its lines in order.
export class Reader {
  #stamps = new Stamps();
  #stamped = 0;
  #others = 0;

  // Whether the file's lines have times.
  get timed() {
    return this.#stamped > 0;
  }

  // {time, joins}; `known` is the time that the daemon tells (null: none), undefined where it tells no times. The
  // time is 0 where there is none.
  read(line, known) {
    const text = line.includes("\x1b") ? plain(line.slice(0, 1024)) : line;
    const time = known === undefined ? (this.#stamps.read(text)?.time ?? 0) : (known ?? 0);
    const goesOn = GOES_ON.test(text);
    if (time > 0) this.#stamped += 1;
    else if (!goesOn) this.#others += 1;
    if (time > 0) return { time, joins: known !== undefined && goesOn };
    return { time: 0, joins: goesOn || (this.#stamped > 0 && this.#others <= this.#stamped * UNSTAMPED_SHARE) };
  }

  // Where the stamp stands in a line as it is read: {time, from, to}, or null.
  stamp(text) {
    return this.#stamps.read(text);
  }
}

// What of a folded trace tells most: its last cause, else its last line that names an error.
export function summary(lines) {
  const cause = lines.findLast((line) => /^\s*Caused by\b/.test(line));
  const named = cause ?? lines.findLast((line) => /^\S*(?:Error|Exception|Warning)\b/.test(line.trim()));
  return (named ?? "").trim();
}
