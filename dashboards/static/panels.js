// Tables that draw: a heading, rows of cells, a meter or a spread in a cell.

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** Fill `table` with `headings` and a row of `cells(one)` for each of `some`; nothing of none. */
export function rows(table, headings, some, cells) {
  const head = headings.map((text, i) => element("th", { scope: "col", className: i ? "number" : "" }, text));
  table.replaceChildren(
    ...(some.length ? [element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...some.map((one) => element("tr", {}, ...cells(one))))] : []),
  );
}

/** A bar of a share of 0 to 1; its number stands beside it. */
export function meter(share, kind = "") {
  const bar = element("span", { className: `meter ${kind}` });
  bar.style.width = `${(100 * Math.max(0, Math.min(1, share))).toFixed(1)}%`;
  bar.setAttribute("aria-hidden", "true");
  return bar;
}

/** Five numbers as a box with whiskers, on a scale from `from` to `to`. */
export function spread({ low, q1, median, q3, high }, from, to) {
  const x = (value) => (to > from ? (100 * (value - from)) / (to - from) : 50);
  const svg = node("svg", { class: "spread", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = (x1, x2, y1, y2, kind = "") => node("line", { x1, x2, y1, y2, class: kind });
  svg.append(
    line(x(low), x(high), 10, 10),
    line(x(low), x(low), 6, 14),
    line(x(high), x(high), 6, 14),
    node("rect", { x: x(q1), width: Math.max(0.4, x(q3) - x(q1)), y: 3, height: 14 }),
    line(x(median), x(median), 2, 18, "median"),
  );
  return svg;
}

export function node(tag, properties = {}) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  return made;
}
