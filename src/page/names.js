// Short names: what is left of the files' names when what they share is dropped.

// A short name for each, in the same order; where two would be the same, all stay as they are.
export function shortened(names) {
  const plain = names.map((name) => name.replace(/\.log$/, ""));
  if (names.length < 2) return plain;
  const front = common(plain);
  const back = common(plain.map((name) => [...name.slice(front)].reverse().join("")));
  const short = plain.map((name) => name.slice(front, name.length - back));
  const good = short.every((name) => name !== "") && new Set(short).size === names.length;
  if (good) return short;
  return new Set(plain).size === names.length ? plain : names;
}

// How many characters all of them begin with, up to a separator.
function common(names) {
  const [first] = names;
  let shared = 0;
  while (shared < first.length && names.every((name) => name[shared] === first[shared])) shared += 1;
  const cut = [...first.slice(0, shared)].findLastIndex((char) => /[-._/]/.test(char));
  return cut + 1;
}
