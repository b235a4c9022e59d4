// The Front page: charts, tables and the drawer, one choice and one cursor for all of them.

import { costText, percent } from "./charts.js";
import { byId, pageData, say, swap } from "./dom.js";
import { curveChart, Hypervolume } from "./lines.js";
import { Live, read } from "./live.js";
import { Pareto } from "./pareto.js";

const page = pageData("page");
const api = `/api/v1/studies/${page.id}`;
let { cost, chosen } = page;
let cursor = null; // of what the charts show; null: nothing yet
let curve = null;

const pareto = new Pareto(byId("pareto"), { hovered: hover, chosen: choose });
const hypervolume = new Hypervolume(byId("hypervolume"));
const live = new Live(ask);

// ------------------------------------------------------------------------------------- what is new

async function ask(signal) {
  if (cursor === null) {
    await load(signal);
    return true;
  }
  const asked = cost;
  const changes = await read(`${api}/changes?since=${cursor}&cost=${asked}`, signal);
  if (asked !== cost || cursor === null || !changes) return false; // the axis was switched meanwhile
  if (changes.reset) {
    await load(signal);
    return true;
  }
  const before = new Set(pareto.front.n);
  cursor = changes.cursor;
  pareto.apply(changes);
  if (changes.hypervolume) hypervolume.update(changes.hypervolume);
  count();
  await panels(signal);
  if (changes.front) greet(changes.front, before);
  return true;
}

async function load(signal) {
  const asked = cost;
  const points = await read(`${api}/points?cost=${asked}`, signal);
  if (asked !== cost) return;
  const late = points.cursor !== page.cursor || asked !== page.cost;
  pareto.load(points, axis());
  pareto.mark({ at: chosen });
  hypervolume.update(points.hypervolume);
  cursor = points.cursor;
  count();
  if (late) await panels(signal);
}

async function panels(signal) {
  const asked = new URLSearchParams({ cost });
  if (chosen !== null) asked.set("t", chosen);
  swap(await read(`/s/${page.id}/_panels?${asked}`, signal, "text"));
  markRows();
  drawCurve();
}

function greet(front, before) {
  const fresh = front.n.map((n, i) => ({ n, x: front.x[i], y: front.y[i] })).filter(({ n }) => !before.has(n));
  if (!fresh.length) return;
  const best = fresh.at(-1);
  say(`${fresh.length} new front point${fresh.length > 1 ? "s" : ""}: ${percent(best.y)} at ${costText(cost, best.x)}`);
  for (const { n } of fresh) byId("front").querySelector(`[data-trial="${n}"]`)?.classList.add("new");
}

function count() {
  const drawn = pareto.trials.size;
  byId("drawn").textContent = drawn ? `${drawn.toLocaleString("en")} trial${drawn > 1 ? "s" : ""}` : "";
}

// --------------------------------------------------------------------------------- one choice for all

function hover(n) {
  pareto.mark({ near: n });
  for (const row of document.querySelectorAll("tr[data-trial]")) {
    row.classList.toggle("near", n !== null && Number(row.dataset.trial) === n);
  }
}

function choose(n, { remember = true } = {}) {
  chosen = n;
  pareto.mark({ at: n });
  markRows();
  if (remember) history.pushState(null, "", address());
  openDrawer();
}

async function openDrawer() {
  const asked = chosen;
  try {
    if (asked === null) {
      await panels();
      return;
    }
    const html = await read(`/s/${page.id}/_drawer/${asked}`, undefined, "text");
    if (asked !== chosen) return;
    const sent = new DOMParser().parseFromString(html, "text/html");
    byId("drawer").replaceChildren(...sent.body.children);
    drawCurve();
  } catch (error) {
    live.trouble ??= error; // the next poll says whether the server is back, and brings the drawer
  }
}

function drawCurve() {
  const box = byId("curve");
  if (curve?.box === box) return;
  curve?.chart.dispose();
  curve = box ? { box, chart: curveChart(box, pageData("curve-data")) } : null;
}

function markRows() {
  for (const row of document.querySelectorAll("tr[data-trial]")) {
    const here = Number(row.dataset.trial) === chosen;
    row.classList.toggle("chosen", here);
    row.querySelector("button")?.setAttribute("aria-pressed", String(here));
  }
}

const rowOf = (event) => event.target.closest?.("tr[data-trial]");

document.addEventListener("click", (event) => {
  const row = rowOf(event);
  if (!row || String(getSelection())) return; // who marks text does not choose
  const n = Number(row.dataset.trial);
  choose(n === chosen ? null : n);
});
for (const [kind, near] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
  document.addEventListener(kind, (event) => {
    const row = rowOf(event);
    if (row) pareto.mark({ near: near ? Number(row.dataset.trial) : null });
  });
}
document.addEventListener("keydown", (event) => {
  const row = rowOf(event);
  if (event.key === "Escape" && chosen !== null && !event.defaultPrevented) choose(null);
  if (!row || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
  const next = event.key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
  event.preventDefault();
  next?.querySelector("button")?.focus();
});

// ------------------------------------------------------------------------------- controls, address

function axis() {
  const { dataset } = document.querySelector(`input[name=cost][value="${cost}"]`);
  return { id: cost, name: dataset.name, scale: dataset.scale };
}

function address() {
  const wanted = new URLSearchParams({ cost });
  if (chosen !== null) wanted.set("t", chosen);
  return `${location.pathname}?${wanted}`;
}

function switchTo(id) {
  cost = id;
  cursor = null;
  document.querySelector(`input[name=cost][value="${id}"]`).checked = true;
  byId("cost-name").textContent = axis().name;
  byId("json").href = `${api}/points?cost=${id}`;
  live.now();
}

byId("cost").addEventListener("change", (event) => {
  switchTo(event.target.value);
  history.pushState(null, "", address());
});
for (const kind of ["dominated", "stopped", "area"]) {
  const box = byId(kind);
  pareto.show[kind] = box.checked; // browsers remember boxes
  box.addEventListener("change", () => {
    pareto.show[kind] = box.checked;
    pareto.draw();
  });
}
byId("to-front").addEventListener("click", () => pareto.toFront());
byId("whole").addEventListener("click", () => pareto.whole());
addEventListener("popstate", () => {
  const wanted = new URLSearchParams(location.search);
  const t = wanted.get("t");
  if ((wanted.get("cost") ?? page.cost) !== cost) switchTo(wanted.get("cost") ?? page.cost);
  choose(t === null ? null : Number(t), { remember: false });
});

markRows();
drawCurve();
live.now();
