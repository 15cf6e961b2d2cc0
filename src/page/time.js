// How a line's time is written beside it, and how counts and sizes are.

// "above" is the time since the line above.
export const TIMES = ["off", "local", "utc", "ago", "above"];

export const TIME_WORDS = { off: "no times", local: "local", utc: "UTC", ago: "ago", above: "since above" };

const two = (value) => String(value).padStart(2, "0");
const three = (value) => String(value).padStart(3, "0");

// `time` in milliseconds since 1970, 0 for none; `beside` is what it is compared with: now, or the time of the line
// above.
export function format(time, kind, beside = Date.now()) {
  if (kind === "off" || time === 0) return "";
  const date = new Date(time);
  if (kind === "utc") {
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${three(date.getUTCMilliseconds())}Z`;
  }
  if (kind === "ago") return ago(beside - time);
  if (kind === "above") return beside === 0 ? "" : since(time - beside);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${three(date.getMilliseconds())}`;
}

// The time between two lines, as short as it can be read: "+12 ms", "+1.50 s", "+3:20".
export function since(milliseconds) {
  const sign = milliseconds < 0 ? "−" : "+";
  const rest = Math.abs(milliseconds);
  if (rest < 1000) return `${sign}${rest} ms`;
  if (rest < 60_000) return `${sign}${(rest / 1000).toFixed(rest < 10_000 ? 2 : 1)} s`;
  const seconds = Math.floor(rest / 1000);
  if (rest < 3_600_000) return `${sign}${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (rest < 86_400_000) return `${sign}${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)} h`;
  return `${sign}${Math.floor(seconds / 86_400)} d`;
}

// The date of a day, and whether two times are of the same one; in the reader's zone or in UTC.
export function date(time, utc) {
  const options = { weekday: "short", day: "numeric", month: "long", year: "numeric", ...(utc && { timeZone: "UTC" }) };
  return new Date(time).toLocaleDateString("en-GB", options);
}

export function isSameDay(a, b, utc) {
  const [x, y] = [new Date(a), new Date(b)];
  if (utc) return Math.floor(a / 86_400_000) === Math.floor(b / 86_400_000);
  return x.getDate() === y.getDate() && x.getMonth() === y.getMonth() && x.getFullYear() === y.getFullYear();
}

export function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

// A time without its seconds, with the day where that isn't today: "10:42", "28 Nov 10:42".
export function when(time, now = Date.now()) {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return isSameDay(time, now, false) ? clock : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock}`;
}

// The whole of it, for who points at it.
export function full(time, arrival) {
  const own = time === 0 ? "this line has no time of its own" : new Date(time).toISOString();
  return arrival === 0 ? own : `${own}\narrived ${new Date(arrival).toISOString()}`;
}

// Counts and sizes as they are read: 104,213 and 12.4 MiB.
export function count(value) {
  return value.toLocaleString("en");
}

export function size(bytes) {
  if (bytes < 1024) return `${count(bytes)} ${bytes === 1 ? "byte" : "bytes"}`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
