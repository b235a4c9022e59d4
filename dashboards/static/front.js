// The Front page: charts, tables and the drawer, one choice and one cursor for all of them.

import { costText, percent } from "./charts.js";
import { compared, MOST, toggle } from "./comparing.js";
import { byId, element, pageData, say, swap } from "./dom.js";
import { exportMenu, exportTrial } from "./exporting.js";
import { Filters } from "./filters.js";
import { Gantt } from "./gantt.js";
import { Heatmap } from "./heatmap.js";
import { curveChart, Hypervolume } from "./lines.js";
import { Live, read } from "./live.js";
import { Pareto } from "./pareto.js";

const SLOWLY = 30000; // milliseconds between two looks at what changes little with a trial
const CALMLY = 5000; // between two tables of a front that moves again and again
const NARROW = matchMedia("(max-width: 900px)");

const page = pageData("page");
const api = `/api/v1/studies/${page.id}`;
const filters = new Filters(byId("filters"), (what) => (what === "look" ? relook() : review()));
let { chosen } = page;
let part = partOf(location.search); // of the plane, that is looked at; null: all of it
let cursor = null; // of what the charts show; null: nothing yet
let view = 0; // counts the views: an answer to an earlier one is late
let tables = { cursor: page.cursor, at: Date.now() }; // what they show, and since when
let beside = { cursor: page.cursor, at: Date.now() }; // and the charts beside them
let moved = 0; // when the front last brought new tables
let told = null; // members of the front that were there at first, or have been announced
let curve = null;
let opener = null; // had the focus before the sheet was opened

const pareto = new Pareto(byId("pareto"), {
  hovered: hover,
  chosen: choose,
  opened: (n) => location.assign(`/s/${page.id}/trials/${n}`),
  compared: compareOrSay,
  windowed: () => {
    part = pareto.part;
    history.replaceState(null, "", filters.address(chosen, part));
    look();
  },
});
const hypervolume = new Hypervolume(byId("hypervolume"));
const heat = new Heatmap(byId("heat"), { compact: true });
const workers = new Gantt(byId("workers"), { compact: true });
const live = new Live(ask);

// ------------------------------------------------------------------------------------- what is new

async function ask(signal) {
  if (cursor === null) {
    await load(signal);
    return { changed: true };
  }
  const asked = view;
  const changes = await read(`${api}/changes?since=${cursor}&${filters.query()}`, signal);
  if (asked !== view || cursor === null) return { changed: true };
  if (changes === null) {
    await panels(signal, cursor);
    return { changed: false };
  }
  if (changes.reset) {
    forget();
    await load(signal, { zoom: true });
    return { changed: true, alive: changes.alive };
  }
  const { knee } = pareto.front;
  const outgrown = pareto.apply(changes); // told twice it does no harm: the cursor comes last
  count(changes);
  if (changes.upsert.n.includes(chosen) || (chosen === null && pareto.front.knee !== knee)) openDrawer();
  await panels(signal, changes.cursor);
  if (asked !== view) return { changed: true };
  cursor = changes.cursor;
  if (outgrown) await load(signal, { zoom: true });
  return { changed: true, alive: changes.alive };
}

async function load(signal, { zoom = false } = {}) {
  const asked = view;
  const points = await read(`${api}/points?${wanted()}`, signal);
  if (asked !== view) return;
  pareto.show = filters.toggles;
  pareto.load(points, filters.axis, { zoom });
  pareto.mark({ at: chosen, beside: compared(page.id) });
  if (part && !pareto.part) pareto.toPart(part);
  cursor = points.cursor;
  if (told === null && cursor !== tables.cursor) tables.at = 0;
  told ??= new Set(points.front.n);
  count(points);
  await panels(signal, cursor);
  if (asked === view && (view > 0 || points.cursor !== page.cursor)) openDrawer();
}

/** The part of the plane that is looked at now, closer; or all of it again. */
async function look() {
  if (cursor === null) return;
  const [asked, at] = [view, part];
  try {
    const points = await read(`${api}/points?${wanted(at)}`);
    if (asked !== view || at !== part || points.cursor < cursor) return;
    if (at) pareto.refine(points, at);
    else pareto.load(points, filters.axis, { zoom: false });
    count(points);
  } catch (error) {
    live.trouble ??= error; // the next poll says whether the server is back
  }
}

function wanted(part) {
  const asked = filters.query();
  const kept = [...new Set([...compared(page.id), ...(chosen === null ? [] : [chosen])])];
  for (const [name, value] of Object.entries({ ...pareto.size, ...part })) asked.set(name, value);
  if (kept.length) asked.set("keep", kept.join(","));
  return asked;
}

/** What changes with the trials: soon where it shows the front and that has moved, else now and then. */
async function panels(signal, now) {
  const asked = view;
  const { front } = pareto;
  const { n } = front;
  const fresh = n.filter((one) => !told.has(one));
  const isMoved = fresh.length > 0 || n.length < told.size;
  if (isOld(tables, now, SLOWLY) || (isMoved && Date.now() - moved > CALMLY)) {
    const html = await read(`/s/${page.id}/_panels?${filters.query()}`, signal, "text");
    if (asked !== view) return;
    swap(html);
    marks();
    tables = { cursor: now, at: Date.now() };
    if (isMoved) moved = tables.at;
    told = new Set(n);
    if (fresh.length) greet(front, fresh);
  }
  if (isOld(beside, now, SLOWLY)) {
    await others(signal);
    if (asked === view) beside = { cursor: now, at: Date.now() };
  }
}

const isOld = (shown, now, after) => shown.cursor !== now && Date.now() - shown.at > after;

/** Tables and charts are to be had anew. */
function forget() {
  told = null;
  tables = { cursor: null, at: 0 };
  beside = { cursor: null, at: 0 };
}

/** The charts that say more of the same trials. */
async function others(signal) {
  const asked = view;
  const query = filters.filters();
  const kinds = [["hypervolume", "", hypervolume], ["heatmap", "metric=gain&", heat], ["workers", "last=60&", workers]];
  const answers = await Promise.all(kinds.map(([name, more]) => read(`${api}/${name}?${more}${query}`, signal)));
  if (asked === view) kinds.forEach(([, , panel], i) => panel.update(answers[i]));
}

/** The part of the plane that an address names. */
function partOf(search) {
  const said = new URLSearchParams(search);
  const ends = ["x0", "x1", "y0", "y1"].map((name) => [name, Number(said.get(name) ?? NaN)]);
  return ends.every(([, end]) => Number.isFinite(end)) ? Object.fromEntries(ends) : null;
}

function greet(front, fresh) {
  const best = front.n.indexOf(fresh.at(-1));
  say(`${fresh.length} new front point${fresh.length > 1 ? "s" : ""}: ${percent(front.y[best])} at ${costText(filters.cost, front.x[best])}`);
  for (const n of fresh) byId("front").querySelector(`[data-trial="${n}"]`)?.classList.add("new");
  pareto.flash(fresh);
}

/** Figures that need no new table. */
function count({ total, counts }) {
  const figures = { total, running: counts.running };
  for (const box of document.querySelectorAll("[data-count]")) box.textContent = figures[box.dataset.count].toLocaleString("en");
  const said = [];
  if (total) said.push(`${total.toLocaleString("en")} trial${total > 1 ? "s" : ""}`);
  if (pareto.drawn < total && pareto.drawn) said.push(`${pareto.drawn.toLocaleString("en")} points drawn`);
  const { of } = pareto.front;
  const thinned = [...pareto.trials.values()].some(({ c }) => c > 1);
  const more = [...(thinned ? ["every front point kept"] : []), ...(of.length > 2 ? [`front of ${of.join(", ")}`] : [])];
  byId("drawn").textContent = [said.join(", "), ...more].join(" — ");
}

// --------------------------------------------------------------------------------- one choice for all

function hover(n) {
  pareto.mark({ near: n });
  for (const row of document.querySelectorAll("tr[data-trial]")) {
    row.classList.toggle("near", n !== null && Number(row.dataset.trial) === n);
  }
}

function choose(n, { remember = true } = {}) {
  if (n !== null && chosen === null) opener = document.activeElement;
  chosen = n;
  pareto.mark({ at: n });
  marks();
  if (remember) history.pushState(null, "", filters.address(chosen, part));
  openDrawer();
  if (n !== null && !pareto.find(n) && cursor !== null) look();
}

async function openDrawer() {
  const [asked, before] = [view, chosen];
  const box = byId("drawer");
  const wasOpen = box.classList.contains("open");
  box.classList.toggle("open", chosen !== null);
  if (chosen === null && wasOpen && NARROW.matches) opener?.focus?.({ preventScroll: true });
  if (chosen === null && !pareto.front.n.length) {
    if (view > 0) box.replaceChildren(element("p", { className: "muted" }, "Nothing that is shown is on a front."));
    return;
  }
  try {
    const html = await read(`/s/${page.id}/_drawer/${chosen ?? "knee"}?${filters.query()}`, undefined, "text");
    if (asked !== view || before !== chosen) return;
    const sent = new DOMParser().parseFromString(html, "text/html");
    box.replaceChildren(...sent.body.children);
    drawCurve();
    marks();
    if (chosen !== null && !wasOpen && NARROW.matches) box.querySelector(".close").focus();
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

/** Rows, boxes and buttons show what is chosen, and what is to be compared. */
function marks() {
  const those = compared(page.id);
  for (const row of document.querySelectorAll("tr[data-trial]")) {
    const n = Number(row.dataset.trial);
    row.classList.toggle("chosen", n === chosen);
    row.querySelector("button").setAttribute("aria-pressed", String(n === chosen));
    row.querySelector(".to-compare").checked = those.includes(n);
  }
  for (const button of document.querySelectorAll("[data-compare]")) {
    button.textContent = those.includes(Number(button.dataset.compare)) ? "Leave out of compare" : "Add to compare";
  }
  for (const box of document.querySelectorAll("[data-lately]")) lately(box);
  byId("export-best").hidden = !pageData("best").length;
}

function lately(box) {
  const hourAgo = Date.now() / 1000 - 3600;
  const joined = box.dataset.lately.split(" ").filter((at) => Number(at) > hourAgo).length;
  box.dataset.usual ??= box.textContent;
  box.textContent = joined ? `+${joined} in the last hour` : box.dataset.usual;
}

function compareOrSay(n) {
  if (!toggle(page.id, n)) say(`${MOST} trials are to be compared already`);
  marks();
}

document.addEventListener("compared", () => {
  marks();
  pareto.mark({ beside: compared(page.id) });
});

// ------------------------------------------------------------------------------- mouse and keys

const rowOf = (event) => event.target.closest?.("tr[data-trial]");

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.classList.contains("close")) return choose(null);
  if (button?.dataset.export) return exportTrial(page.id, Number(button.dataset.export));
  if (button?.dataset.compare) return compareOrSay(Number(button.dataset.compare));
  if (event.target.closest(".check-cell")) {
    if (event.target.matches(".to-compare")) compareOrSay(Number(event.target.value));
    return undefined;
  }
  const row = rowOf(event);
  if (!row || String(getSelection())) return undefined; // who marks text does not choose
  const n = Number(row.dataset.trial);
  return choose(n === chosen ? null : n);
});
for (const [kind, near] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
  document.addEventListener(kind, (event) => {
    const row = rowOf(event);
    if (row) pareto.mark({ near: near ? Number(row.dataset.trial) : null });
  });
}
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if (event.key === "Escape" && chosen !== null && !document.querySelector("dialog[open]")) choose(null);
  const row = rowOf(event);
  if (!row || !event.target.matches("button.row")) return;
  const n = Number(row.dataset.trial);
  if (event.key === " ") compareOrSay(n);
  else if (event.key === "Enter" && n === chosen) location.assign(`/s/${page.id}/trials/${n}`);
  else if (event.key === "ArrowUp") row.previousElementSibling?.querySelector("button").focus();
  else if (event.key === "ArrowDown") row.nextElementSibling?.querySelector("button").focus();
  else return;
  event.preventDefault();
});

// ------------------------------------------------------------------------------- filters, address

/** Other trials, or another axis. */
function review({ remember = true, at = null } = {}) {
  part = at;
  view += 1;
  cursor = null;
  forget();
  byId("cost-name").textContent = filters.axis.name;
  filters.show();
  if (remember) history.pushState(null, "", filters.address(chosen, part));
  live.now();
}

/** The same, drawn in another way. */
function relook({ remember = true } = {}) {
  pareto.show = filters.toggles;
  pareto.draw();
  if (remember) history.pushState(null, "", filters.address(chosen, part));
}

exportMenu(byId("export-best"), page.id, () => pageData("best"));
byId("to-front").addEventListener("click", () => pareto.toFront());
byId("whole").addEventListener("click", () => pareto.whole());
addEventListener("popstate", () => {
  const before = filters.query().toString();
  filters.read(location.search);
  const at = partOf(location.search);
  if (filters.query().toString() !== before) review({ remember: false, at });
  else {
    part = at;
    relook({ remember: false });
    if (cursor !== null && at) pareto.toPart(at);
    else if (cursor !== null) pareto.whole();
  }
  const t = new URLSearchParams(location.search).get("t");
  choose(t === null ? null : Number(t), { remember: false });
});

pareto.show = filters.toggles;
filters.show();
marks();
drawCurve();
live.now();
others().catch(() => (beside = { cursor: null, at: 0 })); // the next poll asks again
