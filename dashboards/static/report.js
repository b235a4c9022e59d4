// A report: the charts of the pages, of data that the file itself holds.

import { curvesChart } from "./curves.js";
import { byId, pageData } from "./dom.js";
import { Heatmap } from "./heatmap.js";
import { Hypervolume } from "./lines.js";
import { Pareto } from "./pareto.js";
import { drawStops } from "./stopped.js";

const data = pageData("data");

// ------------------------------------------------------------------------------------- the front

const pareto = new Pareto(byId("pareto"), { hovered: near, chosen: choose, opened: show, compared() {}, windowed() {} });
let chosen = null;

function near(n) {
  pareto.mark({ near: n });
  for (const row of rows()) row.classList.toggle("near", Number(row.dataset.trial) === n);
}

function choose(n) {
  chosen = n === chosen ? null : n;
  pareto.mark({ at: chosen });
  for (const row of rows()) row.classList.toggle("chosen", Number(row.dataset.trial) === chosen);
}

function show(n) {
  byId(`trial-${n}`)?.scrollIntoView({ block: "center" });
}

const rows = () => document.querySelectorAll("tr[data-trial]");

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-trial]");
  if (row && !String(getSelection())) choose(Number(row.dataset.trial));
});
for (const [kind, over] of [["pointerover", true], ["pointerout", false]]) {
  document.addEventListener(kind, (event) => {
    const row = event.target.closest?.("tr[data-trial]");
    if (row) pareto.mark({ near: over ? Number(row.dataset.trial) : null });
  });
}

function on(id) {
  const axis = data.axes.find((one) => one.id === id);
  byId("cost-name").textContent = axis.name;
  for (const part of document.querySelectorAll("[data-axis]")) part.hidden = part.dataset.axis !== id;
  pareto.load(axis.points, axis);
  pareto.mark({ at: chosen });
}

byId("cost").addEventListener("change", (event) => on(event.target.value));
byId("to-front").addEventListener("click", () => pareto.toFront());
byId("whole").addEventListener("click", () => pareto.whole());
for (const kind of ["dominated", "area"]) {
  byId(kind).addEventListener("change", (event) => {
    pareto.show[kind] = event.target.checked;
    pareto.draw();
  });
}

// ------------------------------------------------------------------------------------- the others

const heatmap = new Heatmap(byId("heat"));
byId("metric").addEventListener("change", (event) => heatmap.update(data.heat[event.target.value]));

// ------------------------------------------------------------------------------------- LaTeX, print

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = byId(button.dataset.copy);
  getSelection().selectAllChildren(text);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected: copy it with Ctrl C"; // browsers trust not every file
  }
});

const theme = document.documentElement.dataset;
let before;
addEventListener("beforeprint", () => {
  before = theme.theme;
  theme.theme = "light";
  document.dispatchEvent(new Event("theme"));
});
addEventListener("afterprint", () => {
  if (before) theme.theme = before;
  else delete theme.theme;
  document.dispatchEvent(new Event("theme"));
});

on(byId("cost").value); // browsers remember what was chosen
new Hypervolume(byId("hypervolume")).update(data.hypervolume);
heatmap.update(data.heat[byId("metric").value]);
curvesChart(byId("curves"), data.curves);
drawStops(data.stops);
