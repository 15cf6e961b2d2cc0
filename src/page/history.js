// Older lines: what stands in a file before the oldest line that the page holds, fetched when a reader
// scrolls up that far.

// At once, of ordinary lines; fewer of long ones.
const LINES = 1000;
const LINES_MIN = 20;
const CHARS = 4 * 1024 * 1024;

// How many lines to ask for, where one has `chars` on average.
export function portion(chars) {
  return Math.max(LINES_MIN, Math.min(LINES, Math.floor(CHARS / Math.max(1, chars || 1))));
}

// {lines, from, beginning}: the lines before the place that `id` names, without the last `held` of them, the
// id of the place where they begin, and whether the file begins there. Throws with the server's own words.
export async function fetchOlder(file, { id, held }, lines) {
  const url = new URL("stream", location.href);
  url.search = new URLSearchParams({ format: "json", file, before: id, lines: String(lines + held) });
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) {
    const said = (await response.text()).split("\n")[0].slice(0, 300);
    throw Object.assign(new Error(said || `the server answered ${response.status}`), { status: response.status });
  }
  return read(await response.text(), lines + held, { id, held });
}

// Reads the answer, JSON Lines.
export function read(body, asked, { id, held }) {
  const entries = body.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const lines = entries.filter((entry) => typeof entry.line === "string");
  const start = entries.find((entry) => entry.event === "start");
  const kept = held > 0 ? lines.slice(0, -held) : lines;
  return {
    lines: kept.map((entry) => entry.line),
    from: start?.id ?? null,
    id: kept.at(-1)?.id ?? id,
    beginning: lines.length < asked,
  };
}
