// ANSI escape sequences: colours and weights are kept, everything else is dropped.
//
// A log line is hostile: the sequences are read as ECMA-48 has them (section 5.4 for control sequences,
// 5.6 for strings), a broken one swallows no more than itself, and the styles that come out are numbers and
// booleans, never text that could become markup or style.

const ESC = 0x1b;
const BEL = 0x07;
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;

// Splits a line into spans {text, style}; a style is null where nothing is set.
export function spans(line) {
  if (!CONTROLS.test(line)) return [{ text: line, style: null }];
  const out = [];
  let style = null;
  let text = "";
  // Behind it no string ends. Looked up once: a line of a thousand beginnings must not be searched a thousand times.
  const lastEnd = Math.max(line.lastIndexOf("\x07"), line.lastIndexOf("\x9c"), line.lastIndexOf("\x1b\\"));
  const flush = () => {
    if (text !== "") out.push({ text, style });
    text = "";
  };
  for (let at = 0; at < line.length; ) {
    const code = line.charCodeAt(at);
    if (code === ESC || (code >= 0x80 && code <= 0x9f)) {
      const sequence = skip(line, at, lastEnd);
      if (sequence.sgr !== null) {
        flush();
        style = apply(style, sequence.sgr);
      }
      at = sequence.end;
    } else {
      text += code < 0x20 && code !== 0x09 ? picture(code) : code === 0x7f ? "\u2421" : line[at];
      at += 1;
    }
  }
  flush();
  return out;
}

// The line as it is read, without sequences.
export function plain(line) {
  if (!CONTROLS.test(line)) return line;
  return spans(line).map((span) => span.text).join("");
}

// Other control characters are shown by their pictures: silence would hide what is in the file.
function picture(code) {
  return String.fromCharCode(0x2400 + code);
}

// Where the sequence at `at` ends, and its parameters where it sets a style.
function skip(line, at, lastEnd) {
  let kind = line.charCodeAt(at);
  let from = at + 1;
  if (kind === ESC) {
    kind = line.charCodeAt(from);
    if (Number.isNaN(kind)) return { end: from, sgr: null };
    if (kind >= 0x40 && kind <= 0x5f) kind += 0x40; // ESC [ is CSI, and so on
    else if (kind >= 0x20 && kind <= 0x2f) return { end: intermediates(line, from), sgr: null };
    else return { end: kind >= 0x30 && kind <= 0x7e ? from + 1 : from, sgr: null };
    from += 1;
  }
  if (kind === 0x9b) return control(line, from);
  if (kind === 0x90 || kind === 0x98 || kind === 0x9d || kind === 0x9e || kind === 0x9f) {
    return { end: from > lastEnd ? from : string(line, from), sgr: null };
  }
  return { end: from, sgr: null };
}

function control(line, from) {
  let end = from;
  while (end < line.length && line.charCodeAt(end) >= 0x30 && line.charCodeAt(end) <= 0x3f) end += 1;
  const parameters = line.slice(from, end);
  while (end < line.length && line.charCodeAt(end) >= 0x20 && line.charCodeAt(end) <= 0x2f) end += 1;
  const final = line.charCodeAt(end);
  if (!(final >= 0x40 && final <= 0x7e)) return { end, sgr: null };
  const sgr = line[end] === "m" && /^[\d;:]*$/.test(parameters) ? parameters : null;
  return { end: end + 1, sgr };
}

function intermediates(line, from) {
  let end = from;
  while (line.charCodeAt(end) >= 0x20 && line.charCodeAt(end) <= 0x2f) end += 1;
  return Math.min(line.length, end + 1);
}

// A string (a title, a hyperlink) ends at BEL or ST. One without an end hides nothing but its introducer.
function string(line, from) {
  for (let end = from; end < line.length; end++) {
    const code = line.charCodeAt(end);
    if (code === BEL || code === 0x9c) return end + 1;
    if (code === ESC && line[end + 1] === "\\") return end + 2;
  }
  return from;
}

// A style with the parameters of one SGR sequence applied: {fg, bg, bold, dim, italic, underline, strike,
// inverse}. A colour is a number from 0 to 255 of the palette, or [r, g, b].
export function apply(style, parameters) {
  let next = { ...style };
  const codes = parameters.replaceAll(":", ";").split(";").map((code) => (code === "" ? 0 : Number(code)));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4 || code === 21) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.strike = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 39) delete next.fg;
    else if (code === 49) delete next.bg;
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(codes.slice(i + 1, i + 5));
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
      i += used;
    }
  }
  for (const key of Object.keys(next)) if (next[key] === false) delete next[key];
  return Object.keys(next).length === 0 ? null : next;
}

function extended(codes) {
  const byte = (value) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (codes[0] === 5) return { colour: byte(codes[1]) ? codes[1] : null, used: 2 };
  if (codes[0] === 2) {
    const rgb = codes.slice(1, 4);
    return { colour: rgb.length === 3 && rgb.every(byte) ? rgb : null, used: 4 };
  }
  return { colour: null, used: 0 };
}

// [r, g, b] of a colour of the palette above the first 16 (6 x 6 x 6 cube, 24 greys), or of one that is it already.
export function rgb(colour) {
  if (Array.isArray(colour)) return colour;
  if (colour >= 232) return new Array(3).fill(8 + (colour - 232) * 10);
  const step = (value) => (value === 0 ? 0 : 55 + value * 40);
  const cube = colour - 16;
  return [step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)];
}

// Whether black type is easier to read on a colour than white (WCAG 2.2, relative luminance).
export function isLight(colour) {
  const [r, g, b] = rgb(colour).map((value) => (value / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18;
}
