// Tables that draw: a heading, rows of cells, a meter or a spread in a cell.

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** Fill `table` with `headings` and a row of `cells(one)` for each of `some`; nothing of none.
 *  A heading in brackets is only read aloud. */
export function rows(table, headings, some, cells) {
  const body = some.map((one) => element("tr", {}, ...cells(one)));
  const said = (text) => (Array.isArray(text) ? element("span", { className: "unseen" }, text[0]) : text);
  const head = headings.map((text, i) => element("th", { scope: "col", className: body[0]?.children[i].className ?? "" }, said(text)));
  table.parentElement.hidden = !body.length;
  table.replaceChildren(...(body.length ? [element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)] : []));
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
  const left = Math.max(0, x(low)); // a whisker that goes on has no end
  svg.append(
    line(left, x(high), 10, 10),
    ...(x(low) < 0 ? [] : [line(left, left, 6, 14)]),
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

/** Bars side by side, from 0 to the highest or `most`; `said(i)` is what one says, `whole` all. */
export function bars(values, said, whole, most = Math.max(...values, 1e-9)) {
  const svg = node("svg", { class: "bars", viewBox: `0 0 ${values.length} 40`, preserveAspectRatio: "none", role: "img", "aria-label": whole });
  values.forEach((value, i) => {
    const height = (38 * value) / most;
    const bar = node("rect", { x: i + 0.08, width: 0.84, y: 40 - height, height });
    const title = node("title");
    title.textContent = said(i);
    bar.append(title);
    svg.append(bar);
  });
  return svg;
}

/** Figures: [what, figure, words] each. */
export function tiles(box, some) {
  box.replaceChildren(
    ...some.map(([what, figure, words]) =>
      element("section", { className: "card tile" }, element("h2", {}, what), element("p", { className: "big" }, figure), element("p", { className: "muted" }, words)),
    ),
  );
}

/** Parts of a whole side by side: [kind, value] each, of `most`; their numbers stand beside. */
export function stack(parts, most) {
  const box = element("span", { className: "stack" });
  box.setAttribute("aria-hidden", "true");
  for (const [kind, value] of parts.filter(([, part]) => part > 0)) {
    const part = element("span", { className: kind });
    part.style.width = `${((100 * value) / most).toFixed(2)}%`;
    box.append(part);
  }
  return box;
}

/** A value with its interval, on a scale from `from` to `to`. */
export function interval(value, low, high, from, to) {
  const x = (at) => (100 * (at - from)) / (to - from);
  const svg = node("svg", { class: "spread", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = (x1, x2, y1, y2, kind = "") => node("line", { x1, x2, y1, y2, class: kind });
  svg.append(line(x(0), x(0), 0, 20, "zero"), line(x(low), x(high), 10, 10), line(x(low), x(low), 6, 14), line(x(high), x(high), 6, 14), line(x(value), x(value), 3, 17, "median"));
  return svg;
}
