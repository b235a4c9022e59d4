// The Workers page: who trains what, how quickly, what failed, who searches.

import { ago, byId, element, pageData } from "./dom.js";
import { clock, Gantt, long } from "./gantt.js";
import { Live, read } from "./live.js";
import { bars, rows, tiles } from "./panels.js";

const page = pageData("page");
const api = `/api/v1/studies/${page.id}`;
const SELDOM = 30; // seconds between looks for findings
const WORDS = { act: "act", look: "look", ok: "fine" };
const gantt = new Gantt(byId("gantt"));
let span = wantedSpan();
let shown = null; // of what the panels show: cursor, and whether anybody searches
let looked = 0; // when findings were read last, milliseconds
const live = new Live(ask);

async function ask(signal) {
  const asked = span;
  const [found, there] = await Promise.all([read(`${api}/workers?${query({ window: asked })}`, signal), read(`${api}/drivers`, signal)]);
  if (asked !== span) return false;
  drawDrivers(there);
  drawTiles(found, there.now);
  if (Date.now() - looked > 1000 * SELDOM) {
    looked = Date.now();
    read(`${api}/findings`).then(drawFindings, () => (looked = 0)); // it may take its time
  }
  const state = `${found.cursor} ${found.alive}`;
  if (state === shown) return false;
  gantt.update(found, there.now);
  byId("gantt").dataset.state = "drawn";
  drawWorkers(found);
  drawPace(found.throughput);
  drawFailures(found);
  shown = state;
  return true;
}

function drawTiles({ eta, workers, failed, tried_again, alive }, now) {
  const busy = workers.map((one) => one.busy).filter((share) => share !== null);
  const mean = busy.length ? `${Math.round((100 * busy.reduce((a, b) => a + b, 0)) / busy.length)} %` : "–";
  tiles(byId("tiles"), [
    ["Running", eta.running.toLocaleString("en"), alive ? "trials in training" : eta.running ? "nobody searches: they wait for a driver" : "nobody searches"],
    ["Waiting", eta.waiting.toLocaleString("en"), "in the queue"],
    ["Workers had a trial", mean, `of the time, ${workers.length} worker${workers.length === 1 ? "" : "s"} in this window`],
    ["Left", eta.left === null ? "–" : eta.left.toLocaleString("en"), ending(eta, alive, now)],
    ["Failed", failed.toLocaleString("en"), tried_again ? `${tried_again.toLocaleString("en")} attempts more were tried again` : "trials"],
  ]);
}

/** When the last trial will have ended, or why nobody knows; the arithmetic of search/health.py. */
function ending({ left, since, recent, last, planned, time_budget: budget }, alive, now) {
  if (planned === null) return "of a plan that is not known";
  if (!left) return `all of ${planned.toLocaleString("en")} have ended`;
  if (!alive) return "nobody searches";
  if (!recent) return "end unknown until a trial or two have ended";
  const step = (now - since) / recent;
  if (now - last > Math.max(60, 10 * step)) return `end unknown: none ended for ${long(now - last)}`;
  const whole = budget ? ", unless the time budget ends first" : "";
  return `about ${long(left * step)}, until ${clock(now + left * step, left * step)}, at the pace of the last ${recent}${whole}`;
}

function drawWorkers({ workers, states }) {
  rows(byId("workers"), ["worker", "device", "had a trial", "machine at work", ["in the mean"], "memory, at most", "trials", "of them", "latest"], workers, ({ id, device, busy, spans, took }) => {
    const of = new Map();
    for (const [, , code] of spans) of.set(states[code], (of.get(states[code]) ?? 0) + 1);
    const last = spans.at(-1);
    return [
      element("th", { scope: "row", title: id ?? "" }, id ?? "no report yet"),
      element("td", { className: "kept-text" }, device ?? "–"),
      element("td", { className: "number" }, busy === null ? "–" : `${Math.round(100 * busy)} %`),
      ...machine(took),
      element("td", { className: "number" }, String(spans.length)),
      element("td", {}, [...of].map(([state, count]) => `${count} ${state}`).join(", ")),
      element("td", {}, trial(last[3]), ` ${states[last[2]]} since ${clock(last[0], 0)}`),
    ];
  });
}

/** How busy the machine was in each trial, and its memory; the GPU's, where that was measured. */
function machine(took) {
  const name = took.some((one) => one.gpu !== undefined) ? "gpu" : "cores";
  const some = took.filter((one) => one[name] !== undefined);
  const memory = Math.max(...took.map((one) => one.gpu_memory ?? one.memory ?? 0));
  if (!some.length) return ["–", "", memory > 0 ? bytes(memory) : "–"].map((text) => element("td", { className: "number" }, text));
  const said = (value) => (name === "gpu" ? `${Math.round(100 * value)} %` : `${value.toFixed(1)} core${value === 1 ? "" : "s"}`);
  const mean = some.reduce((sum, one) => sum + one[name], 0) / some.length;
  const what = name === "gpu" ? "GPU at work" : "CPU cores kept busy";
  return [
    element("td", { className: "drawn trend" }, bars(some.map((one) => one[name]), (i) => `#${some[i].n}: ${said(some[i][name])}`, `${what} in each of ${some.length} trials`, name === "gpu" ? 1 : undefined)),
    element("td", { className: "number" }, said(mean)),
    element("td", { className: "number" }, bytes(memory)),
  ];
}

const bytes = (value) => (value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${Math.round(value / 1e6)} MB`);

function drawPace(found) {
  const count = found ? found.trials.reduce((a, b) => a + b, 0) : 0;
  byId("pace-what").textContent = count ? `${count.toLocaleString("en")} trials ended; an epoch counts when its trial ends` : "no trial ended in this time";
  byId("pace").replaceChildren();
  if (!count) return;
  for (const [name, values] of [["trials", found.trials], ["epochs", found.epochs]]) {
    const hourly = values.map((value) => (value * 3600) / found.step);
    const seconds = found.step * values.length;
    const mean = (values.reduce((a, b) => a + b, 0) * 3600) / seconds;
    byId("pace").append(
      element("h3", {}, `${name} an hour: `, element("b", {}, mean.toLocaleString("en", { maximumSignificantDigits: 3 })), " in the mean"),
      bars(hourly, (i) => `${clock(found.since + i * found.step, seconds)}: ${values[i]} ${name} in ${long(found.step)}`, `${name} an hour, from ${clock(found.since, seconds)} on; the most were ${Math.round(Math.max(...hourly))}`),
    );
  }
  byId("pace").append(element("p", { className: "ends muted small" }, element("span", {}, clock(found.since, found.step * found.trials.length)), element("span", {}, clock(found.since + found.step * found.trials.length, found.step * found.trials.length))));
}

function drawFailures({ failed, kinds, failures }) {
  byId("failures-what").textContent = failed
    ? `${failed.toLocaleString("en")} trial${failed === 1 ? "" : "s"}, ${kinds} kind${kinds === 1 ? "" : "s"}${failures.length < kinds ? `, the ${failures.length} commonest` : ""}; … stands for what varies`
    : "no trial failed";
  rows(byId("failures"), ["message", "trials", "latest"], failures, ({ message, such_as: such, count, numbers }) => [
    element("th", { scope: "row", className: "kept-text", title: such }, message),
    element("td", { className: "number" }, count.toLocaleString("en")),
    element("td", { className: "number kept-text" }, ...numbers.slice(0, 3).flatMap((number) => [trial(number), " "])),
  ]);
}

function drawDrivers({ now, drivers }) {
  rows(byId("drivers"), ["process", "since", "last sign of life", ["state"]], drivers, ({ host, pid, started, beat, ended, how, alive }) => [
    element("th", { scope: "row", title: host }, `${pid} on ${host}`),
    element("td", { className: "number" }, ago(now - started)),
    element("td", { className: "number" }, ago(now - beat)),
    element("td", {}, element("span", { className: `badge ${alive ? "live" : ""}` }, alive ? "searching" : ended === null ? "silent" : how === "lost" ? "lost" : "ended")),
  ]);
  byId("drivers-what").textContent = drivers.length ? "processes that search this study, and the latest that did" : "nobody has searched it";
}

function drawFindings({ at, findings }) {
  byId("health-when").textContent = `at ${clock(at, 0)}`;
  byId("health").replaceChildren(
    ...findings.map(({ level, what, advice }) =>
      element("li", { className: level }, element("b", {}, WORDS[level]), element("span", {}, sentence(what), advice ? element("span", { className: "muted" }, ` ${sentence(advice)}`) : "")),
    ),
  );
}

const trial = (number) => element("a", { href: `/s/${page.id}/trials/${number}` }, `#${number}`);
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.…]$/.test(text) ? "" : "."}`;

// ------------------------------------------------------------------------------- controls, address

function query(more) {
  return new URLSearchParams({ ...page.wanted, ...more }).toString();
}

function wantedSpan() {
  const found = new URLSearchParams(location.search).get("window");
  return document.querySelector(`input[name=window][value="${CSS.escape(found ?? "")}"]`) ? found : "3600";
}

function show() {
  document.querySelector(`input[name=window][value="${span}"]`).checked = true;
  byId("json").href = `${api}/workers?${query({ window: span })}`;
  shown = null;
}

byId("window").addEventListener("change", (event) => {
  span = event.target.value;
  history.pushState(null, "", `?${query(span === "3600" ? {} : { window: span })}`);
  show();
  live.now();
});
addEventListener("popstate", () => {
  span = wantedSpan();
  show();
  live.now();
});
show();
live.now();
