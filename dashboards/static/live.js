// Asks again and again: soon while something changes, seldom while nothing does, never while hidden.

import { byId } from "./dom.js";

const SOON = 2000; // milliseconds
const SELDOM = 15000;
const REST = 500; // at least, after an answer
const PATIENCE = 10000; // for one answer

/** `ask(signal)` resolves to whether something had `changed`, and whether a search is `alive`: then
 *  it is asked soon again, too, as something may change any moment. */
export class Live {
  constructor(ask) {
    this.ask = ask;
    this.wait = SOON;
    this.answered = Date.now();
    this.trouble = null;
    this.timer = null;
    this.asking = this.again = false;
    this.alive = byId("study")?.dataset.alive === "1";
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else this.now();
    });
    setInterval(() => this.show(), 1000);
    this.later();
  }

  now() {
    this.wait = SOON;
    this.pause();
    return this.turn();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  /** The next turn, `already` so many milliseconds after the last began. */
  later(already = 0) {
    this.pause();
    if (document.hidden) return;
    const jitter = 0.9 + 0.2 * Math.random(); // tabs opened at once shall not ask at once
    this.timer = setTimeout(() => this.turn(), Math.max(REST, this.wait * jitter - already));
  }

  async turn() {
    this.again = this.asking; // asked for while one is under way: at once afterwards
    if (this.asking) return;
    this.asking = true;
    const began = Date.now();
    try {
      const told = await this.ask(AbortSignal.timeout(PATIENCE));
      const { changed, alive = heard.alive } = typeof told === "object" ? told : { changed: told };
      this.alive = alive ?? this.alive;
      this.answered = Date.now();
      this.trouble = null;
      this.wait = changed || this.alive ? SOON : Math.min(SELDOM, this.wait * 1.5);
    } catch (error) {
      this.trouble = error;
      this.wait = Math.min(SELDOM, this.wait * 1.5);
    } finally {
      this.asking = false;
      this.show();
      if (this.again) this.now();
      else this.later(Date.now() - began);
    }
  }

  show() {
    const seconds = Math.round((Date.now() - this.answered) / 1000);
    const banner = byId("stale");
    const pulse = byId("pulse");
    banner.hidden = !this.trouble;
    const text = this.trouble ? `Last answer ${seconds} s ago, retrying` : "";
    if (banner.textContent !== text) banner.textContent = text;
    if (!pulse) return;
    pulse.dataset.state = this.trouble ? "stale" : this.alive ? "live" : "rest";
    pulse.querySelector(".text").textContent = this.trouble
      ? "no answer"
      : `${this.alive ? "searching" : "at rest"} · ${seconds < 2 ? "now" : `${seconds} s ago`}`;
  }
}

const heard = { alive: undefined }; // with the last answer that said nothing else

/** The answer of `url`; 204 is null. Who lacks the token is asked for it. */
export async function read(url, signal, kind = "json") {
  const answer = await fetch(url, { signal, headers: { Accept: kind === "json" ? "application/json" : "text/html" } });
  if (answer.headers.has("Foveate-Alive")) heard.alive = answer.headers.get("Foveate-Alive") === "1";
  if (answer.status === 204) return null;
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return kind === "json" ? answer.json() : answer.text();
}
