// A line that is JSON, or ends with it, opened as a tree of text nodes.

// A longer line stays a line: its tree would be of no use to a reader.
const LENGTH_MAX = 262_144;
const CHILDREN_MAX = 200;
const OPEN_DEPTH = 2;
// Deeper than any log needs; a hostile line of brackets must not exhaust the stack.
const DEPTH_MAX = 64;

// Whether a line has a tree, for a row that isn't opened: a long line isn't read just to draw a triangle.
const READ_MAX = 8192;
export function isLikely(line) {
  if (line.length <= READ_MAX) return find(line) !== undefined;
  return line.length <= LENGTH_MAX && (line[0] === "{" || line[0] === "[") && /[}\]]\s*$/.test(line.slice(-8));
}

// The object or array that a line holds, alone or behind a prefix ("Nov 23 10:00:00 app: {…}"); else undefined.
export function find(line) {
  const text = line.trimEnd();
  const last = text[text.length - 1];
  if ((last !== "}" && last !== "]") || text.length > LENGTH_MAX) return undefined;
  const opening = last === "}" ? "{" : "[";
  let at = text.indexOf(opening);
  for (let tries = 0; at >= 0 && tries < 3; tries++, at = text.indexOf(opening, at + 1)) {
    try {
      const value = JSON.parse(text.slice(at), exact);
      return Object.keys(value).length > 0 ? value : undefined;
    } catch {
      // "[12] {…}" and the like: the next bracket may be the one.
    }
  }
  return undefined;
}

// A number that this language can't hold is shown as it is written, where the browser tells how that is.
class Written {
  constructor(text) {
    this.text = text;
  }
}

function exact(_, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return Number.isSafeInteger(value) ? value : new Written(source);
}

// The keys are buttons, each with its dotted path and its value in its data.
export function tree(value) {
  const root = document.createElement("div");
  root.className = "tree";
  root.append(...branches(value, 0, ""));
  return root;
}

function branches(value, depth, before) {
  const keys = Object.keys(value);
  const nodes = keys.slice(0, CHILDREN_MAX).map((key) => branch(key, value[key], depth, before + key));
  if (keys.length > CHILDREN_MAX) {
    nodes.push(leaf("…", `${(keys.length - CHILDREN_MAX).toLocaleString("en")} more`, "null"));
  }
  return nodes;
}

function branch(key, value, depth, path) {
  if (value instanceof Written) return leaf(key, value.text, "number", path, value.text);
  if (value === null || typeof value !== "object") {
    return leaf(key, JSON.stringify(value), value === null ? "null" : typeof value, path, String(value));
  }
  const count = Object.keys(value).length;
  const shape = Array.isArray(value) ? `[${count}]` : `{${count}}`;
  if (count === 0 || depth >= DEPTH_MAX) return leaf(key, shape, "null");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.append(named(key), span("null", shape));
  details.append(summary);
  // Children are made when they are first seen: a wide object costs nothing while it is shut.
  const fill = () => details.open && details.children.length === 1 && details.append(...branches(value, depth + 1, `${path}.`));
  details.open = depth + 1 < OPEN_DEPTH;
  fill();
  details.addEventListener("toggle", fill);
  return details;
}

function leaf(key, text, kind, path, value) {
  const line = document.createElement("div");
  line.className = "leaf";
  if (path === undefined) {
    line.append(named(key), span(kind, text));
    return line;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "key";
  button.tabIndex = -1;
  button.textContent = `${key}: `;
  button.title = "Only this value, not this value, as a column, copy";
  Object.assign(button.dataset, { path, value });
  line.append(button, span(kind, text));
  return line;
}

function named(key) {
  return span("key", `${key}: `);
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
