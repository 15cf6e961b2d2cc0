// The pure parts of the page's scripts; run by `node --test tests/page/`.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(`../../src/serve/page/${name}.js`, import.meta.url));

test("colours are kept and every other escape sequence is dropped", async () => {
  const { plain, spans } = await page("ansi");
  assert.deepEqual(spans("plain"), [{ text: "plain", style: null }]);
  assert.deepEqual(spans("\x1b[1;31mred\x1b[0m on"), [
    { text: "red", style: { bold: true, fg: 1 } },
    { text: " on", style: null },
  ]);
  assert.deepEqual(spans("\x1b[38;5;208mx")[0].style, { fg: 208 });
  assert.deepEqual(spans("\x1b[48;2;1;2;3mx")[0].style, { bg: [1, 2, 3] });
  assert.equal(plain("\x1b]0;title\x07a\x1b[2Jb\x1b(Bc"), "abc");
});

test("a broken escape sequence hides no text", async () => {
  const { plain } = await page("ansi");
  assert.match(plain("\x1b]8;;never ended, and this is the message"), /this is the message/);
  assert.match(plain("before \x1b"), /before/);
});

test("only http and https become links", async () => {
  const { links } = await page("marks");
  assert.deepEqual(links("see https://a.example/x."), [{ from: 4, to: 23, href: "https://a.example/x" }]);
  for (const text of ["javascript://x", "data://x", "file:///etc/passwd"]) assert.deepEqual(links(text), []);
});

test("the level comes from the surest sign, and a tie is no level", async () => {
  const { detect, DEBUG, ERROR, INFO, OTHER, WARN } = await page("level");
  assert.equal(detect('{"level":"warn","msg":"an ERROR was mended"}'), WARN);
  assert.equal(detect("2026-01-01 [ERROR] no"), ERROR);
  assert.equal(detect("<7>a detail"), DEBUG);
  assert.equal(detect("level=info msg=x"), INFO);
  assert.equal(detect("a session was opened"), OTHER);
});

test("a filter's words, exclusions and patterns must all hold", async () => {
  const { parse, textTest } = await page("filter");
  const passes = textTest(parse('disk -slow "is full"'));
  assert.equal(passes("the disk is full"), true);
  assert.equal(passes("the slow disk is full"), false);
  assert.equal(passes("full is the disk"), false);
});

test("a bad pattern is said, not thrown", async () => {
  const { parse } = await page("filter");
  assert.match(parse("/[/").error, /\[/);
});

test("a shared view reads as it was written", async () => {
  const { DEFAULTS, read, write } = await page("settings");
  const view = { ...DEFAULTS, filter: "a b/c&d", marking: true, levels: 24, files: ["x y", "z"], find: "#", wrap: true };
  assert.deepEqual(read(`#${write(view)}`), view);
  assert.equal(write(DEFAULTS), "");
});

test("retries are spread and bounded", async () => {
  const { delay } = await page("connection");
  assert.equal(delay(0, () => 0), 250);
  assert.equal(delay(0, () => 1), 500);
  assert.equal(delay(50, () => 1), 30_000);
});

test("the stream stands beside the page, whatever the prefix", async () => {
  const { address } = await page("connection");
  const url = address("https://h.example/logs/?x=1#y", ["a", "b"]);
  assert.equal(`${url.origin}${url.pathname}`, "wss://h.example/logs/ws");
  assert.equal(url.searchParams.get("after"), "a~b");
});

test("what was missed is said in words", async () => {
  const { words } = await page("status");
  assert.equal(words({ name: "retrying", at: 4000 }, 0).text, "retrying in 4 s");
  assert.equal(words({ name: "live", resumed: { bytes: 0, unknown: false } }).text, "resumed, nothing missed");
  assert.equal(words({ name: "live", resumed: { bytes: 1200, unknown: false } }).text, "resumed, 1,200 bytes missed");
});

test("older lines leave out those that are held", async () => {
  const { read } = await page("history");
  const body = ['{"event":"start","id":"p0"}', '{"line":"a","id":"p1"}', '{"line":"b","id":"p2"}', ""].join("\n");
  assert.deepEqual(read(body, 2, { id: "p2", held: 1 }), { lines: ["a"], from: "p0", id: "p1", beginning: false });
});

test("a line's JSON is found behind a prefix", async () => {
  const { find } = await page("json");
  assert.deepEqual(find('Nov 23 app[12]: {"a":1}'), { a: 1 });
  assert.equal(find("no {json} here}"), undefined);
});
