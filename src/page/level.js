// The level of a line, found by a careful detector: from the surest sign to the weakest, the first kind of
// sign that is there decides, and where it points to two levels at once, none is guessed.

export const LEVELS = ["other", "debug", "info", "warn", "error"];
export const OTHER = 0;
export const DEBUG = 1;
export const INFO = 2;
export const WARN = 3;
export const ERROR = 4;

// A sign of a level stands at the front of a line; far behind it, a word is just a word.
const FRONT = 240;
// A longer line isn't read as JSON just to be coloured.
const JSON_MAX = 65_536;

const WORDS = new Map();
for (const [level, words] of [
  [DEBUG, "trace trc debug dbg debug1 debug2 debug3 verbose fine finer finest"],
  [INFO, "info inf information informational notice note log success"],
  [WARN, "warn wrn warning caution"],
  [ERROR, "error err eror severe fatal ftl critical crit alert emerg emergency panic failure dpanic"],
]) {
  for (const word of words.split(" ")) WORDS.set(word, level);
}

const ALL = [...WORDS.keys()].join("|");
// Words that are rarely anything but a level when they stand bare in capitals.
const BARE =
  "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|FATAL|CRITICAL|CRIT|ALERT|EMERG|PANIC|DBG|INF|WRN|FTL";

const KEYS = ["level", "severity", "lvl", "loglevel", "log.level", "levelname", "log_level", "@level", "PRIORITY"];
const PRIORITY = /^<(\d{1,3})>/;
const KEYED = new RegExp(`(?:^|[\\s,{(])(?:level|lvl|severity|loglevel)[=:]\\s?["']?(${ALL})\\b`, "gi");
const BRACKETED = new RegExp(`[[(<|](?:[\\w.-]+:)?\\s*(${ALL})\\s*[\\])>|]`, "gi");
const GLOG = /^([DIWEF])\d{4} \d\d:\d\d/;
const LABELLED = new RegExp(`(?:^|[\\s:])(${ALL}):(?=\\s|$)`, "gi");
const CAPITALS = new RegExp(`(?:^|[\\s|\\]\\)>,;-])(${BARE})(?=$|[\\s:|\\[\\(<,;-])`, "g");
// Words that begin a sentence of another kind ("Note that", "log file opened", "fine", "alert box shown") are none.
const FIRST = /^(?:trace|debug|info|notice|warn|warning|error|fatal|severe|critical|panic)\b(?![-./=])/i;

// Status of an answer in the common log format, behind the quoted request.
const STATUS = /" (\d{3}) (?:\d+|-)(?: |$)/;
// What goes wrong without a level word.
const PHRASES = [
  [ERROR, /\bOut of memory: Killed|\bSegmentation fault\b|\bsegfault at\b|\bcore dumped\b|\bkernel panic\b|\bBUG: /i],
  [ERROR, /^Traceback \(most recent call last\)|^Exception in thread "|^Unhandled (?:exception|rejection)|^Uncaught |^npm ERR!|^panic: |^thread '.*' panicked at /i],
  [ERROR, /: Failed with result '|\bstatus=[1-9]\d*\/(?!SUCCESS)|^[\w.$]+(?:Exception|Error)(?::|$)|\bFailed to start\b/],
  [WARN, /\bFailed password\b|\bauthentication failure\b|\bInvalid user\b|^npm WARN\b/],
];

const ESCAPES = /\x1b\[[0-9;:]*m/g;

export function detect(line) {
  const text = line.includes("\x1b") ? line.replace(ESCAPES, "") : line;
  if (text.charCodeAt(0) === 0x7b && text.length <= JSON_MAX) {
    const level = fromJson(text);
    if (level !== null) return level;
  }
  const front = text.length > FRONT ? text.slice(0, FRONT) : text;
  const priority = PRIORITY.exec(front);
  if (priority && Number(priority[1]) <= 191) return fromPriority(Number(priority[1]) % 8);
  const glog = GLOG.exec(front);
  if (glog) return { D: DEBUG, I: INFO, W: WARN, E: ERROR, F: ERROR }[glog[1]];
  for (const sign of [KEYED, BRACKETED, LABELLED, CAPITALS]) {
    const level = only(sign, front);
    if (level !== null) return level;
  }
  const first = FIRST.exec(front);
  if (first) return WORDS.get(first[0].toLowerCase());
  const status = STATUS.exec(front);
  if (status) return status[1] >= "500" ? ERROR : status[1] >= "400" ? WARN : OTHER;
  return PHRASES.find(([, phrase]) => phrase.test(front))?.[0] ?? OTHER;
}

// The one level that a kind of sign points to; OTHER where it points to two, null where there is none.
function only(sign, text) {
  let found = null;
  sign.lastIndex = 0;
  for (let hit = sign.exec(text); hit !== null; hit = sign.exec(text)) {
    const level = WORDS.get(hit[1].toLowerCase());
    if (found !== null && found !== level) return OTHER;
    found = level;
    // The sign's last character may be the first of the next: `[a][b]`, ` A B`.
    sign.lastIndex = Math.max(sign.lastIndex - 1, hit.index + 1);
  }
  return found;
}

function fromJson(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  for (const key of KEYS) {
    const level = value[key] ?? (key === "log.level" ? value.log?.level : undefined);
    if (typeof level === "string" && WORDS.has(level.toLowerCase())) return WORDS.get(level.toLowerCase());
    if (key === "PRIORITY" && /^[0-7]$/.test(String(level))) return fromPriority(Number(level));
    // The numbers of pino and bunyan.
    if (typeof level === "number" && level >= 10 && level <= 60) {
      return level >= 50 ? ERROR : level >= 40 ? WARN : level >= 30 ? INFO : DEBUG;
    }
  }
  return OTHER;
}

// RFC 5424, section 6.2.1: 0 is an emergency, 7 a debug message.
export function fromPriority(severity) {
  if (severity <= 3) return ERROR;
  if (severity === 4) return WARN;
  return severity === 7 ? DEBUG : INFO;
}
