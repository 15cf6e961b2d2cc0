// "Go to": a time that a reader types, and what is there.

import { moment } from "./moment.js";
import { format } from "./time.js";

const element = (id) => document.getElementById(id);

export class Moments {
  #page;

  constructor(page) {
    this.#page = page;
    element("moment").addEventListener("input", () => this.#look());
    element("timesform").addEventListener("submit", (event) => {
      const time = moment(element("moment").value);
      if (Number.isNaN(time)) return event.preventDefault();
      page.goToTime(time);
    });
    element("moment-close").addEventListener("click", () => element("times").close());
    element("moment-near").addEventListener("click", () => {
      element("times").close();
      page.goToTime(Number(element("moment-near").dataset.time));
    });
  }

  open() {
    element("moment").value = "";
    this.#look();
    element("times").showModal();
    element("moment").focus();
  }

  // Says which time is meant, and which held line is nearest to it.
  #look() {
    const typed = element("moment").value;
    const time = moment(typed);
    const known = !Number.isNaN(time);
    element("moment").setAttribute("aria-invalid", String(typed !== "" && !known));
    element("moment-go").disabled = !known;
    element("moment-said").textContent = known
      ? new Date(time).toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" })
      : typed === "" ? "A time of day, a date, yesterday 14:00, or -30m." : "That is no time: 03:15, yesterday 14:00, 2026-11-28 03:15, -30m";
    const near = known ? this.nearest(time) : 0;
    element("moment-near").hidden = near === 0 || Math.abs(near - time) < 1000;
    element("moment-near").dataset.time = near;
    element("moment-near").textContent = `the nearest line held: ${format(near, "local").replace(/\.\d+/, "")}`;
  }

  // The time of the held line that is nearest to one; 0 where none has a time.
  nearest(time) {
    const { ring } = this.#page;
    let best = 0;
    for (let seq = ring.near; seq < ring.end; seq++) {
      const at = ring.time(seq);
      if (at > 0 && (best === 0 || Math.abs(at - time) < Math.abs(best - time))) best = at;
    }
    return best;
  }
}
