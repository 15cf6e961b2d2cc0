// What the unit tests use of node's test runner, for a browser: `node:test` and `node:assert/strict`.

const cases = [];

export function test(name, run) {
  cases.push({ name, run });
}

// Runs all the tests in turn: [{name, error}], the error being null where it passed.
export async function outcomes() {
  const all = [];
  for (const { name, run } of cases) {
    try {
      await run();
      all.push({ name, error: null });
    } catch (error) {
      all.push({ name, error: String(error.stack ?? error) });
    }
  }
  return all;
}

function check(holds, ...said) {
  if (!holds) throw new Error(said.map((value) => JSON.stringify(value) ?? String(value)).join(" against "));
}

// Objects are equal whatever the order of their keys.
function canonical(value) {
  if (value === null || typeof value !== "object") return value === undefined ? "undefined" : value;
  if (Array.isArray(value)) return value.map(canonical);
  return Object.keys(value).sort().map((key) => [key, canonical(value[key])]);
}

export default {
  equal: (actual, wanted) => check(Object.is(actual, wanted), actual, wanted),
  deepEqual: (actual, wanted) =>
    check(JSON.stringify(canonical(actual)) === JSON.stringify(canonical(wanted)), actual, wanted),
  match: (text, pattern) => check(pattern.test(text), text, String(pattern)),
};
