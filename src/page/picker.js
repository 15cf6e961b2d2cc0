// The files as a list to search, for many of them or a small window, with those of a host together: Enter shows one
// alone, or all of a host, Space merges.

import { ownName } from "./hosts.js";
import { count, size } from "./time.js";

const SHOWN_MAX = 300;

export class Picker {
  #dialog;
  #input;
  #list;
  #files;
  #chosen;
  #active = -1;
  #found = []; // what fits, in the order shown: {host, numbers}, a host's own line or that of a file

  // `chosen(names)` is told of the files to show, null for all.
  constructor({ dialog, input, list, files, chosen }) {
    [this.#dialog, this.#input, this.#list, this.#files, this.#chosen] = [dialog, input, list, files, chosen];
    input.addEventListener("input", () => this.#fill());
    input.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option === null) return;
      const merge = event.target.closest(".dot") !== null || event.ctrlKey || event.metaKey || event.shiftKey;
      const found = this.#found[Number(option.dataset.at)];
      if (merge) this.#merge(found);
      else this.#alone(found);
    });
  }

  // Opens the list, of what has `wanted` in its name.
  open(wanted = "") {
    this.#input.value = wanted;
    this.#active = -1;
    this.#fill();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#input.focus();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.#active = Math.max(0, Math.min(this.#found.length - 1, this.#active + step));
      this.#point();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const found = this.#found[Math.max(0, this.#active)];
      if (found !== undefined) this.#alone(found);
    } else if (event.key === " " && this.#active >= 0) {
      event.preventDefault();
      this.#merge(this.#found[this.#active]);
    }
  }

  #alone({ host, numbers }) {
    this.#chosen(host === null ? [this.#files.name(numbers[0])] : [`${host}/`]);
    this.#dialog.close();
  }

  #merge({ numbers }) {
    this.#chosen(this.#files.merged(numbers));
    this.#fill();
  }

  #fill() {
    const files = this.#files;
    const wanted = this.#input.value.trim().toLowerCase();
    const fits = (number) => files.name(number).toLowerCase().includes(wanted);
    this.#found = [];
    const local = make("ul", "group");
    const groups = [local];
    let left = SHOWN_MAX;
    for (const { host, numbers } of files.groups) {
      const found = numbers.filter(fits).slice(0, left);
      left -= found.length;
      if (found.length === 0) continue;
      const group = host === "" ? local : make("ul", "group");
      if (host !== "") {
        group.append(this.#host(host, numbers));
        groups.push(group);
      }
      group.role = "group";
      group.setAttribute("aria-label", host === "" ? "files" : host);
      group.append(...found.map((number) => this.#option(number)));
    }
    this.#list.replaceChildren(...groups.filter((group) => group.children.length > 0));
    // A host's files stand behind those of this machine.
    this.#found = [...this.#list.querySelectorAll("[role=option]")].map((option, at) => {
      option.id = `file-${at}`;
      option.dataset.at = at;
      return { host: option.dataset.host ?? null, numbers: option.dataset.numbers.split(",").map(Number) };
    });
    this.#active = Math.min(this.#active, this.#found.length - 1);
    this.#point();
  }

  #host(host, numbers) {
    const words = this.#files.groupWords({ numbers });
    const option = this.#line(`host ${words === "" ? "" : "gone"}`, numbers, host, [words, `${count(numbers.length)} ${numbers.length === 1 ? "file" : "files"}`]);
    option.dataset.host = host;
    return option;
  }

  #option(number) {
    const file = this.#files.all[number];
    return this.#line("", [number], ownName(file), [file.unread > 0 ? `${count(file.unread)} new` : "", this.#files.stateWords(number), size(file.size)]);
  }

  #line(looks, numbers, words, told) {
    const option = make("li", `option ${looks} ${this.#files.colour(numbers[0])}`);
    option.role = "option";
    option.dataset.numbers = numbers.join();
    option.setAttribute("aria-selected", String(numbers.every((number) => this.#files.isShown(number))));
    const name = make("span", "name");
    name.textContent = words;
    const rest = make("span", "rest");
    rest.textContent = told.filter(Boolean).join(" · ");
    option.append(make("span", "dot"), name, rest);
    return option;
  }

  #point() {
    for (const option of this.#list.querySelectorAll(".active")) option.classList.remove("active");
    const option = this.#active < 0 ? null : document.getElementById(`file-${this.#active}`);
    option?.classList.add("active");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.#input.setAttribute("aria-activedescendant", option.id);
    else this.#input.removeAttribute("aria-activedescendant");
  }
}

function make(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
