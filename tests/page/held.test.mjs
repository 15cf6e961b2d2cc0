// What the page holds: the ring, the rows, their heights and the scans over them; tests/page/pure.rs runs
// them in the browser.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(`../../src/page/${name}.js`, import.meta.url));

const texts = (ring) => Array.from({ length: ring.length }, (_, i) => ring.text(ring.first + i));
const numbered = (from, to) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

test("the ring keeps the newest lines within its bounds, each by a number of its own", async () => {
  const { Ring } = await page("ring");
  const ring = new Ring({ linesMax: 5000, bytesMax: 100_000 });
  for (let n = 0; n < 20_000; n += 100) {
    ring.push(0, numbered(n, n + 100), { from: `p${n}`, id: `p${n + 100}`, arrival: n });
    assert.equal(ring.trim(), true);
  }
  assert.deepEqual([ring.first, ring.end, ring.length], [15_000, 20_000, 5000]);
  assert.deepEqual([ring.text(15_000), ring.text(19_999), ring.arrival(19_999)], ["line 15000", "line 19999", 19_900]);
  assert.equal(ring.bytes, texts(ring).join("").length);
  ring.push(0, ["x".repeat(99_990)], { id: "big", weight: 1 });
  ring.trim();
  assert.equal(ring.bytes <= 100_000, true);
  assert.equal(texts(ring).at(-1).length, 99_990);
});

test("the ring gives up no line that a reader looks at", async () => {
  const { Ring } = await page("ring");
  const ring = new Ring({ linesMax: 100 });
  ring.push(0, numbered(0, 150), { id: "p150" });
  assert.equal(ring.trim(20), false);
  assert.equal(ring.first, 20);
});

test("what the ring gives up at its end comes again from where it began", async () => {
  const { Ring } = await page("ring");
  const ring = new Ring({ linesMax: 100 });
  for (let n = 0; n < 200; n += 50) ring.push(n % 100 ? 1 : 0, numbered(n, n + 50), { from: `p${n}`, id: `p${n + 50}` });
  ring.pushEvent(1, { event: "rotated" }, { id: "q" });
  assert.deepEqual(Object.fromEntries(ring.dropNewest()), { 0: 50, 1: 51 });
  assert.deepEqual(Object.fromEntries(ring.ids), { 0: "p100", 1: "p150" });
  assert.deepEqual([ring.end, ring.events.length], [100, 0]);
  assert.deepEqual(texts(ring), numbered(0, 100));
});

test("the ring names the place before which older lines stand", async () => {
  const { Ring } = await page("ring");
  const ring = new Ring({ linesMax: 10 });
  ring.ids.set(0, "start");
  assert.deepEqual(ring.oldest(0), { id: "start", held: 0 });
  ring.push(0, numbered(0, 8), { from: "a", id: "b" });
  ring.push(1, ["other"], { from: "x", id: "y" });
  assert.deepEqual([ring.oldest(0), ring.oldest(1), ring.oldest(2)], [{ id: "a", held: 0 }, { id: "x", held: 0 }, { id: null, held: 0 }]);
  ring.push(0, numbered(8, 14), { from: "b", id: "c" });
  ring.trim();
  // Of the first record three lines are held: before its end, without those three.
  assert.deepEqual(ring.oldest(0), { id: "b", held: 3 });
  ring.push(1, numbered(0, 4), { from: "y", id: "z" });
  ring.trim();
  assert.deepEqual([ring.oldest(0), ring.oldest(1)], [{ id: "b", held: 0 }, { id: "y", held: 0 }]);
  ring.unshift(0, ["older"], { from: "a", id: "b" });
  assert.deepEqual([ring.oldest(0), ring.text(ring.first)], [{ id: "a", held: 0 }, "older"]);
  ring.clear();
  assert.deepEqual([ring.oldest(0), ring.length, ring.bytes], [{ id: "c", held: 0 }, 0, 0]);
});

test("a level is worked out once, and anew for another line under the same number", async () => {
  const { Ring } = await page("ring");
  let asked = 0;
  const ring = new Ring({ linesMax: 2, detect: (text) => ((asked += 1), text.length) });
  ring.push(0, ["ab"], { from: "a", id: "b" });
  ring.push(0, ["abc", "abcd"], { from: "b", id: "c" });
  assert.deepEqual([ring.level(1), ring.level(1), asked], [3, 3, 1]);
  ring.dropNewest();
  ring.push(0, ["a"], { from: "b", id: "c" });
  assert.equal(ring.level(1), 1);
});

test("a row keeps its number whatever comes before or behind it", async () => {
  const { Numbers } = await page("rows");
  const numbers = new Numbers();
  for (let seq = 0; seq < 10_000; seq += 2) numbers.push(seq);
  const row = numbers.row(5000);
  numbers.unshift([-3, -1]);
  numbers.trim(1000);
  assert.deepEqual([numbers.at(row), numbers.row(5000), numbers.row(4999)], [5000, row, row]);
  assert.deepEqual([numbers.has(1000), numbers.has(998), numbers.has(1001)], [true, false, false]);
  numbers.trim(1000, 9000);
  assert.deepEqual([numbers.at(numbers.end - 1), numbers.length], [8998, 4000]);
  assert.deepEqual(numbers.insert([1001, 1000, 1003]), [1001, 1003]);
  assert.deepEqual([0, 1, 2, 3].map((i) => numbers.at(numbers.start + i)), [1000, 1001, 1002, 1003]);
});

test("a row is found by its pixel and a pixel by its row, against plain sums", async () => {
  const { Heights } = await page("heights");
  const heights = new Heights();
  let plain = Array.from({ length: 3000 }, (_, row) => 20 + (row % 7) * 20);
  let start = 0;
  heights.reset(0, 3000, (row) => plain[row]);
  const check = () => {
    let top = 0;
    plain.forEach((height, i) => {
      if (i % 97 === 0) {
        assert.equal(heights.top(start + i), top);
        assert.deepEqual([heights.at(top), heights.at(top + height - 1)], [start + i, start + i]);
      }
      top += height;
    });
    assert.equal(heights.total, top);
    assert.deepEqual([heights.at(-5), heights.at(top + 5)], [start, start + plain.length - 1]);
  };
  check();
  heights.set(1500, 333);
  plain[1500] = 333;
  check();
  heights.trim(700);
  [plain, start] = [plain.slice(700), 700];
  check();
  heights.prepend(-300, () => 40);
  [plain, start] = [[...new Array(1000).fill(40), ...plain], -300];
  check();
  heights.extend(3100, () => 60);
  plain.push(...new Array(100).fill(60));
  check();
});

test("a scan finds what passes in what is there, what comes and what is put in front", async () => {
  const { Ring } = await page("ring");
  const { Scan } = await page("scan");
  const ring = new Ring({ linesMax: 50_000 });
  ring.push(0, numbered(0, 30_000), { id: "a" });
  const done = () => new Promise((resolve) => setTimeout(resolve));
  const until = async (holds) => {
    for (let tries = 0; tries < 1000 && !holds(); tries++) await done();
  };
  const scan = new Scan(ring, () => {});
  const ends = { accepts: () => true, text: (text) => text.endsWith("7"), patterns: null };
  scan.begin(ends);
  await until(() => scan.complete);
  assert.deepEqual([scan.found.length, scan.found.at(scan.found.start), scan.progress], [3000, 7, 1]);
  ring.push(0, numbered(30_000, 30_100), { id: "b" });
  scan.advance();
  assert.equal(scan.found.length, 3010);
  ring.unshift(0, ["7", "8", "17"], {});
  assert.equal(await scan.older(ring.first, ring.first + 3), 2);
  assert.deepEqual([scan.found.length, scan.found.at(scan.found.start)], [3012, -3]);
  // What the ring gives up at either end is forgotten, and looked at anew when it comes again.
  ring.linesMax = 20_000;
  ring.trim();
  scan.advance();
  assert.equal(scan.found.length, 2000);
  ring.linesMax = 15_000;
  ring.push(0, ["another 7"], { from: "b", id: "c" });
  scan.advance();
  ring.dropNewest();
  scan.retreat();
  ring.trim();
  ring.push(0, ["the same 7"], { from: "b", id: "c" });
  scan.advance();
  assert.equal(scan.found.has(ring.end - 1), true);
  assert.equal(new Set(Array.from({ length: scan.found.length }, (_, i) => scan.found.at(scan.found.start + i))).size, scan.found.length);
});

test("what is on its way when another scan begins has no say in it", async () => {
  const { Ring } = await page("ring");
  const { Scan } = await page("scan");
  const ring = new Ring();
  ring.push(0, numbered(0, 150_000), { id: "a" });
  const scan = new Scan(ring, () => {});
  scan.begin({ accepts: () => true, text: () => true, patterns: null });
  scan.begin({ accepts: () => true, text: (text) => text === "line 149999", patterns: null });
  for (let tries = 0; tries < 1000 && !scan.complete; tries++) await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([scan.found.length, scan.found.at(scan.found.start)], [1, 149_999]);
});
