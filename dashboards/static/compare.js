// The Compare page: its chart, who is compared, and what changes while they are trained.

import { compare, compareAddress, compared } from "./comparing.js";
import { curvesChart } from "./curves.js";
import { byId, pageData, swap } from "./dom.js";
import { Live, read } from "./live.js";

const page = pageData("page");
let { cursor } = page;
let chart = null;
let drawn = null; // the data of the chart, as it was sent

if (!location.search && compared(page.id).length) location.replace(compareAddress(page.id, compared(page.id)));

new Live(async (signal) => {
  const changes = await read(`/api/v1/studies/${page.id}/changes?since=${cursor}`, signal);
  if (!changes) return false;
  const ours = changes.reset || page.numbers.some((n) => changes.upsert?.n.includes(n));
  if (ours && byId("figures")) {
    swap(await read(location.pathname + location.search, signal, "text"));
    draw();
  }
  cursor = changes.cursor;
  return { changed: Boolean(ours), alive: changes.alive };
});

function draw() {
  const sent = byId("curve-data")?.textContent;
  if (!sent || sent === drawn) return;
  drawn = sent;
  const data = JSON.parse(sent);
  if (chart) chart.update(data);
  else chart = curvesChart(byId("curve"), data);
}

function go(numbers) {
  compare(page.id, numbers);
  location.assign(compareAddress(page.id, numbers));
}

byId("add")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const n = Number(byId("search").value.trim().replace(/^#/, ""));
  go([...new Set([...page.numbers, n])]);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-remove]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(page.numbers.filter((n) => n !== Number(link.dataset.remove)));
});

draw();
