// How a time of arrival is written beside its line.

export const TIMES = ["off", "local", "utc", "relative"];

const two = (value) => String(value).padStart(2, "0");
const three = (value) => String(value).padStart(3, "0");

// `time` and `now` in milliseconds since 1970; a line fetched from further back has no time of arrival.
export function format(time, kind, now = Date.now()) {
  if (kind === "off" || time === 0) return "";
  const date = new Date(time);
  if (kind === "utc") {
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${three(date.getUTCMilliseconds())}Z`;
  }
  if (kind === "relative") return ago(now - time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${three(date.getMilliseconds())}`;
}

export function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

// The whole of it, for who points at it.
export function full(time) {
  return time === 0 ? "fetched from further back" : `arrived ${new Date(time).toISOString()}`;
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
