// The Placement page: every panel is a table, redrawn when a trial ends.

import { percent } from "./charts.js";
import { byId, element, pageData } from "./dom.js";
import { Heatmap } from "./heatmap.js";
import { Live, read } from "./live.js";
import { meter, rows, spread } from "./panels.js";

const page = pageData("page");
const api = `/api/v1/studies/${page.id}`;
const METRICS = {
  gain: "Mean accuracy of the trials with the module at the place, minus the mean of those with nothing there, in points of percent.",
  front: "How many percent of the front's members have the module at the place.",
  n: "How many trials have the module at the place.",
};
const NAMES = { acc: "accuracy", gflops: "GFLOPs" };
const heat = new Heatmap(byId("heat"));
const pairs = new Heatmap(byId("together"));
let metric = wantedMetric();
let state = null; // of what the panels show
const live = new Live(ask);

async function ask(signal) {
  const asked = metric;
  const found = await read(`${api}/heatmap?${query({ metric: asked })}`, signal);
  if (asked !== metric) return false;
  heat.update(found);
  byId("heat").dataset.state = "drawn";
  byId("heat-what").textContent = `${METRICS[asked]} Of ${found.trials.toLocaleString("en")} fully trained trials${Object.keys(page.wanted).length ? " that pass the filters" : ""}.`;
  if (found.cursor === state) return false;
  const [places, modules] = await Promise.all(["importance", "together"].map((name) => read(`${api}/${name}?${query({})}`, signal)));
  drawImportance(places);
  drawCounts(modules);
  pairs.update({ ...modules, metric: "together", value: modules.together, n: modules.together, places: modules.modules, paths: modules.modules });
  state = found.cursor;
  return true;
}

function drawImportance({ objectives, places, paths, trials, fewest, ...shares }) {
  const said = objectives.filter((name) => shares[name]);
  byId("importance-what").textContent = !said.length
    ? "nothing to say yet"
    : trials < fewest
      ? `of ${trials} trials: too few to trust, it takes ${fewest}`
      : `of ${trials.toLocaleString("en")} fully trained trials`;
  const order = places.map((place, i) => ({ place, path: paths[i] }));
  if (said.length) order.sort((a, b) => shares[said[0]][b.place] - shares[said[0]][a.place]);
  const most = Math.max(1e-9, ...said.flatMap((name) => Object.values(shares[name])));
  rows(byId("importance"), ["place", ...said.flatMap((name) => [NAMES[name] ?? name, [`share, ${NAMES[name] ?? name}`]])], said.length ? order : [], ({ place, path }) => [
    element("th", { scope: "row", title: path }, place),
    ...said.flatMap((name) => [
      element("td", { className: "drawn half" }, meter(shares[name][place] / most, name === "acc" ? "" : "cost")),
      element("td", { className: "number" }, `${(100 * shares[name][place]).toFixed(1)} %`),
    ]),
  ]);
}

function drawCounts({ counts, trials }) {
  byId("counts-what").textContent = trials ? "accuracy by the number of modules in a placement, fully trained trials" : "begins with the first fully trained trial";
  const high = Math.max(...counts.map((one) => one.high));
  const usual = Math.min(...counts.map((one) => one.q1));
  const low = Math.max(Math.min(...counts.map((one) => one.low)), usual - 2 * (high - usual)); // one that broke shall not flatten all
  rows(byId("counts"), ["modules", `${percent(low)} to ${percent(high)}`, "median", "middle half", "trials"], counts, (one) => [
    element("th", { scope: "row", className: "number" }, one.least === one.most ? String(one.least) : `${one.least}–${one.most}`),
    element("td", { className: "drawn" }, spread(one, low, high)),
    element("td", { className: "number" }, percent(one.median)),
    element("td", { className: "number wide" }, `${one.q1.toFixed(2)}–${one.q3.toFixed(2)}`),
    element("td", { className: "number" }, one.trials.toLocaleString("en")),
  ]);
}

// ------------------------------------------------------------------------------- controls, address

function query(more) {
  return new URLSearchParams({ ...page.wanted, ...more }).toString();
}

function wantedMetric() {
  const found = new URLSearchParams(location.search).get("metric");
  return found in METRICS ? found : "gain";
}

function show() {
  document.querySelector(`input[name=metric][value="${metric}"]`).checked = true;
  byId("heat-json").href = `${api}/heatmap?${query({ metric })}`;
}

byId("metric").addEventListener("change", (event) => {
  metric = event.target.value;
  history.pushState(null, "", `?${query(metric === "gain" ? {} : { metric })}`);
  show();
  live.now();
});
byId("backbone")?.addEventListener("change", (event) => location.assign(`?${query({ backbone: event.target.value })}`));
addEventListener("popstate", () => {
  metric = wantedMetric();
  show();
  live.now();
});
show();
live.now();
