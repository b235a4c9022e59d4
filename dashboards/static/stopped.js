// Early stopping, drawn: what it saved, who came how far, whom it may have cost.

import { percent, significant } from "./charts.js";
import { byId, element } from "./dom.js";
import { long } from "./gantt.js";
import { interval, rows, stack, tiles } from "./panels.js";

/** `found` is the answer of `/stops`; the pages of its trials are below `home`, if there are any. */
export function drawStops(found, home = null) {
  drawTiles(found);
  drawSurvivors(found.survivors);
  drawCorrelation(found);
  byId("winners-what").textContent = found.winners.length
    ? `${count(found.would, "stopped trial")} would be on the front at what was expected${some(found.winners, found.would)}`
    : found.expected
      ? "no stopped trial was expected to reach the front"
      : "of no stopped trial it is known what was expected";
  byId("nearest-what").textContent = found.nearest.length ? "stopped trials that missed the accuracy which would have passed by the least" : "of no stopped trial the threshold is known";
  drawMisses(byId("winners"), found.winners, found.epochs, home);
  drawMisses(byId("nearest"), found.nearest, found.epochs, home);
}

function drawTiles({ saved, would, expected, correlation, front }) {
  const first = correlation.find((one) => one.rho !== null);
  const gpu = saved.devices.length > 0 && !saved.devices.includes("cpu");
  tiles(byId("tiles"), [
    ["Stopped early", saved.stopped.toLocaleString("en"), `${count(saved.epochs, "epoch")} not trained`],
    ["Time saved", saved.stopped ? long(saved.seconds) : "–", saved.stopped ? `of ${gpu ? "GPU" : "worker"} time, ${Math.round(100 * saved.share)} % of what all would take; each stopped trial's epochs as long as those it had` : "nothing was stopped"],
    ["First rung and end agree", first ? two(first.rho) : "–", first ? `rank correlation after epoch ${first.epoch}, of ${first.n.toLocaleString("en")} survivors` : "not enough fully trained trials"],
    ["Might have been winners", expected ? would.toLocaleString("en") : "–", expected ? `of ${expected.toLocaleString("en")} were expected to reach the front, which has ${front}` : "nothing was expected of any"],
  ]);
}

function drawSurvivors(survivors) {
  const most = Math.max(1, survivors[0]?.reached ?? 0);
  const shown = survivors.some((one) => one.reached) ? survivors : [];
  rows(byId("survivors"), ["epochs", ["drawn"], "reached", "stopped", "failed", "there now"], shown, ({ epoch, reached, stopped, failed, on }) => [
    element("th", { scope: "row", className: "number" }, String(epoch)),
    element("td", { className: "drawn" }, stack([["went", reached - stopped - failed - on], ["stopped", stopped], ["failed", failed], ["running", on]], most)),
    ...[reached, stopped, failed, on].map((value) => element("td", { className: "number" }, value.toLocaleString("en"))),
  ]);
}

function drawCorrelation({ correlation }) {
  const known = correlation.filter((one) => one.rho !== null);
  const low = Math.min(0, ...known.map((one) => one.low));
  rows(byId("correlation"), ["after epoch", `${low < 0 ? low.toFixed(1).replace("-", "−") : "0"} to 1`, "correlation", "95 %", "trials"], correlation, (one) => [
    element("th", { scope: "row", className: "number" }, String(one.epoch)),
    element("td", { className: "drawn" }, one.rho === null ? "" : interval(one.rho, one.low, one.high, low, 1)),
    element("td", { className: "number" }, one.rho === null ? "–" : two(one.rho)),
    element("td", { className: "number" }, one.rho === null ? "–" : `${two(one.low)} to ${two(one.high)}`),
    element("td", { className: "number" }, one.n.toLocaleString("en")),
  ]);
  byId("correlation-what").textContent = correlation.length ? "Spearman's rank correlation of the accuracy after a rung and in the end, 95 % intervals" : "there are no rungs";
}

function drawMisses(table, misses, epochs, home) {
  rows(table, ["trial", "stopped after", "accuracy then", "short by", "place", "expected in the end", "GFLOPs", "at that"], misses, (one) => [
    element("th", { scope: "row" }, home === null ? `#${one.n}` : element("a", { href: `${home}/trials/${one.n}` }, `#${one.n}`)),
    element("td", { className: "number" }, `${one.epoch} of ${epochs}`),
    element("td", { className: "number" }, one.accuracy === null ? "–" : percent(one.accuracy)),
    element("td", { className: "number" }, one.short === null ? "–" : `${one.short.toFixed(2)} points`),
    element("td", { className: "number" }, one.place === null ? "–" : `${one.place} of ${one.of}`),
    element("td", { className: "number" }, one.expected === null ? "–" : percent(one.expected)),
    element("td", { className: "number" }, one.gflops === null ? "–" : significant(one.gflops, 4)),
    element("td", {}, one.would ? "on the front" : one.expected === null ? "not known" : "dominated"),
  ]);
}

const two = (value) => value.toFixed(2).replace("-", "−");
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const some = (shown, all) => (shown.length < all ? `; the ${shown.length} most accurate` : "");
