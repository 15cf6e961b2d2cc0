// The reader's deeds, by name: what keys, buttons and clicks do.

import * as copy from "./copy.js";
import { plain } from "./ansi.js";
import { ERROR } from "./level.js";
import { ALL_LEVELS } from "./filter.js";
import { CHARS_MAX } from "./marks.js";
import { OPENED_MAX } from "./row.js";
import * as json from "./json.js";
import { turn } from "./scan.js";
import { SIZES, THEMES } from "./settings.js";
import { TIMES, TIME_WORDS } from "./time.js";

const TYPING_MS = 60;
const SEEK_ROWS = 1000;

const element = (id) => document.getElementById(id);
const after = (list, item) => list[(list.indexOf(item) + 1) % list.length];

export function deeds(page) {
  const { list, rows, ring, find, drawing, taste, panel } = page;
  let seeking = null; // the search for an error that counts

  const all = {
    pause: () => page.pause(!page.paused),
    filter: () => element("filter").select(),
    find: () => find.open(),
    unfind: () => {
      find.close();
      element("log").focus({ preventScroll: true });
    },
    next: () => (find.text === "" ? find.open() : find.step(1)),
    previous: () => (find.text === "" ? find.open() : find.step(-1)),
    end: () => {
      if (page.paused) page.pause(false);
      list.toEnd();
    },
    top: () => list.toTop(),
    down: () => move(1),
    up: () => move(-1),
    open: (seq = page.cursor) => {
      if (seq === null || !ring.has(seq)) return;
      list.stop();
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
      page.view.surround(seq);
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
    wrap: () => page.set({ wrap: !list.wrap }),
    time: () => {
      page.set({ time: after(TIMES, page.settings.time) });
      panel.toast(`times: ${TIME_WORDS[page.settings.time]}`);
    },
    colours: () => page.set({ colours: !page.settings.colours }),
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
      if (target.closest("input")) target.blur();
      else if (find.isOpen) find.close();
      else if (page.settings.filter !== "") {
        element("filter").value = "";
        page.set({ filter: "" });
      }
      element("log").focus({ preventScroll: true });
    },
  };

  // Where the keys begin: at the cursor, unless the reader has scrolled away from it.
  function place() {
    return page.cursor !== null && ring.has(page.cursor) && list.isInSight(page.cursor) ? page.cursor : null;
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

  // From record to record. Levels are worked out as it goes, which takes its time where there is no error far and wide.
  async function seekError(step) {
    const mine = (seeking = {});
    const at = place();
    const from = at === null ? (list.follow ? ring.end : list.firstInSight) : ring.head(at);
    let row = rows.row(from) + (step < 0 || at !== null ? step : 0);
    for (; row >= rows.start && row < rows.end; row += step) {
      if (row % SEEK_ROWS === 0) await turn();
      if (mine !== seeking) return;
      const seq = rows.seq(row);
      if (ring.has(seq) && ring.head(seq) === seq && ring.level(seq) === ERROR) {
        page.point(seq);
        list.goTo(seq);
        return panel.announcer.say(page.spoken(seq));
      }
    }
    panel.toast(step > 0 ? "no error further down" : "no error further up");
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

function wire(page, all) {
  const { list, ring, rows } = page;
  const buttons = {
    pause: all.pause, fresh: all.end, seek: all.find, next: all.next, previous: all.previous, unfind: all.unfind,
    time: all.time, wrap: all.wrap, colours: all.colours, smaller: all.smaller, larger: all.larger, theme: all.theme,
    clear: all.clear, save: all.save, help: all.help, older: () => page.older.fetch(),
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
  element("filter").addEventListener("blur", typed);
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
    page.point(seq);
    if (event.target.closest(".around-button")) all.around(seq);
    else if (event.target.closest(".long, .unfold") || (row.querySelector("button.fold") && event.target.closest(".gutter"))) all.open(seq);
  });
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
    if (event.detail > 0 && button && !button.closest("dialog, form")) element("log").focus({ preventScroll: true });
  });

  element("tokenform").addEventListener("submit", (event) => {
    event.preventDefault();
    // The fragment is the view; a plain form would lose it.
    location.assign(`./?token=${encodeURIComponent(element("tokeninput").value)}${location.hash}`);
  });
}
