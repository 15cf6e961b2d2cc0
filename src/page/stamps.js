// The time that stands in a line: milliseconds since 1970, and where in the text its stamp is.
//
// The forms are those that the daemon knows; where the daemon tells a line's time, that one holds. A stamp
// without a zone is read in the reader's own, as the daemon reads it in its machine's.

const MONTHS = new Map("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ").map((name, month) => [name, month]));
const LEVEL = "(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|PANIC)";
// What may stand before a stamp: blanks, brackets, a syslog priority, a level word.
const BEFORE = `[\\s[(]*(?:<\\d{1,3}>(?:1 )?)?(?:\\[?${LEVEL}\\]?[\\s:|]+)?[\\s[(]*`;
const CLOCK = "(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?";
const MONTH = `(${[...MONTHS.keys()].join("|")})`;

const ISO = new RegExp(`^(${BEFORE})(\\d{4})[-/](\\d\\d)[-/](\\d\\d)[T ]${CLOCK}(?: ?(Z|UTC|[+-]\\d\\d:?\\d\\d)(?![\\d:]))?[\\])]?`);
const SYSLOG = new RegExp(`^(${BEFORE})${MONTH} {1,2}(\\d{1,2}) (?:(\\d{4}) )?${CLOCK}[\\])]?`);
const CLF = new RegExp(`\\[(\\d\\d)/${MONTH}/(\\d{4}):(\\d\\d):(\\d\\d):(\\d\\d) ([+-]\\d{4})\\]`);
const GLOG = /^([IWEFD])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?/;
const EPOCH = /^([\s[(]*)(\d{10}(?:\d{3}(?:\d{3}(?:\d{3})?)?)?)(\.\d+)?[\])]?(?=[\s:,]|$)/;
const JSON_FIELD = /"(?:time|ts|timestamp|@timestamp|t)"\s*:\s*(?:"([^"]{8,40})"|(\d{10,19}(?:\.\d+)?))/;
const LOGFMT_FIELD = /(?:^|\s)(?:time|ts|timestamp|t)=(?:"([^"]{8,40})"|(\S{8,40}))/;

// A stamp stands at the front; a field of JSON may stand behind a few others.
const FRONT = 160;
const FIELDS = 600;
const DAY_MS = 86_400_000;
const EARLIEST = Date.UTC(2001, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);

const FORMS = [iso, syslog, clf, json, logfmt, epoch, glog];

// Reads the stamps of one file: the form that held last is tried first.
export class Stamps {
  #form = iso;

  // {time, from, to}, or null where the line has no time.
  read(line) {
    const text = line.length > FIELDS ? line.slice(0, FIELDS) : line;
    const found = this.#form(text);
    if (found !== null) return found;
    for (const form of FORMS) {
      if (form === this.#form) continue;
      const other = form(text);
      if (other === null) continue;
      this.#form = form;
      return other;
    }
    return null;
  }
}

// A time as a reader or a field writes it: ISO, or seconds since 1970 and their parts; NaN for another form.
export function instant(text) {
  return iso(text)?.time ?? epoch(text)?.time ?? syslog(text)?.time ?? NaN;
}

function iso(text) {
  const hit = ISO.exec(text);
  if (hit === null) return null;
  const [, before, year, month, day, hour, minute, second, part, zone] = hit;
  const time = at(Number(year), Number(month) - 1, day, hour, minute, second, part, zone);
  return found(time, opening(before), hit[0].length);
}

// Where a stamp begins: its bracket is a part of it.
function opening(before) {
  return /[[(]$/.test(before) ? before.length - 1 : before.length;
}

function syslog(text) {
  const hit = SYSLOG.exec(text);
  if (hit === null) return null;
  const [, before, month, day, year, hour, minute, second, part] = hit;
  const time = yearless(year, (y) => at(y, MONTHS.get(month), day, hour, minute, second, part, undefined));
  return found(time, opening(before), hit[0].length);
}

function glog(text) {
  const hit = GLOG.exec(text);
  if (hit === null) return null;
  const [, , month, day, hour, minute, second, part] = hit;
  const time = yearless(undefined, (y) => at(y, Number(month) - 1, day, hour, minute, second, part, undefined));
  return found(time, 1, hit[0].length);
}

function clf(text) {
  const hit = CLF.exec(text.length > FRONT ? text.slice(0, FRONT) : text);
  if (hit === null) return null;
  const [, day, month, year, hour, minute, second, zone] = hit;
  return found(at(Number(year), MONTHS.get(month), day, hour, minute, second, "", zone), hit.index, hit.index + hit[0].length);
}

function epoch(text) {
  const hit = EPOCH.exec(text);
  if (hit === null) return null;
  return found(since1970(hit[2], hit[3]), hit[1].length, hit[0].length);
}

function json(text) {
  if (!text.includes("{")) return null;
  const hit = JSON_FIELD.exec(text);
  return hit === null ? null : field(hit[1], hit[2]);
}

function logfmt(text) {
  const hit = LOGFMT_FIELD.exec(text.length > FRONT ? text.slice(0, FRONT) : text);
  if (hit === null) return null;
  const value = field(hit[1], undefined) ?? field(hit[2], hit[2]);
  if (value === null) return null;
  const from = hit.index + (/\s/.test(hit[0][0]) ? 1 : 0);
  return { time: value.time, from, to: hit.index + hit[0].length };
}

// A field's value is no stamp that could be hidden from its line.
function field(text, number) {
  const written = text === undefined ? null : iso(text)?.time ?? null;
  if (written !== null) return { time: written, from: 0, to: 0 };
  const [, whole, part] = /^(\d{10,19})(\.\d+)?$/.exec(number ?? "") ?? [];
  return whole === undefined ? null : found(since1970(whole, part), 0, 0);
}

function found(time, from, to) {
  return Number.isNaN(time) ? null : { time, from, to };
}

// The year that a stamp leaves out is the last one in which it isn't in the future.
function yearless(year, make) {
  if (year !== undefined) return make(Number(year));
  const now = Date.now();
  const current = new Date(now).getFullYear();
  const time = make(current);
  return time > now + DAY_MS ? make(current - 1) : time;
}

function since1970(digits, part) {
  const unit = { 10: 1000, 13: 1, 16: 1e-3, 19: 1e-6 }[digits.length];
  if (unit === undefined) return NaN;
  const time = Math.floor(Number(digits) * unit + (part && unit === 1000 ? Number(part) * 1000 : 0));
  return time >= EARLIEST && time < LATEST ? time : NaN;
}

// The local hour asked for last: making a date of local parts is slow, and lines come in order.
const hourAsked = { key: -1, base: 0 };

function at(year, month, day, hour, minute, second, part, zone) {
  const [d, h, m, s] = [Number(day), Number(hour), Number(minute), Number(second ?? 0)];
  if (month < 0 || month > 11 || d < 1 || d > 31 || h > 23 || m > 59 || s > 60) return NaN;
  const rest = (m * 60 + s) * 1000 + (part ? Math.floor(Number(`0.${part}`) * 1000 + 1e-6) : 0);
  if (zone === undefined) {
    const key = ((year * 12 + month) * 32 + d) * 24 + h;
    if (key !== hourAsked.key) Object.assign(hourAsked, { key, base: new Date(year, month, d, h).getTime() });
    return hourAsked.base + rest;
  }
  return Date.UTC(year, month, d, h) + rest - offset(zone);
}

function offset(zone) {
  if (zone === "Z" || zone === "UTC") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone[0] === "-" ? -minutes : minutes) * 60_000;
}
