// A time as a reader types it: "03:15", "yesterday 14:00", "-30m", "2026-11-28 03:15", or as the address has it.

import { instant } from "./stamps.js";

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const DAY_MS = 86_400_000;

// Milliseconds since 1970, or NaN where it can't be read. A time of day is the last one that has been.
export function moment(typed, now = Date.now()) {
  const text = typed.trim().toLowerCase();
  const back = /^-?\s*(\d+)\s*([smhdw])$/.exec(text);
  if (back) return now - Number(back[1]) * UNITS[back[2]];
  const epoch = /^@(\d+(?:\.\d+)?)$/.exec(text);
  if (epoch) return Number(epoch[1]) * 1000;
  if (text === "now") return now;
  const day = /^(today|yesterday)(?:\s+(.+))?$/.exec(text);
  const clock = /^(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,3}))?)?$/.exec(day?.[2] ?? text);
  if (day && day[2] !== undefined && clock === null) return NaN;
  if (day || clock) {
    const [, hour = 0, minute = 0, second = 0, part = 0] = (clock ?? []).map((value) => value ?? 0);
    if (hour > 23 || minute > 59 || second > 59) return NaN;
    const base = new Date(day?.[1] === "yesterday" ? now - DAY_MS : now);
    base.setHours(Number(hour), Number(minute), Number(second), Number(String(part).padEnd(3, "0")));
    return day === null && base.getTime() > now ? base.getTime() - DAY_MS : base.getTime();
  }
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return instant(`${text}T00:00:00`);
  return instant(typed.trim());
}
