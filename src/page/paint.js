// Paints a line: its text, ANSI styles, links and hits become text nodes in spans and links.
//
// A log line is hostile. Invariant: nothing of it is ever parsed as markup; it reaches the document through
// text nodes, and an `href` only as the URL parser wrote it.

import * as ansi from "./ansi.js";
import { hits, links } from "./marks.js";
import { tokens } from "./tokens.js";

// `marking` is {filter: [RegExp], find: [RegExp], colours, tokens: bool, stamp: {from, to} | null}. Returns the text
// that was painted.
export function paint(target, line, marking) {
  const parts = ansi.spans(line);
  const text = parts.length === 1 ? parts[0].text : parts.map((part) => part.text).join("");
  const styled = parts.some((part) => part.style !== null);
  const marked = [hits(text, marking.filter), hits(text, marking.find)];
  const free = ({ from, to }) => !marked.flat().some((hit) => hit.from < to && hit.to > from);
  const layers = [
    links(text).map((range) => ({ ...range, kind: "link" })),
    ...marked,
    // A line that brings its own colours has enough of them.
    marking.tokens && !(styled && marking.colours) ? tokens(text).filter(free) : [],
    marking.stamp ? [{ ...marking.stamp, kind: "stamp" }] : [],
  ];
  if (layers.every((layer) => layer.length === 0) && !styled) {
    target.append(text);
    return text;
  }
  const cuts = new Set([0, text.length]);
  for (const { from, to } of layers.flat()) cuts.add(from).add(to);
  const starts = [];
  let at = 0;
  for (const part of parts) {
    starts.push({ at, style: part.style });
    cuts.add(at);
    at += part.text.length;
  }
  const places = [...cuts].sort((a, b) => a - b);
  const nodes = [];
  let link = null;
  const seen = layers.map(() => 0);
  for (let i = 0, part = 0; i + 1 < places.length; i++) {
    const [from, to] = [places[i], places[i + 1]];
    while (part + 1 < starts.length && starts[part + 1].at <= from) part += 1;
    const [inLink, inHit, inFound, inToken, inStamp] = layers.map((layer, n) => {
      while (seen[n] < layer.length && layer[seen[n]].to <= from) seen[n] += 1;
      const range = layer[seen[n]];
      return range !== undefined && range.from <= from && range.to >= to ? range : undefined;
    });
    let node = piece(text.slice(from, to), marking.colours ? starts[part].style : null, inHit, inFound);
    const kind = inStamp ? "stamp" : inLink ? undefined : inToken?.kind;
    if (kind !== undefined) node = wrapped(node, `t-${kind}`);
    if (inLink === undefined) {
      nodes.push(node);
      link = null;
    } else {
      if (link?.range !== inLink) {
        link = { range: inLink, element: anchor(inLink.href) };
        nodes.push(link.element);
      }
      link.element.append(node);
    }
  }
  target.append(...nodes);
  return text;
}

function wrapped(node, name) {
  const element = document.createElement("span");
  element.className = name;
  element.append(node);
  return element;
}

function piece(text, style, hit, found) {
  let node = document.createTextNode(text);
  if (style !== null) node = styled(node, style);
  if (hit || found) {
    const mark = document.createElement("mark");
    if (found) mark.className = "found";
    mark.append(node);
    node = mark;
  }
  return node;
}

function anchor(href) {
  const link = document.createElement("a");
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  return link;
}

function styled(node, style) {
  const element = document.createElement("span");
  const classes = ["bold", "dim", "italic", "underline", "strike"].filter((name) => style[name]);
  const [front, back] = style.inverse ? [style.bg ?? "back", style.fg ?? "front"] : [style.fg, style.bg];
  colour(element, classes, front, "fg");
  colour(element, classes, back, "bg");
  // On a ground of the line's own choice, type of the theme's choice is legible only by chance.
  if (classes.includes("bg-any") && front === undefined) classes.push(ansi.isLight(back) ? "on-light" : "on-dark");
  element.className = classes.join(" ");
  element.append(node);
  return element;
}

// The first 16 colours belong to the theme, which keeps them legible; the others are as the line says, as far as
// they can be read.
function colour(element, classes, value, name) {
  if (value === undefined) return;
  if (value === "back" || value === "front" || (typeof value === "number" && value < 16)) {
    classes.push(`${name}-${value}`);
  } else {
    classes.push(`${name}-any`);
    element.style.setProperty(`--${name}`, `rgb(${ansi.rgb(value).join(",")})`);
  }
}
