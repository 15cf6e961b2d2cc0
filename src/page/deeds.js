// The reader's deeds, by name: what keys, buttons and clicks do.

import * as copy from "./copy.js";
import { plain } from "./ansi.js";
import { ERROR, detect } from "./level.js";
import { ALL_LEVELS } from "./filter.js";
import { CHARS_MAX } from "./marks.js";
import { OPENED_MAX } from "./row.js";
import * as json from "./json.js";
import { turn } from "./scan.js";
import { SIZES, THEMES } from "./settings.js";
import { TIMES, TIME_WORDS, count } from "./time.js";

const TYPING_MS = 60;
// What an error looks like to the daemon; the page looks again.
const ERROR_LIKE =
  "(?i)\\b(err|error|fatal|crit|critical|severe|panic|emerg|alert|failure|exception|traceback|segfault|npm ERR!)\\b|level\"?[=:] ?\"?[56]0\\b|\" 5\\d\\d |Error:|Exception:|Out of memory|Segmentation fault|Failed with result|status=[1-9]|^<[0-3]>|^[EF]\\d{4} ";

const element = (id) => document.getElementById(id);
const after = (list, item) => list[(list.indexOf(item) + 1) % list.length];

export function deeds(page) {
  const { list, rows, ring, find, drawing, taste, panel } = page;
  const { marked, menu, far } = page;
  let seeking = null; // the search for an error that counts
  let wantsFurther = false; // whether the last search for an error ended at the first line held

  const all = {
    pause: () => {
      page.pause(!page.paused);
      panel.announcer.say(page.paused ? "paused" : "not paused any more");
    },
    filter: () => {
      element("header").classList.add("filtering");
      element("filter").focus();
      element("filter").select();
    },
    unfilter: () => {
      element("filter").value = "";
      page.set({ filter: "", from: null, to: null }, true);
    },
    find: () => find.open(),
    unfind: () => {
      find.close();
      element("log").focus({ preventScroll: true });
    },
    next: () => (find.text === "" ? find.open() : find.step(1)),
    previous: () => (find.text === "" ? find.open() : find.step(-1)),
    end: () => {
      if (page.paused) page.pause(false);
      if (page.settings.place !== null) return page.goToPlace(null);
      list.toEnd();
    },
    top: () => list.toTop(),
    menu: () => {
      const seq = place() ?? page.cursor;
      if (seq !== null && ring.has(seq)) menu.show(seq, true);
    },
    copyTold: (seq = page.cursor) => {
      if (seq !== null && ring.has(seq)) copy.put(marked.told(seq)).then(() => panel.toast("copied with file and time"));
    },
    link: async (seq = page.cursor) => {
      if (seq === null || !ring.has(seq)) return;
      const link = await page.linkTo(seq).catch(() => null);
      if (link === null) return panel.toast("this line has no link");
      await copy.put(link);
      panel.toast("link copied");
    },
    inPlace: (seq = page.cursor) => seq !== null && ring.has(seq) && page.showInPlace(seq),
    bookmark: (seq = page.cursor) => {
      if (seq === null || !ring.has(seq)) return;
      panel.toast(marked.toggle(seq) ? `marked: ${marked.all().length}` : "mark taken away");
      list.each((row, at) => drawing.mark(row, at));
      page.ticks.draw();
    },
    nextMarked: () => {
      const seq = marked.next(place());
      if (seq === null) return panel.toast("no line is marked: b marks one");
      page.point(seq);
      page.goTo(seq);
    },
    copyMarked: () => {
      const all = marked.all();
      if (all.length === 0) return panel.toast("no line is marked: b marks one");
      copy.put(all.map((seq) => marked.told(seq)).join("\n")).then(() => panel.toast(`${all.length} marked copied`));
    },
    goTo: () => page.askTime(),
    timeline: () => {
      taste.set({ timeline: element("stripbar").hidden });
      panel.look();
    },
    pick: () => page.picker.open(),
    watch: async () => {
      // Off, on, on with a tone.
      const { watch } = page.settings;
      if (watch && !taste.tone) {
        taste.set({ tone: true });
        page.set({ watch: true });
        return panel.toast("with a tone");
      }
      taste.set({ tone: false });
      page.set({ watch: !watch });
      panel.toast(watch ? "new lines are not told any more" : await page.bell.ask());
    },
    down: () => move(1),
    up: () => move(-1),
    open: (seq = page.cursor) => {
      if (seq === null || !ring.has(seq)) return;
      list.stop();
      if (ring.text(seq).event === "between") return all.around(seq);
      if (drawing.isFolded(seq)) return page.unfold(seq, true);
      if (!json.isLikely(String(ring.text(seq))) && ring.text(seq).length <= CHARS_MAX && ring.size(seq) > 1) return page.unfold(seq, false);
      if (!drawing.opened.has(seq)) drawing.opened.add(seq);
      else if (ring.text(seq).length > OPENED_MAX && !drawing.whole.has(seq)) drawing.whole.add(seq);
      else for (const kept of [drawing.opened, drawing.whole]) kept.delete(seq);
      if (list.wrap || drawing.opened.has(seq)) list.redrawRow(seq);
      else list.reset();
      list.reveal(seq);
    },
    around: (seq = page.cursor) => {
      if (seq === null) return;
      list.stop();
      page.point(seq);
      if (seq < ring.near) far.around(seq).catch((problem) => panel.toast(problem.message));
      else page.view.surround(seq);
    },
    copy: (seq = page.cursor) => {
      if (seq === null || !ring.has(seq) || typeof ring.text(seq) !== "string") return;
      const lines = ring.record(seq).map((other) => plain(ring.text(other)));
      copy.put(lines.join("\n")).then(() => panel.toast(lines.length === 1 ? "line copied" : `${lines.length} lines copied`));
    },
    fold: () => page.set({ fold: !page.settings.fold }),
    raw: () => page.set({ raw: !page.settings.raw }),
    order: () => {
      page.set({ arrival: !page.settings.arrival });
      panel.toast(page.settings.arrival ? "lines in order of arrival" : "lines in order of their times");
    },
    error: () => seekError(1),
    errorBefore: () => seekError(-1),
    mark: () => page.set({ marking: !page.settings.marking }),
    file: (n) => page.files.solo(n),
    wrap: () => {
      page.set({ wrap: !list.wrap });
      panel.announcer.say(list.wrap ? "long lines are wrapped" : "long lines are not wrapped");
    },
    time: () => {
      page.set({ time: after(TIMES, page.settings.time) });
      panel.toast(`times: ${TIME_WORDS[page.settings.time]}`);
    },
    colours: () => {
      page.set({ colours: !page.settings.colours });
      panel.announcer.say(page.settings.colours ? "colours on" : "colours off");
    },
    larger: () => resize(1),
    smaller: () => resize(-1),
    theme: () => {
      taste.set({ theme: after(THEMES, taste.theme) });
      panel.look();
      panel.toast(`theme: ${taste.theme}`);
    },
    save: async () => {
      const names = page.files.all.filter((_, n) => page.files.isShown(n)).map((file) => file.name);
      copy.download(await copy.text(rows, ring), copy.filename(names));
    },
    clear: () => page.clear(),
    help: () => element("keys").showModal(),
    escape: (target) => {
      element("header").classList.remove("sheeted");
      if (menu.isOpen) menu.shut();
      else if (target.closest("input")) {
        target.blur();
        element("header").classList.remove("filtering");
      } else if (far.looking !== null) far.stop();
      else if (find.isOpen) find.close();
      else if (page.settings.filter !== "") {
        all.unfilter();
      }
      element("log").focus({ preventScroll: true });
    },
  };

  // Where the keys begin: at the cursor, unless the reader has scrolled away from it.
  function place() {
    const { cursor } = page;
    // A fast hand presses again before the row that the first press went to is drawn.
    return cursor !== null && ring.has(cursor) && (list.isInSight(cursor) || list.anchor?.seq === cursor) ? cursor : null;
  }

  // The cursor goes a row up or down; it begins at the end or in sight.
  function move(step) {
    const from = place();
    const begin = list.follow ? rows.end - 1 : rows.row(list.firstInSight) + 1;
    let row = from === null ? begin : rows.row(from) + step;
    while (row > rows.start && row < rows.end - 1 && drawing.isHidden(rows.seq(row))) row += step;
    row = Math.max(rows.start, Math.min(rows.end - 1, row));
    if (row < rows.start || row >= rows.end) return;
    const seq = rows.seq(row);
    page.point(seq);
    list.goTo(seq);
    panel.announcer.say(page.spoken(seq));
  }

  // From record to record, among those that are shown.
  async function seekError(step) {
    const mine = (seeking = {});
    while (!page.errors.complete) {
      await turn();
      if (mine !== seeking) return;
    }
    const { found } = page.errors;
    const at = place();
    const from = at === null ? (list.follow ? ring.end : list.firstInSight) : ring.head(at);
    let row = found.row(from) + (step < 0 ? -1 : at !== null && found.has(from) ? 1 : 0);
    while (row >= found.start && row < found.end && !page.view.isRow(found.at(row))) row += step;
    if (row >= found.start && row < found.end) {
      wantsFurther = false;
      const seq = found.at(row);
      page.point(seq);
      list.goTo(seq);
      return panel.announcer.say(page.spoken(seq));
    }
    if (step > 0 || !page.older.hasMore) return panel.toast(step > 0 ? "no error further down" : "no error further up");
    if (!wantsFurther) {
      wantsFurther = true;
      return panel.toast(`no error further up in ${count(ring.lines)} lines held · E looks further back`);
    }
    wantsFurther = false;
    panel.toast("looking further back …");
    if (!(await page.findFurther({ grep: [ERROR_LIKE] }, ({ text, level }) => (level ?? detect(text)) === ERROR))) panel.toast("no error further back");
  }

  function resize(step) {
    const size = SIZES[SIZES.indexOf(taste.size) + step];
    if (size === undefined) return;
    taste.set({ size });
    panel.look();
  }

  wire(page, all);
  return all;
}

function fieldButtons(data) {
  const bar = document.createElement("span");
  bar.className = "field-deeds";
  Object.assign(bar.dataset, data);
  for (const [deed, words] of [["only", "only this"], ["not", "not this"], ["column", "as a column"], ["copy", "copy"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.deed = deed;
    button.textContent = words;
    bar.append(button);
  }
  return bar;
}

function wire(page, all) {
  const { list, menu, panel, ring, rows } = page;
  const buttons = {
    pause: all.pause, fresh: all.end, seek: all.find, next: all.next, previous: all.previous, unfind: all.unfind,
    time: all.time, wrap: all.wrap, colours: all.colours, smaller: all.smaller, larger: all.larger, theme: all.theme,
    clear: all.clear, save: all.save, help: all.help, older: () => page.further(), top: all.top,
    "error-up": all.errorBefore, "error-down": all.error, goto: all.goTo, timeline: all.timeline, bell: all.watch,
    unfilter: all.unfilter, emptied: () => page.set({ filter: "", levels: ALL_LEVELS, from: null, to: null, marking: false }, true),
    nearest: () => {
      const time = Number(element("nearest").dataset.time);
      page.set({ from: null, to: null }, true);
      page.goToTime(time);
    },
    pick: all.pick, pickall: () => page.set({ files: null }), unrange: () => page.set({ from: null, to: null }),
    openfilter: all.filter, "m-copy": () => all.copy(menu.seq), "m-stamp": () => all.copyTold(menu.seq),
    "m-link": () => all.link(menu.seq), "m-around": () => all.around(menu.seq), "m-place": () => all.inPlace(menu.seq),
    opensheet: () => {
      const open = element("header").classList.toggle("sheeted");
      element("opensheet").setAttribute("aria-expanded", String(open));
    },
    connection: () => page.connection.now(),
    hide: () => page.set({ marking: false }), mark: () => page.set({ marking: true }),
  };
  for (const [id, deed] of Object.entries(buttons)) element(id).addEventListener("click", () => deed());
  element("findbar").addEventListener("submit", (event) => event.preventDefault());

  let typing = null;
  const typed = () => {
    clearTimeout(typing);
    const filter = element("filter").value;
    if (filter !== page.settings.filter) page.set({ filter });
  };
  element("filter").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(typed, TYPING_MS);
  });
  // Who types and goes on at once has typed all the same.
  element("header").addEventListener("focusout", ({ relatedTarget }) => {
    if (!element("header").contains(relatedTarget)) element("header").classList.remove("filtering");
  });
  element("filter").addEventListener("blur", () => {
    typed();
    if (page.settings.filter !== "") {
      page.taste.used(page.settings.filter);
      panel.filters();
    }
  });
  element("filter").addEventListener("keydown", (event) => {
    if (event.key === "Enter") element("log").focus({ preventScroll: true });
  });

  element("levels").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-level]");
    if (chip === null) return;
    const bit = 1 << Number(chip.dataset.level);
    const { levels } = page.settings;
    if (!event.shiftKey) page.set({ levels: levels ^ bit });
    else page.set({ levels: levels === bit ? ALL_LEVELS : bit });
  });
  element("levels").addEventListener("dblclick", (event) => {
    const chip = event.target.closest("[data-level]");
    if (chip !== null && !event.shiftKey) page.set({ levels: 1 << Number(chip.dataset.level) });
  });

  element("pane").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row === null || !getSelection().isCollapsed || event.target.closest("a, summary")) return;
    const seq = Number(row.dataset.seq);
    if (fieldDeed(event.target)) return list.invalidate();
    page.point(seq);
    if (event.pointerType !== "mouse" && event.detail === 1 && !event.target.closest("button")) menu.show(seq);
    if (event.target.closest(".around-button, .between")) all.around(seq);
    else if (event.target.closest(".long, .unfold") || (row.querySelector("button.fold") && event.target.closest(".gutter"))) all.open(seq);
  });
  // A key of a tree offers four deeds, each once.
  const fieldDeed = (target) => {
    const key = target.closest("button.key");
    if (key !== null) {
      const open = key.parentElement.querySelector(".field-deeds");
      if (open !== null) open.remove();
      else key.parentElement.append(fieldButtons(key.dataset));
      return true;
    }
    const button = target.closest(".field-deeds button");
    if (button === null) return false;
    const { path, value } = button.parentElement.dataset;
    const term = /\s/.test(value) || value === "" ? null : `${path}:${value}`;
    const filtered = (added) => page.set({ filter: `${page.settings.filter} ${added}`.trim() });
    if (button.dataset.deed === "copy") copy.put(value).then(() => panel.toast("value copied"));
    else if (button.dataset.deed === "column") page.columns.add(path);
    else filtered(`${button.dataset.deed === "not" ? "-" : ""}${term ?? JSON.stringify(value).replaceAll("\\", "")}`);
    return true;
  };

  // A tree's branches change the height of its row.
  element("pane").addEventListener("toggle", () => list.invalidate(), true);

  document.addEventListener("copy", (event) => {
    if (event.target.closest?.("input, textarea")) return;
    const text = copy.selected(element("pane"), rows, ring);
    if (text === null) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });

  // A clicked button would keep the focus, and Space would press it again rather than pause.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (document.activeElement?.matches("input")) return;
    if (event.detail > 0 && button && !button.closest("dialog, form")) element("log").focus({ preventScroll: true });
  });

  element("tokenform").addEventListener("submit", (event) => {
    event.preventDefault();
    // The fragment is the view; a plain form would lose it.
    location.assign(`./?token=${encodeURIComponent(element("tokeninput").value)}${location.hash}`);
  });
}
