// The bell: tells of new lines that pass the filter while nobody looks at the tab. By a notification where the browser
// gives one, and by a dot on the icon; by a tone where that is wanted.

import { plain } from "./ansi.js";
import { count } from "./time.js";

const APART_MS = 10_000;
const TEXT_MAX = 200;

export class Bell {
  #page;
  #icon = document.getElementById("icon");
  #plainIcon = this.#icon.href;
  #seen = null; // the row before which nothing is new
  #told = 0;
  #timer = null;

  constructor(page) {
    this.#page = page;
    document.addEventListener("visibilitychange", () => {
      this.#seen = document.hidden ? page.rows.end : null;
      if (!document.hidden) this.#icon.href = this.#plainIcon;
    });
  }

  // Asks for leave, since a reader has just pressed the bell; gives the words to say.
  async ask() {
    if (globalThis.Notification === undefined || !isSecureContext) {
      return "the browser gives no notifications to plain http from another host: the title, the icon and the tone remain";
    }
    const leave = await Notification.requestPermission();
    if (leave !== "granted") return "the browser refuses notifications: the title, the icon and the tone remain";
    return "new lines that pass are told while this tab is hidden";
  }

  // To be called when lines have come.
  look() {
    const { rows, settings } = this.#page;
    if (!settings.watch || !document.hidden || this.#seen === null || this.#timer !== null) return;
    if (rows.end <= this.#seen) return;
    const wait = Math.max(0, this.#told + APART_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#ring();
    }, wait);
  }

  #ring() {
    const { ring, rows, taste } = this.#page;
    if (!document.hidden || this.#seen === null || rows.end <= this.#seen) return;
    const first = rows.seq(Math.max(rows.start, this.#seen));
    const more = rows.end - this.#seen - 1;
    this.#seen = rows.end;
    this.#told = Date.now();
    this.#icon.href = this.#plainIcon.replace("%3C/svg", "%3Ccircle cx='12' cy='4' r='4' fill='%23dc2626'/%3E%3C/svg");
    if (taste.tone) tone();
    if (globalThis.Notification?.permission !== "granted" || !isSecureContext) return;
    const entry = ring.has(first) ? ring.text(first) : "";
    const text = typeof entry === "string" ? plain(entry).slice(0, TEXT_MAX) : String(entry.event);
    const name = this.#page.files.name(ring.file(first));
    const note = new Notification(name, { body: more > 0 ? `${text}\nand ${count(more)} more` : text, tag: "tailcast" });
    note.onclick = () => {
      window.focus();
      this.#page.point(first);
      this.#page.goTo(first);
      note.close();
    };
  }
}

function tone() {
  const context = new AudioContext();
  const [sound, level] = [context.createOscillator(), context.createGain()];
  sound.frequency.value = 880;
  level.gain.setValueAtTime(0.12, context.currentTime);
  level.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.35);
  sound.connect(level).connect(context.destination);
  sound.start();
  sound.stop(context.currentTime + 0.35);
  sound.onended = () => context.close();
}
