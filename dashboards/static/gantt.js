// A Gantt chart: a lane for each worker, a bar for each trial; its looks are in gantt.css.

import { element } from "./dom.js";
import { node } from "./panels.js";

const LANE = 18; // pixels
const AXIS = 22;
const LINES = { stopped: "M-1 1l2 -2M0 6l6 -6M5 7l2 -2", failed: "M0 0l6 6M0 6l6 -6" };
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

export class Gantt {
  /** `compact`: for a panel beside others. */
  constructor(box, { compact = false } = {}) {
    this.box = box;
    this.lane = compact ? 14 : LANE;
    this.names = element("ol", { className: "gantt-names" });
    this.plot = element("div", { className: "gantt-plot" });
    this.scroll = element("div", { className: "gantt-scroll", tabIndex: 0 }, this.names, this.plot);
    this.scroll.setAttribute("role", "group");
    this.legend = element("ul", { className: "legend" });
    this.note = element("p", { className: "muted small" });
    box.classList.add("gantt");
    box.classList.toggle("compact", compact);
    box.replaceChildren(this.scroll, this.legend, this.note);
    new ResizeObserver(() => this.draw()).observe(this.plot);
    setInterval(() => !document.hidden && this.json?.alive && this.running() && this.draw(), 5000);
  }

  /** `json` is the answer of `/workers`; `now` is the server's clock, in seconds, if it is known. */
  update(json, now = Date.now() / 1000) {
    this.json = json;
    this.ahead = now - Date.now() / 1000; // of the reader's clock
    this.workers = json.workers.map((worker) => ({ ...worker, name: worker.id ?? "no report yet", lanes: lanes(worker.spans) }));
    const used = new Set(json.workers.flatMap((worker) => worker.spans.map((span) => span[2])));
    this.legend.replaceChildren(
      ...[...used].sort().map((code) => element("li", {}, element("span", { className: `dot ${json.states[code]}` }), this.state(code))),
    );
    const count = json.workers.reduce((sum, worker) => sum + worker.spans.length, 0);
    const known = json.workers.filter((worker) => worker.id !== null).length;
    const left = json.left_out ? `; ${json.left_out} earlier ones are left out` : "";
    const where = known ? ` on ${known} worker${known === 1 ? "" : "s"}` : ", of which no worker has told anything yet";
    this.note.textContent = count ? `${count} trial${count === 1 ? "" : "s"}${where}${left}` : "No trial was begun in this time.";
    this.scroll.hidden = !count;
    this.scroll.setAttribute("aria-label", `Gantt chart of workers: ${this.note.textContent}`);
    this.draw();
  }

  state(code) {
    const name = this.json.states[code];
    return name === "waiting" ? "interrupted, waits to go on" : name === "stopped" ? "stopped early" : name;
  }

  running() {
    return this.json.workers.some((worker) => worker.spans.some((span) => span[1] === null));
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!this.json?.workers.length || !width) return;
    const [low, high] = this.extent();
    const x = (at) => ((Math.max(low, at) - low) / (high - low)) * (width - 2);
    const height = this.workers.reduce((sum, worker) => sum + worker.lanes.count * this.lane + 6, 0);
    const svg = node("svg", { width, height: height + AXIS, "aria-hidden": "true" });
    svg.append(patterns());
    const marks = ticks(low, high, width);
    const span = marks.some((at) => at % 60) ? high - low : Math.max(high - low, 3600); // whole minutes
    for (const at of marks) {
      const text = clock(at, span);
      const half = 3.5 * text.length; // pixels, of what the edge shall not cut
      svg.append(node("line", { class: "tick", x1: x(at), x2: x(at), y1: 0, y2: height }));
      const label = node("text", { class: "tick", x: Math.min(width - half, Math.max(half, x(at))), y: height + 15 });
      label.textContent = text;
      svg.append(label);
    }
    let top = 0;
    for (const worker of this.workers) {
      worker.spans.forEach((span, i) => {
        const y = top + 2 + worker.lanes.of[i] * this.lane;
        svg.append(this.bar(span, worker, x, y, high));
      });
      top += worker.lanes.count * this.lane + 6;
    }
    this.plot.replaceChildren(svg);
    this.names.replaceChildren(
      ...this.workers.map((worker) => {
        const item = element("li", { title: [worker.name, worker.device].filter(Boolean).join(" · ") }, worker.name);
        item.style.height = `${worker.lanes.count * this.lane + 6}px`;
        return item;
      }),
    );
  }

  bar([begin, end, code, number, failures], worker, x, y, high) {
    const left = x(begin);
    const state = this.json.states[code];
    const link = node("a", { href: `/s/${this.json.study}/trials/${number}`, tabindex: -1 });
    const box = { x: left, y, width: Math.max(1.5, x(end ?? high) - left - 0.5), height: this.lane - 3, rx: 2 };
    link.append(node("rect", { ...box, class: `bar-of ${state}${failures ? " again" : ""}` }));
    if (state in LINES) link.append(node("rect", { ...box, class: "over", fill: `url(#over-${state})` }));
    const title = node("title");
    const spent = (end ?? high) - begin;
    const again = failures ? `, after ${failures} failed attempt${failures === 1 ? "" : "s"}` : "";
    title.textContent = `#${number} ${this.state(code)}${again}, ${clock(begin, 0)} for ${long(spent)}${end === null ? " so far" : ""}, ${worker.name}`;
    link.append(title);
    return link;
  }

  extent() {
    const { until, from, alive } = this.json;
    const spans = this.json.workers.flatMap((worker) => worker.spans);
    const high = alive && this.running() ? Math.max(until, this.ahead + Date.now() / 1000) : until;
    const low = Math.max(from ?? -Infinity, Math.min(...spans.map((span) => span[0])));
    return [low, Math.max(high, low + 1)];
  }
}

/** Lines over the colour of a state, for who does not tell the colours apart. */
function patterns() {
  const found = node("defs");
  for (const [state, d] of Object.entries(LINES)) {
    const pattern = node("pattern", { id: `over-${state}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" });
    pattern.append(node("path", { d, stroke: "#111", "stroke-opacity": 0.55, fill: "none" }));
    found.append(pattern);
  }
  return found;
}

/** Bars that lie over each other in time are put in lanes of their own: {of: lane of each, count}. */
function lanes(spans) {
  const free = []; // when each lane is
  const of = spans.map(([begin, end]) => {
    let lane = free.findIndex((at) => at <= begin + 0.5);
    if (lane < 0) lane = free.length;
    free[lane] = end ?? Infinity;
    return lane;
  });
  return { of, count: Math.max(1, free.length) };
}

function ticks(low, high, width) {
  const most = Math.max(2, width / 90);
  const step = STEPS.find((one) => (high - low) / one <= most) ?? 86400 * Math.ceil((high - low) / most / 86400);
  const shift = new Date(low * 1000).getTimezoneOffset() * 60; // whole hours of the reader's clock
  const found = [];
  for (let at = Math.ceil((low - shift) / step) * step + shift; at <= high; at += step) found.push(at);
  return found;
}

/** A time of the reader's clock, as exact as a chart of `span` seconds needs it. */
export function clock(at, span) {
  const when = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const time = `${two(when.getHours())}:${two(when.getMinutes())}`;
  if (span > 2 * 86400) return `${when.getDate()}.${when.getMonth() + 1}. ${time}`;
  return span > 600 ? time : `${time}:${two(when.getSeconds())}`;
}

/** A span of time in one unit, as numbers.py writes it. */
export function long(seconds) {
  if (seconds < 100) return `${seconds.toFixed(seconds > 0 && seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
