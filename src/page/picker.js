// The files as a list to search, for many of them or a small window: Enter shows one alone, Space merges.

import { count, size } from "./time.js";

const SHOWN_MAX = 300;

export class Picker {
  #dialog;
  #input;
  #list;
  #files;
  #chosen;
  #active = -1;
  #found = []; // numbers of the files that fit

  // `chosen(names)` is told of the files to show, null for all.
  constructor({ dialog, input, list, files, chosen }) {
    [this.#dialog, this.#input, this.#list, this.#files, this.#chosen] = [dialog, input, list, files, chosen];
    input.addEventListener("input", () => this.#fill());
    input.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option === null) return;
      const merge = event.target.closest(".dot") !== null || event.ctrlKey || event.metaKey || event.shiftKey;
      if (merge) this.#merge(Number(option.dataset.number));
      else this.#alone(Number(option.dataset.number));
    });
  }

  open() {
    this.#input.value = "";
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
      const number = this.#found[Math.max(0, this.#active)];
      if (number !== undefined) this.#alone(number);
    } else if (event.key === " " && this.#active >= 0) {
      event.preventDefault();
      this.#merge(this.#found[this.#active]);
    }
  }

  #alone(number) {
    this.#chosen([this.#files.name(number)]);
    this.#dialog.close();
  }

  #merge(number) {
    this.#chosen(this.#files.merged(number));
    this.#fill();
  }

  #fill() {
    const wanted = this.#input.value.trim().toLowerCase();
    this.#found = this.#files.all.map((_, number) => number).filter((number) => this.#files.name(number).toLowerCase().includes(wanted));
    this.#found.sort((a, b) => Number(this.#host(a) > this.#host(b)) - Number(this.#host(a) < this.#host(b)) || a - b);
    const nodes = [];
    let group = null;
    let host = "";
    for (const number of this.#found.slice(0, SHOWN_MAX)) {
      if (this.#host(number) !== host || group === null) {
        host = this.#host(number);
        group = make("ul", "group");
        group.role = "group";
        if (host !== "") {
          const away = this.#files.all.some((file) => file.state === "away" && file.name.startsWith(`${host}/`));
          const name = make("li", "host");
          name.role = "presentation";
          name.append(make("span", `lamp ${away ? "bad" : "good"}`), host, away ? " · away" : "");
          group.append(name);
        }
        group.setAttribute("aria-label", host === "" ? "files" : host);
        nodes.push(group);
      }
      group.append(this.#option(number, host));
    }
    this.#list.replaceChildren(...nodes);
    this.#active = Math.min(this.#active, this.#found.length - 1);
    this.#point();
  }

  #host(number) {
    const name = this.#files.name(number);
    return name.startsWith("/") || !name.includes("/") ? "" : name.slice(0, name.indexOf("/"));
  }

  #option(number, host) {
    const file = this.#files.all[number];
    const option = make("li", `option ${this.#files.colour(number)}`);
    option.role = "option";
    option.id = `file-${number}`;
    option.dataset.number = number;
    option.setAttribute("aria-selected", String(this.#files.isShown(number)));
    const told = [file.unread > 0 ? `${count(file.unread)} new` : "", this.#files.stateWords(number), size(file.size)].filter(Boolean);
    const name = make("span", "name");
    name.textContent = host === "" ? file.name : file.name.slice(host.length + 1);
    const rest = make("span", "rest");
    rest.textContent = told.join(" · ");
    option.append(make("span", "dot"), name, rest);
    return option;
  }

  #point() {
    for (const option of this.#list.querySelectorAll(".active")) option.classList.remove("active");
    const number = this.#found[this.#active];
    const option = number === undefined ? null : document.getElementById(`file-${number}`);
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
