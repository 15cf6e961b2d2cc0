// The pure parts of the page's scripts that deal with text; tests/page/pure.rs runs them in the browser.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(`../../src/page/${name}.js`, import.meta.url));

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

test("styles are added, replaced and taken back as the sequences say", async () => {
  const { apply, isLight, rgb } = await page("ansi");
  assert.deepEqual(apply(null, "1;4;38;5;208"), { bold: true, underline: true, fg: 208 });
  assert.deepEqual(apply({ bold: true, fg: 1 }, "22;39"), null);
  assert.deepEqual(apply({ bold: true, fg: 1 }, ""), null);
  assert.deepEqual(apply(null, "97;100"), { fg: 15, bg: 8 });
  assert.deepEqual(apply(null, "38:2:1:2:3"), { fg: [1, 2, 3] });
  // What can't be a colour is none, and takes nothing else along.
  assert.deepEqual(apply(null, "38;5;256;1"), { bold: true });
  assert.deepEqual(apply(null, "38;2;1;2"), null);
  assert.deepEqual([rgb(16), rgb(231), rgb(244), rgb([1, 2, 3])], [[0, 0, 0], [255, 255, 255], [128, 128, 128], [1, 2, 3]]);
  assert.deepEqual([isLight(226), isLight(17)], [true, false]);
});

test("control characters are shown, a tab is a tab", async () => {
  const { plain } = await page("ansi");
  assert.equal(plain("a\tb\x00\x07\x7f"), "a\tb\u2400\u2407\u2421");
});

test("a line of a thousand beginnings is read in one pass", async () => {
  const { plain } = await page("ansi");
  const start = performance.now();
  assert.equal(plain("\x1b]".repeat(400_000)), "");
  assert.equal(plain(`\x1b[${"38;".repeat(300_000)}m`), "");
  assert.equal(performance.now() - start < 2000, true);
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

test("each kind of log tells its level in its own way", async () => {
  const { detect, DEBUG, ERROR, INFO, OTHER, WARN } = await page("level");
  for (const [level, lines] of [
    [ERROR, ["2026-01-01 [ERROR] no", "<3>a failure", '{"severity":"CRITICAL"}', "Nov 23 10:00:00 h app[1]: error: no",
      "E0123 10:00:00.000 main.go:1] no", "level=fatal msg=x", "[Mon] [core:error] [pid 1] no", '{"level":50}',
      "\x1b[31mERROR\x1b[0m no", "Error opening the file", "[2026-01-01T00:00:00Z ERROR crate] no", '{"log.level":"error"}']],
    [WARN, ["WARNING: low", "2026 WARN  [main] low", '{"level":"warn","msg":"an ERROR was mended"}', "<4>low",
      '{"log":{"level":"warning"}}', "warning: unused"]],
    [INFO, ["level=info msg=x", "<6>fine", "INFO:root:hello", "LOG:  checkpoint starting"]],
    [DEBUG, ["<7>a detail", "[debug] x", "DEBUG x", '{"level":"trace"}', '{"level":20}']],
    [OTHER, ["a session was opened", "", "0 errors", "Note that it runs", "fine weather", "log file opened",
      'GET /error HTTP/1.1 500', "information about errors and warnings", '{"level":"unheard of"}', "<999>x"]],
  ]) {
    for (const line of lines) assert.deepEqual([line, detect(line)], [line, level]);
  }
});

test("where two levels tie, none is guessed", async () => {
  const { detect, OTHER, WARN } = await page("level");
  assert.equal(detect("INFO ERROR which"), OTHER);
  assert.equal(detect("[error] [info] which"), OTHER);
  assert.equal(detect("error: after warning: which"), OTHER);
  // A surer sign stands above a weaker one.
  assert.equal(detect("[warn] ERROR and INFO"), WARN);
  assert.equal(detect(`${"x".repeat(300)} ERROR`), OTHER);
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
  const { byFile, entries, without } = await page("history");
  const told = [{ event: "start", id: "p0" }, { line: "a", id: "p1" }, { event: "rotated", id: "q0" }, { line: "b", id: "q1" }];
  const body = [...told.map((entry) => JSON.stringify({ file: "x", ...entry })), ""].join("\n");
  const answer = byFile(entries(`${body}{"file":"x","li`), 2).get("x");
  const { items, from, beginning } = without(answer, 1);
  assert.deepEqual([from, beginning, answer.last], ["p0", false, "q1"]);
  assert.deepEqual(items.map(({ text, event, from: before, id }) => [text ?? event.event, before, id]), [["a", "p0", "p1"], ["rotated", "p1", "q0"]]);
});

test("a line's JSON is found behind a prefix", async () => {
  const { find } = await page("json");
  assert.deepEqual(find('Nov 23 app[12]: {"a":1}'), { a: 1 });
  assert.equal(find("no {json} here}"), undefined);
});

test("a number that no number can hold stays as it is written", async () => {
  const { find, isLikely } = await page("json");
  assert.deepEqual(find('{"a":7,"b":-1.5}'), { a: 7, b: -1.5 });
  assert.equal(isLikely("[12] not"), false);
  assert.equal(isLikely(`{"a":"${"x".repeat(10_000)}"}`), true);
});

test("a filter takes phrases, patterns, levels and files, each also the other way round", async () => {
  const { parse, textTest, isCostly, isEmpty, marks } = await page("filter");
  assert.deepEqual(parse("level:warn+ -level:debug").levels, 0b11000);
  assert.deepEqual(parse("level:error,info").levels, 0b10100);
  assert.deepEqual(parse("file:Nginx -file:old").files, [{ name: "nginx", not: false }, { name: "old", not: true }]);
  assert.match(parse("level:loud").error, /no level "loud"/);
  assert.equal(isEmpty(parse("  level: file: ")), true);
  const passes = textTest(parse('/^a.c$/i -/xyz/ "q r'));
  assert.equal(passes === null, false);
  assert.deepEqual(["a.c*", "(", "[x]", "-"].map((text) => textTest(parse(text))(`..${text}..`)), [true, true, true, true]);
  assert.deepEqual([isCostly(parse("/a/")), isCostly(parse("a"))], [true, false]);
  assert.deepEqual(marks(parse("a -b /c/i")).map(String), ["/a/gi", "/c/gi"]);
  assert.equal(textTest(parse("/a\\/b/"))("a/b"), true);
});

test("what a fragment can't mean is as it always is", async () => {
  const { DEFAULTS, read } = await page("settings");
  assert.deepEqual(read("#levels=x,%00&time=%3Cb%3E&wrap=9&mark=2&colours=7&__proto__=1"), DEFAULTS);
  assert.equal(read(`#filter=${"a".repeat(5000)}`).filter.length, 1000);
  assert.equal(read("#levels=none").levels, 0);
  assert.equal(read("#wrap=0").wrap, false);
});

test("ids that a request can't hold are left out, and no other file is sent from its beginning then", async () => {
  const { address, fitting } = await page("connection");
  const ids = Array.from({ length: 1000 }, (_, i) => `${"x".repeat(30)}${i}`);
  assert.equal(fitting(ids.slice(0, 300)).length, 300);
  const url = address("http://h.example/", ids);
  assert.equal(url.href.length < 12_000, true);
  assert.equal(url.searchParams.get("lines"), "0");
  assert.equal(address("http://h.example/", ids.slice(0, 9)).searchParams.get("lines"), "all");
  assert.equal(address("http://h.example/", []).searchParams.get("after"), null);
  assert.deepEqual(address("http://h.example/", [], ["a b", "c"]).searchParams.getAll("file"), ["a b", "c"]);
});

test("a time is written as asked", async () => {
  const { ago, count, date, format, isSameDay, since, size } = await page("time");
  const time = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  assert.equal(format(time, "utc"), "03:04:05.006Z");
  assert.match(format(time, "local"), /^\d\d:04:05\.006$|^\d\d:\d\d:05\.006$/);
  assert.equal(format(time, "off"), "");
  assert.equal(format(time, "above", time - 200_000), "+3:20");
  assert.deepEqual([12, 1500, -2000, 7_500_000, 2e8].map(since), ["+12 ms", "+1.50 s", "−2.00 s", "+2:05 h", "+2 d"]);
  assert.deepEqual([isSameDay(time, time + 3600e3, true), isSameDay(time, time + 86400e3, true)], [true, false]);
  assert.equal(date(time, true), "Fri, 2 January 2026");
  assert.equal(format(0, "utc"), "");
  assert.equal(format(time, "ago", time + 61_000), "1 min ago");
  assert.deepEqual([0, 999, 1000, 59_999, 3_600_000, 90_000_000, -5].map(ago), ["now", "now", "1 s ago", "59 s ago", "1 h ago", "1 d ago", "now"]);
  assert.equal(count(104213), "104,213");
  assert.deepEqual([1, 1023, 1024, 1024 * 1024 * 200].map(size), ["1 byte", "1,023 bytes", "1.0 KiB", "200 MiB"]);
});

test("the tab's title counts and marks, and names one file or how many", async () => {
  const { title } = await page("status");
  assert.equal(title(0, false, ["a"], "h"), "a · h");
  assert.equal(title(1312, false, ["a"], "h"), "(1,312) a · h");
  assert.equal(title(3, true, ["a", "b"], "h"), "(3 !) 2 files · h");
  assert.equal(title(1e6, false, [], "h"), "(99,999+) tailcast · h");
});

test("a download has a name that every system takes", async () => {
  const { filename } = await page("copy");
  const now = new Date(Date.UTC(2026, 10, 23, 10, 15, 30));
  assert.equal(filename(["my app/x:1.log"], now), "my_app_x_1 2026-11-23 10.15.30.log");
  assert.equal(filename(["a", "b"], now), "tailcast 2026-11-23 10.15.30.log");
});

test("hits don't overlap, empty ones are none, and a line has so many and no more", async () => {
  const { hits, HITS_MAX, links } = await page("marks");
  assert.deepEqual(hits("abcab", [/ab/g, /bc/g]), [{ from: 0, to: 5 }]);
  assert.deepEqual(hits("abc", [/x*/g]), []);
  assert.equal(hits("a ".repeat(1000), [/a/g]).length, HITS_MAX);
  assert.deepEqual(links("(see http://a.example/b(c)d) and https://[").map(({ href }) => href), ["http://a.example/b(c)d)"]);
});

test("fewer long lines are fetched at once than short ones", async () => {
  const { portion } = await page("history");
  assert.deepEqual([portion(100), portion(NaN), portion(1 << 20)], [1000, 1000, 20]);
});

test("files of one host are one chip, and their names beside the lines stay short", async () => {
  const { grouped, hostOf, ownName, shortNames } = await page("hosts");
  const of = (name, kind = "upstream") => ({ name, kind });
  assert.equal(hostOf(of("web1/syslog")), "web1");
  assert.equal(hostOf(of("web1//var/log/app.log")), "web1");
  assert.equal(ownName(of("web1//var/log/app.log")), "/var/log/app.log");
  assert.equal(hostOf(of("logs/app.log", "file")), "");
  assert.equal(hostOf(of("web1/syslog", "broker")), "web1");
  assert.equal(hostOf(of("site/web1/syslog", "broker")), "site/web1");
  const files = [of("web1/syslog"), of("app.log", "file"), of("web2/syslog"), of("web1/app.log")];
  assert.deepEqual(grouped(files), [
    { host: "", numbers: [1] }, { host: "web1", numbers: [0, 3] }, { host: "web2", numbers: [2] },
  ]);
  assert.deepEqual(shortNames(files), ["web1/syslog", "app", "web2/syslog", "web1/app"]);
  assert.deepEqual(shortNames([of("web1/syslog"), of("web2/syslog")]), ["web1", "web2"]);
  const long = ["ip-10-0-3-17.eu-west-1.internal", "ip-10-0-3-18.eu-west-1.internal"];
  assert.deepEqual(shortNames(long.map((host) => of(`${host}/nginx-access.log`))), ["17", "18"]);
});

test("a time since when is as short as it can be read", async () => {
  const { when } = await page("time");
  const now = new Date(2026, 10, 28, 12, 0).getTime();
  assert.equal(when(new Date(2026, 10, 28, 10, 42).getTime(), now), "10:42");
  assert.equal(when(new Date(2026, 10, 27, 23, 5).getTime(), now), "27 Nov 23:05");
});

test("the parts of a message are put together, and a message that comes whole is itself", async () => {
  const { joiner, offerAddress } = await page("rtc");
  const bytes = (text) => new TextEncoder().encode(text).buffer;
  const join = joiner();
  assert.equal(join("whole"), "whole");
  assert.equal(join(bytes('{"lines":["\u20ac')), null);
  assert.equal(join(bytes("\u20ac")), null);
  assert.equal(join('"]}'), '{"lines":["\u20ac\u20ac"]}');
  assert.equal(join("again"), "again");
  assert.equal(String(offerAddress("wss://host/logs/ws?format=batch")), "https://host/logs/rtc?format=batch");
});
