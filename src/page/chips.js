// The chips: one for each file or host, with a lamp in its colour, the number unread, and whether it is shown.
//
// A click on a chip shows it alone; a click on its lamp, or with Ctrl or Shift, adds it to or takes it from those that
// are merged. The first click on a chip that is alone shows all again. A host's ▾ lists the files behind it. Many of
// them are one stop of the Tab key; the arrow keys go from one to the next.

import { count, size } from "./time.js";

const UNREAD_MAX = 99_999;
// More chips than that have a row of their own, and are one stop of the Tab key.
export const CROWD = 8;

export class Chips {
  #bar;
  #files;
  #list;
  #drawn = "";

  // `list(host)` opens the list of a host's files.
  constructor({ bar, files, list }) {
    [this.#bar, this.#files, this.#list] = [bar, files, list];
    bar.addEventListener("click", (event) => this.#click(event));
    bar.addEventListener("keydown", (event) => this.#key(event));
    bar.addEventListener("focusin", ({ target }) => this.#stop(target));
  }

  draw() {
    const { all, shown } = this.#files;
    const state = JSON.stringify([all, shown && [...shown]]);
    if (state === this.#drawn) return;
    this.#drawn = state;
    const groups = this.#files.areMany ? [] : this.#files.groups;
    groups.forEach((group, at) => this.#chip(group, at));
    while (this.#bar.children.length > groups.length) this.#bar.lastElementChild.remove();
    const focused = this.#bar.querySelector('[tabindex="0"]');
    this.#stop(focused ?? this.#bar.querySelector(".name"));
  }

  #chip(group, at) {
    const files = this.#files;
    const all = group.numbers.map((number) => files.all[number]);
    const [file] = all;
    const name = group.host === "" ? file.name : group.host;
    const chip = this.#bar.children[at] ?? this.#bar.appendChild(chipElement());
    const [dot, button, unread, behind] = chip.children;
    const words = files.groupWords(group);
    const isShown = group.numbers.some((number) => files.isShown(number));
    chip.className = `chip ${files.colour(group.numbers[0])}`;
    chip.classList.toggle("host", group.host !== "");
    chip.classList.toggle("off", !isShown);
    chip.classList.toggle("missing", words !== "");
    chip.classList.toggle("gone", words.startsWith("away"));
    chip.dataset.group = at;
    chip.dataset.state = words.split(": ")[0];
    chip.title = group.host === "" ? this.#told(group.numbers[0]) : `${all.map((one) => one.name).join("\n")}${words === "" ? "" : `\n${words}`}`;
    dot.setAttribute("aria-label", `Merge ${name} with the files shown`);
    dot.setAttribute("aria-pressed", String(isShown));
    button.setAttribute("aria-pressed", String(files.isAlone(at)));
    button.textContent = name;
    const news = all.reduce((sum, one) => sum + one.unread, 0);
    const told = [name, group.host === "" ? "" : `${count(all.length)} ${all.length === 1 ? "file" : "files"}`, words, news > 0 ? `${count(news)} unread` : ""];
    const label = told.filter(Boolean).join(", ");
    if (label === name) button.removeAttribute("aria-label");
    else button.setAttribute("aria-label", label);
    unread.textContent = news > 0 ? (news > UNREAD_MAX ? `${count(UNREAD_MAX)}+` : count(news)) : "";
    unread.hidden = news === 0;
    unread.classList.toggle("error", all.some((one) => one.erred));
    behind.hidden = group.host === "";
    behind.setAttribute("aria-label", `The files of ${name}`);
  }

  // What there is to know of a file.
  #told(number) {
    const file = this.#files.all[number];
    const where = file.path ?? file.name;
    if (file.state === "missing") return `${where}\nis not there: waiting for it`;
    if (file.state !== "ok") return `${where}\n${this.#files.stateWords(number)}`;
    const times = file.begun && !this.#files.reader(number).timed ? "\nno times: in order of arrival" : "";
    return `${where}\n${size(file.size)} when last asked${times}\nClick: this file alone. Dot or Ctrl-click: merge.`;
  }

  #click(event) {
    const chip = event.target.closest(".chip");
    if (chip === null) return;
    const group = Number(chip.dataset.group);
    if (event.target.closest(".behind") !== null) return this.#list(this.#files.groups[group].host);
    if (event.target.closest(".dot") !== null || event.ctrlKey || event.metaKey || event.shiftKey) this.#files.merge(group);
    else this.#files.alone(group);
  }

  #key(event) {
    const buttons = [...this.#bar.querySelectorAll("button:not([hidden])")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    buttons.at(to % buttons.length).focus();
  }

  // The one button that the Tab key comes to; where they are few, to each.
  #stop(button) {
    const isEach = this.#bar.children.length <= CROWD;
    this.#bar.role = isEach ? "group" : "toolbar";
    for (const other of this.#bar.querySelectorAll("button")) other.tabIndex = isEach || other === button ? 0 : -1;
  }
}

function chipElement() {
  const chip = document.createElement("span");
  const part = (tag, name) => {
    const element = document.createElement(tag);
    element.className = name;
    if (tag === "button") Object.assign(element, { type: "button", tabIndex: -1 });
    chip.append(element);
    return element;
  };
  part("button", "dot");
  part("button", "name");
  part("span", "unread");
  part("button", "behind").textContent = "▾";
  return chip;
}
