// What all charts share: set-up, theme, size, how numbers are written.

import { colour, element } from "./dom.js";

const drawn = new Set(); // charts on the page, redrawn when the theme changes
document.addEventListener("theme", () => drawn.forEach((chart) => chart.draw()));

/** An ECharts chart in `box`, kept at its size; `draw` is called again when the theme changes. */
export function chartIn(box, draw) {
  const chart = echarts.init(box, null, { renderer: "canvas" });
  const sizes = new ResizeObserver(() => chart.resize());
  sizes.observe(box);
  const entry = { draw };
  drawn.add(entry);
  return {
    chart,
    dispose() {
      drawn.delete(entry);
      sizes.disconnect();
      chart.dispose();
    },
  };
}

/** The colours of the theme, by their names in app.css. */
export function palette() {
  const names = ["fg", "muted", "line", "card", "front", "area", "baseline", "dominated", "stopped", "live", "waiting"];
  return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/** The looks of an axis. */
export function axisLook(colours) {
  return {
    nameTextStyle: { color: colours.muted, fontSize: 12 },
    axisLabel: { color: colours.muted, fontSize: 12, hideOverlap: true },
    axisLine: { onZero: false, lineStyle: { color: colours.line } },
    axisTick: { lineStyle: { color: colours.line } },
    splitLine: { lineStyle: { color: colours.line } },
  };
}

/** The looks of a tooltip. `content(parameters)` gives [title, ...lines]; they stay text. */
export function tooltip(colours, content, trigger = "item") {
  return {
    trigger,
    confine: true,
    backgroundColor: colours.card,
    borderColor: colours.line,
    textStyle: { color: colours.fg },
    axisPointer: { type: "line", lineStyle: { color: colours.muted } },
    transitionDuration: 0,
    formatter(parameters) {
      const [title, ...lines] = content(parameters);
      return element("div", { className: "tip" }, element("b", {}, title), ...lines.map((line) => element("div", {}, line)));
    },
  };
}

/** A colour between two, `share` of the way. */
export function mix(from, to, share) {
  const [a, b] = [from, to].map((one) => one.match(/[\d.]+/g).slice(0, 3).map(Number));
  return `rgb(${a.map((value, i) => Math.round(value + (b[i] - value) * share)).join(" ")})`;
}

export const percent = (value) => `${value.toFixed(2)} %`;

/** So many significant digits, trailing zeros kept. */
export function significant(value, digits) {
  if (value === 0) return "0";
  const text = Math.abs(value) >= 10 ** digits ? Math.round(value).toString() : Number(value).toPrecision(digits);
  return text.includes("e") ? Number(text).toString() : text;
}

/** A cost of the axis `id`, with its unit. */
export function costText(id, value) {
  if (id === "gflops") return `${significant(value, 4)} GFLOPs`;
  if (id === "extra") return `${value < 0 ? "−" : "+"}${significant(Math.abs(value), 3)} % GFLOPs`;
  if (id === "latency") return `${significant(value, 3)} ms`;
  if (id === "memory") return `${significant(value, 3)} MB`;
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${significant(value / size, 4)} ${unit} parameters`;
  }
  return `${value} parameters`;
}

/** A distance between ticks: 1, 2 or 5 times a power of ten. */
export function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/** `[low, high, step]`: widened to whole steps. */
export function niceExtent(low, high, count = 6) {
  if (!(high > low)) {
    const room = Math.abs(low) * 0.01 || 1;
    [low, high] = [low - room, high + room];
  }
  const step = niceStep(high - low, count);
  const clean = (value) => Number(value.toPrecision(12));
  return [clean(Math.floor(low / step) * step), clean(Math.ceil(high / step) * step), step];
}
