// A table of modules and places, coloured; its looks are in heatmap.css. It is its own text.

import { element } from "./dom.js";

const STOPS = ["#b35806", "#f1a340", "#f7f7f7", "#67a9cf", "#0b559f"].map(channels); // -1 to 1
const FEW = 3; // trials: less say little
const UNITS = { gain: "points over nothing there", front: "of the front have it there", n: "trials have it there", together: "members of the front have both" };

export class Heatmap {
  /** `compact`: numbers alone, for a panel beside others. */
  constructor(box, { compact = false } = {}) {
    this.box = box;
    this.compact = compact;
    this.table = element("table", { className: `heat${compact ? " compact" : ""}` });
    this.scroll = element("div", { className: "heat-scroll", tabIndex: 0 }, this.table);
    this.scroll.setAttribute("role", "group");
    this.scroll.setAttribute("aria-label", "Heat map of modules and places");
    this.scale = element("p", { className: "heat-scale muted small" });
    this.said = element("p", { className: "heat-said muted small" });
    box.replaceChildren(this.scroll, this.scale, ...(compact ? [] : [this.said]));
    this.table.addEventListener("pointerover", (event) => this.say(event.target.closest("td")));
    this.last = "";
  }

  /** `json` is the answer of `/heatmap`. */
  update(json) {
    const text = JSON.stringify(json);
    if (text === this.last) return;
    [this.last, this.json] = [text, json];
    const at = [this.scroll.scrollLeft, this.scroll.scrollTop];
    const empty = !json.trials || !json.modules.length;
    this.box.classList.toggle("none", empty);
    this.scroll.hidden = empty;
    const sizes = this.certain().map(Math.abs).sort((a, b) => a - b);
    const [largest, usual] = [sizes.at(-1) ?? 0, sizes[Math.floor(sizes.length * 0.9)] ?? 0];
    this.most = Math.max((json.metric === "gain" && Math.min(largest, 2 * usual)) || largest, 1e-9);
    this.beyond = largest > this.most; // one place that breaks a network shall not pale all the rest
    this.table.replaceChildren(...(empty ? [] : [this.caption(), this.head(), this.body()]));
    this.legend(empty);
    this.said.textContent = empty ? "" : "Point at a cell to read it in words.";
    [this.scroll.scrollLeft, this.scroll.scrollTop] = at;
  }

  /** The values that the scale is made for: one odd trial shall not pale all the rest. */
  certain() {
    const { value, n, metric } = this.json;
    const all = value.flatMap((row, m) => row.map((v, p) => [v, n[m][p]])).filter(([v]) => v !== null);
    const many = metric === "gain" ? all.filter(([, count]) => count >= FEW) : all;
    return (many.length ? many : all).map(([v]) => v);
  }

  caption() {
    const { metric, trials, modules, places } = this.json;
    const text = `${modules.length} modules at ${places.length} places, of ${trials} fully trained trials: ${UNITS[metric]}${this.alone()}`;
    return element("caption", { className: "unseen", textContent: text });
  }

  head() {
    const corner = element("td", { className: "corner" });
    const cells = this.json.places.map((place, i) =>
      element("th", { scope: "col", title: this.json.paths[i] }, element("span", {}, place)),
    );
    return element("thead", {}, element("tr", {}, corner, ...cells));
  }

  body() {
    const { modules, value } = this.json;
    const rows = modules.map((module, m) =>
      element("tr", {}, element("th", { scope: "row", title: module }, module), ...value[m].map((_, p) => this.cell(m, p))),
    );
    return element("tbody", {}, ...rows);
  }

  cell(m, p) {
    const { value, n, metric } = this.json;
    const v = value[m][p];
    const cell = element("td", { title: this.words(m, p) });
    Object.assign(cell.dataset, { m, p });
    if (v === null || !n[m][p]) {
      cell.className = "empty";
      cell.textContent = "·";
      return cell;
    }
    cell.append(element("b", {}, written(metric, v)));
    if (!this.compact && metric !== "n" && metric !== "together") cell.append(element("small", {}, `n ${n[m][p]}`));
    paint(cell, Math.max(-1, Math.min(1, v / this.most)), this.faint(m, p));
    if (metric === "gain" && n[m][p] < FEW) cell.classList.add("few");
    return cell;
  }

  /** Whether noise alone may have made this gain. */
  faint(m, p) {
    const { value, error, n, metric } = this.json;
    if (metric !== "gain") return false;
    return n[m][p] < FEW || error[m][p] === null || Math.abs(value[m][p]) < error[m][p];
  }

  words(m, p) {
    const { modules, places, value, error, n, nothing, metric, front } = this.json;
    const where = `${modules[m]} at ${places[p]}`;
    const count = n[m][p];
    if (metric === "together") return `${modules[m]} ${m === p ? "" : `and ${modules[p]} `}on ${count} of the front's ${front}`;
    if (!count) return `${where}: on none of these trials`;
    if (metric === "n") return `${where}: ${trials(count)}; ${trials(nothing[p])} with nothing there`;
    if (metric === "front") return `${where}: on ${count} of the front's ${front}; ${nothing[p]} have nothing there`;
    const v = value[m][p];
    if (v === null) return `${where}: ${trials(count)}, none with nothing there to compare with`;
    const noise = error[m][p] === null ? "standard error unknown" : `standard error ${error[m][p].toFixed(2)}`;
    const doubt = count < FEW ? "; too few to say" : this.faint(m, p) ? "; may be noise" : "";
    return `${where}: ${written("gain", v)} points, ${noise}${doubt}; ${trials(count)}, ${nothing[p]} with nothing there`;
  }

  say(cell) {
    if (cell?.dataset.m) this.said.textContent = this.words(Number(cell.dataset.m), Number(cell.dataset.p));
  }

  legend(empty) {
    const { metric, trials: count } = this.json;
    if (empty) {
      this.scale.textContent = count ? "No module stands anywhere yet." : "Begins with the first fully trained trial.";
      return;
    }
    const signed = metric === "gain";
    const ramp = element("span", { className: `ramp${signed ? " signed" : ""}` });
    const ends = [signed ? -this.most : 0, this.most].map((v) => element("span", {}, written(metric, v)));
    const faint = signed && !this.compact ? "; pale: within one standard error, or less than 3 trials" : "";
    this.scale.replaceChildren(ends[0], ramp, ends[1], element("span", {}, `${UNITS[metric]}${this.beyond ? ", or beyond" : ""}${faint}${this.alone()}`));
  }

  /** Which backbone it is, where trials have several. */
  alone() {
    const { backbone, backbones = [] } = this.json;
    return this.compact && backbones.length > 1 ? `; of trials on ${backbone}` : "";
  }
}

function trials(count) {
  return `${count} trial${count === 1 ? "" : "s"}`;
}

export function written(metric, value) {
  if (metric === "front") return `${Math.round(value)} %`;
  if (metric !== "gain") return Math.round(value).toLocaleString("en");
  const text = Math.abs(value).toFixed(2);
  return `${text === "0.00" ? "±" : value < 0 ? "−" : "+"}${text}`;
}

/** Colour a cell by a share of -1 to 1; letters are dark or white, whichever reads better. */
function paint(cell, share, faint) {
  const rgb = ramp(share);
  const background = `rgb(${rgb.join(" ")})`;
  if (faint) {
    cell.classList.add("faint");
    cell.style.background = `color-mix(in srgb, ${background} 22%, var(--card))`;
    return;
  }
  cell.style.background = background;
  cell.style.color = luminance(rgb) > 0.18 ? "#111" : "#fff";
}

function ramp(share) {
  const place = (Math.max(-1, Math.min(1, share)) + 1) * 2;
  const low = Math.min(3, Math.floor(place));
  return STOPS[low].map((from, i) => Math.round(from + (STOPS[low + 1][i] - from) * (place - low)));
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
