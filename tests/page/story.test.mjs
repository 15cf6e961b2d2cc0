// What a line tells besides its text: its time, what it belongs to, its fields, and where it stands among the lines of
// other files; tests/page/pure.rs runs them in the browser, `node --test --test-force-exit tests/page/` without one.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(`../../src/page/${name}.js`, import.meta.url));

const TRACE = [
  "2026-11-28 10:00:01,250 ERROR [exec-2] Payment - order 7: failed",
  "java.lang.IllegalStateException: pool exhausted",
  ...Array.from({ length: 9 }, (_, i) => `\tat com.example.Payment.step${i}(Payment.java:${i})`),
  "Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 timed out",
  "\t... 21 more",
];

test("a line's own time is read in every form that the daemon knows", async () => {
  const { Stamps } = await page("stamps");
  const stamps = new Stamps();
  const local = (...parts) => new Date(...parts).getTime();
  const noon = Date.UTC(2026, 10, 28, 10, 0, 0);
  for (const [line, time, stamp] of [
    ["2026-11-28T10:00:00.123456Z x", noon + 123, "2026-11-28T10:00:00.123456Z"],
    ["2026-11-28T11:00:00+01:00 x", noon, "2026-11-28T11:00:00+01:00"],
    ["2026-11-28 10:00:00,123 INFO x", local(2026, 10, 28, 10, 0, 0, 123), "2026-11-28 10:00:00,123"],
    ["[2026-11-28 10:00:00] x", local(2026, 10, 28, 10), "[2026-11-28 10:00:00]"],
    ["WARN 2026-11-28T10:00:00Z x", noon, "2026-11-28T10:00:00Z"],
    ["<34>1 2026-11-28T10:00:00Z host x", noon, "2026-11-28T10:00:00Z"],
    ["2026/11/28 10:00:00 [error] 12#12: x", local(2026, 10, 28, 10), "2026/11/28 10:00:00"],
    ['10.0.0.1 - - [28/Nov/2026:11:00:00 +0100] "GET / HTTP/1.1" 200 1', noon, "[28/Nov/2026:11:00:00 +0100]"],
    ["1795860000 x", 1795860000000, "1795860000"],
    ["1795860000.25 x", 1795860000250, "1795860000.25"],
    ["1795860000123456789 x", 1795860000123, "1795860000123456789"],
    ['{"level":30,"time":1795860000123,"msg":"x"}', 1795860000123, ""],
    ['{"ts":1795860000.25,"msg":"x"}', 1795860000250, ""],
    ['{"@timestamp":"2026-11-28T10:00:00Z"}', noon, ""],
    ["level=info ts=2026-11-28T10:00:00Z msg=x", noon, "ts=2026-11-28T10:00:00Z"],
  ]) {
    const found = stamps.read(line);
    assert.deepEqual([line, found?.time, line.slice(found?.from, found?.to)], [line, time, stamp]);
  }
  const year = new Date().getFullYear();
  const old = stamps.read("Jan  2 03:04:05 host x").time;
  assert.equal([local(year, 0, 2, 3, 4, 5), local(year - 1, 0, 2, 3, 4, 5)].includes(old), true);
  for (const line of ["line 7", "order 1795860000 was paid", "2026-13-28 10:00:00 x", "2026-11-28 x", "  at a.b(c)", "12345678901 x"]) {
    assert.deepEqual([line, stamps.read(line)], [line, null]);
  }
});

test("a stack trace belongs to the line before it, a line with a stamp does not", async () => {
  const { Reader, summary } = await page("records");
  const reader = new Reader();
  const joins = (lines) => lines.map((line) => reader.read(line).joins);
  assert.deepEqual(joins(["  indented", "plain"]), [true, false]);
  assert.deepEqual(joins(TRACE), [false, ...new Array(TRACE.length - 1).fill(true)]);
  assert.deepEqual(joins(["2026-11-28 10:00:02,000 INFO on"]), [false]);
  assert.equal(summary(TRACE), TRACE.at(-2));
  // In a file with a stamp only now and then, unstamped lines are their own.
  const other = new Reader();
  const many = ["2026-11-28 10:00:02,000 once", ...new Array(20).fill("plain")].map((line) => other.read(line).joins);
  assert.deepEqual(many.slice(-10), new Array(10).fill(false));
});

test("the time that the daemon tells is the line's, and nothing is guessed where it tells none", async () => {
  const { Reader } = await page("records");
  const reader = new Reader();
  assert.deepEqual(reader.read("2026-11-28T10:00:00Z x", 77), { time: 77, joins: false });
  assert.equal(reader.read("2026-11-28T10:00:00Z x", null).time, 0);
  assert.deepEqual(reader.read("    at x.y(z)", 78), { time: 78, joins: true });
});

test("a record's lines have one level, one fold and one fate", async () => {
  const { Ring } = await page("ring");
  const { Scan } = await page("scan");
  const { detect, ERROR } = await page("level");
  const ring = new Ring({ detect });
  const joins = TRACE.map((_, i) => i > 0);
  ring.push(0, TRACE.slice(0, 5), { from: "a", id: "b", traits: { joins: joins.slice(0, 5) } });
  ring.push(1, ["another file's line"], { from: "x", id: "y" });
  ring.push(0, TRACE.slice(5), { from: "b", id: "c", traits: { joins: joins.slice(5) } });
  const members = ring.record(ring.first + 8);
  assert.deepEqual(members, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13].slice(0, TRACE.length));
  assert.deepEqual(members.map((seq) => ring.level(seq)), members.map(() => ERROR));
  assert.deepEqual([ring.size(members[3]), ring.nth(members[3]), ring.head(members[9])], [TRACE.length, 3, 0]);
  const scan = new Scan(ring, () => {}, undefined, { records: true });
  scan.begin({ accepts: () => true, text: (text) => text.includes("HikariPool"), patterns: null });
  for (let tries = 0; tries < 1000 && !scan.complete; tries++) await new Promise((resolve) => setTimeout(resolve));
  const found = Array.from({ length: scan.found.length }, (_, i) => scan.found.at(scan.found.start + i));
  assert.deepEqual(found, members);
  // What comes later to a record that is shown is shown too.
  ring.push(0, ["\tat the.end(End.java:1)"], { from: "c", id: "d", traits: { joins: [true] } });
  scan.advance();
  assert.equal(scan.found.has(ring.end - 1), true);
});

test("what went wrong without a level word is an error all the same", async () => {
  const { detect, ERROR, OTHER, WARN } = await page("level");
  for (const [line, level] of [
    ['10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 503 12 "-" "curl"', ERROR],
    ['10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 404 12', WARN],
    ['10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 503', OTHER],
    ["kernel: Out of memory: Killed process 12 (java)", ERROR],
    ["app[1]: Segmentation fault (core dumped)", ERROR],
    ["systemd[1]: x.service: Failed with result 'exit-code'.", ERROR],
    ["systemd[1]: x.service: Main process exited, code=exited, status=1/FAILURE", ERROR],
    ["Traceback (most recent call last):", ERROR],
    ['Exception in thread "main" java.lang.Error', ERROR],
    ["npm ERR! code ELIFECYCLE", ERROR],
    ["sshd[1]: Failed password for root from 10.0.0.1", WARN],
  ]) assert.deepEqual([line, detect(line)], [line, level]);
});

test("the lines of several files come in the order of their times, however they are fetched", async () => {
  const { Past } = await page("past");
  const { Reader } = await page("records");
  const readers = [new Reader(), new Reader()];
  const past = new Past((number) => readers[number]);
  const stamp = (second) => `2026-11-28T10:${String(Math.floor(second / 60)).padStart(2, "0")}:${String(second % 60).padStart(2, "0")}Z`;
  const items = (name, seconds) => seconds.map((s, i) => ({ text: `${stamp(s)} ${name}`, id: `${name}${s}`, from: `${name}${seconds[i - 1] ?? "start"}`, level: null, stderr: false }));
  const out = () => past.release([0, 1], 100).flatMap(({ items: run }) => [...run].reverse()).map(({ id }) => id);
  past.sync(0, { id: "a39", held: 0 }, () => Infinity);
  past.sync(1, { id: "b38", held: 0 }, () => Infinity);
  past.take(0, { items: items("a", [31, 33, 35, 39]), from: "a29", beginning: false });
  past.take(1, { items: items("b", [4, 8, 34, 36, 38]), from: "bstart", beginning: true });
  // The second file's older lines wait: the first may have some that are younger.
  assert.deepEqual(out(), ["a39", "b38", "b36", "a35", "b34", "a33", "a31"]);
  assert.equal(past.wants([0, 1]), 0);
  assert.deepEqual(past.place(0), { id: "a29", held: 0 });
  past.take(0, { items: items("a", [2, 6, 29]), from: "astart", beginning: true });
  assert.deepEqual(out(), ["a29", "b8", "a6", "b4", "a2"]);
  assert.deepEqual([past.wants([0, 1]), past.isOpen(0), past.isOpen(1)], [null, false, false]);
});

test("the fields of JSON and logfmt are read by name", async () => {
  const { field, fields, fieldTest } = await page("fields");
  const line = '{"level":50,"time":1795860000123,"msg":"timed out","reqId":"77","res":{"statusCode":500},"tags":["x"]}';
  assert.deepEqual(fields(line), { message: "timed out", level: "50", pairs: [["reqId", "77"], ["res.statusCode", "500"], ["tags", '["x"]']] });
  assert.deepEqual(fields('ts=2026-11-28T10:00:00Z level=warn msg="a \\"b\\"" free=2'), { message: 'a "b"', level: "warn", pairs: [["free", "2"]] });
  assert.deepEqual([fields("a=1 is no logfmt"), fields("plain"), fields("{not json}")], [null, null, null]);
  assert.deepEqual([field(line, "res.statusCode"), field(line, "reqId"), field(line, "none"), field("x a=7", "a")], ["500", "77", undefined, "7"]);
  assert.deepEqual([">=500", "<3", "500", "5*", "50"].map((asked) => fieldTest(asked)("500")), [true, false, true, true, false]);
  assert.equal(fieldTest(">1")(undefined), false);
});

test("what an eye looks for in a line is told apart", async () => {
  const { tokens } = await page("tokens");
  const line = 'WARN took 812 ms for "GET /x" from 10.0.0.7 id=7732ddae-1111-2222-3333-444455556666 in /var/lib/x.db';
  const found = tokens(line).map(({ from, to, kind }) => `${kind} ${line.slice(from, to)}`);
  assert.deepEqual(found, [
    "level WARN", "number 812 ms", 'quoted "GET /x"', "address 10.0.0.7", "key id=", "id 7732ddae-1111-2222-3333-444455556666", "path /var/lib/x.db",
  ]);
});

test("names beside lines drop what they share", async () => {
  const { shortened } = await page("names");
  assert.deepEqual(shortened(["nginx-access.log", "nginx-error.log"]), ["access", "error"]);
  assert.deepEqual(shortened(["syslog", "app.log"]), ["syslog", "app"]);
  assert.deepEqual(shortened(["a.log", "a"]), ["a.log", "a"]);
  assert.deepEqual(shortened(["web1/syslog", "web2/syslog"]), ["web1", "web2"]);
});

test("a time that a reader types is the one that is meant", async () => {
  const { moment } = await page("moment");
  const now = new Date(2026, 10, 29, 10, 0, 0).getTime();
  const local = (...parts) => new Date(2026, ...parts).getTime();
  for (const [typed, time] of [
    ["03:15", local(10, 29, 3, 15)],
    ["23:15:30", local(10, 28, 23, 15, 30)],
    ["yesterday 14:00", local(10, 28, 14)],
    ["today", local(10, 29)],
    ["-30m", now - 1_800_000],
    ["- 2 h", now - 7_200_000],
    ["2026-11-27", local(10, 27)],
    ["2026-11-27 03:15", local(10, 27, 3, 15)],
    ["2026-11-28T03:15:00Z", Date.UTC(2026, 10, 28, 3, 15)],
    ["@1795860000", 1795860000000],
    ["now", now],
  ]) assert.deepEqual([typed, moment(typed, now)], [typed, time]);
  for (const typed of ["", "soon", "25:00", "yesterday noon", "12"]) assert.equal(moment(typed, now), NaN);
});

test("the daemon is asked for what the filter says, and not where only the browser can tell", async () => {
  const { asked, parse, textTest } = await page("filter");
  assert.deepEqual(asked(parse("needle -Foo /a.c\\/d/i")), { grep: ["(?i)needle", "(?i)a.c/d"], exclude: ["(?i)foo".replace("f", "F")] });
  assert.deepEqual(asked(parse("res.statusCode:>=500 reqId:7732")), { grep: ["statusCode", "reqId", "(?i)7732"], exclude: [] });
  for (const typed of ["", "level:warn", "-user:213", "/(?=x)/", "/(a)\\1/", "/(?<!x)y/"]) assert.deepEqual([typed, asked(parse(typed))], [typed, null]);
  // What looks like a field may be just what stands there.
  const passes = textTest(parse("host:8080"));
  assert.deepEqual([passes("at host:8080 now"), passes('{"host":"8080"}'), passes('{"host":"80"}')], [true, true, false]);
});

test("a time's stamps are looked for in the usual forms", async () => {
  const { stampPattern } = await page("place");
  const pattern = new RegExp(stampPattern(Date.UTC(2026, 10, 8, 3, 17)));
  for (const line of ["2026-11-08T03:15:00Z x", "Nov  8 03:19:59 x", '1.2.3.4 - - [08/Nov/2026:03:10:00 +0000] "GET"', "2026/11/08 03:12:00 x"]) {
    assert.deepEqual([line, pattern.test(line)], [line, true]);
  }
  assert.equal(pattern.test("2026-11-08T03:25:00Z x"), false);
});

test("far lines stand in front and go again, and the rest is as it was", async () => {
  const { Ring } = await page("ring");
  const ring = new Ring();
  ring.push(0, ["b1", "b2"], { from: "a", id: "b" });
  ring.putFar(0, ["needle 2"]);
  ring.putFar(0, ["needle 1"]);
  assert.deepEqual([ring.first, ring.near, ring.text(-2), ring.oldest(0)], [-2, 0, "needle 1", { id: "a", held: 0 }]);
  ring.dropFar();
  assert.deepEqual([ring.first, ring.near, ring.length, ring.oldest(0)], [0, 0, 2, { id: "a", held: 0 }]);
});
