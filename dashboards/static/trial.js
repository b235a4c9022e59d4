// The Trial page: its chart, its buttons, and what changes while it is trained.

import { compared, MOST, toggle } from "./comparing.js";
import { curvesChart } from "./curves.js";
import { byId, pageData, say, swap } from "./dom.js";
import { Live, read } from "./live.js";
import "./menus.js";

const page = pageData("page");
let { cursor } = page;
let chart = null;
let drawn = null; // the data of the chart, as it was sent

new Live(async (signal) => {
  const changes = await read(`/api/v1/studies/${page.id}/changes?since=${cursor}`, signal);
  if (!changes) return false;
  const mine = changes.reset || changes.upsert?.n.includes(page.number) || changes.front;
  if (mine) {
    swap(await read(location.pathname, signal, "text"));
    arrived();
  }
  cursor = changes.cursor;
  return { changed: Boolean(mine), alive: changes.alive };
});

function arrived() {
  const sent = byId("curve-data").textContent;
  if (sent !== drawn) {
    drawn = sent;
    const data = JSON.parse(sent);
    const box = byId("curve");
    box.hidden = !data.lines[0].data.length;
    if (!box.hidden) {
      if (chart) chart.update(data);
      else chart = curvesChart(box, data);
    }
  }
  for (const time of document.querySelectorAll("time[data-local]")) {
    time.textContent = new Date(time.dateTime).toLocaleString();
  }
  mark();
}

function mark() {
  const chosen = compared(page.id).includes(page.number);
  const button = byId("to-compare-this");
  button.setAttribute("aria-pressed", String(chosen));
  button.textContent = chosen ? "Remove from compare" : "Add to compare";
}

async function copy() {
  const text = byId("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
    say("copied");
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command")); // no clipboard without TLS: Ctrl+C does it
    say("marked: copy it with Ctrl and C");
  }
}

async function exported(format) {
  const { exportTrial } = await import("./exporting.js");
  exportTrial(page.id, page.number, format);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "to-compare-this" && !toggle(page.id, page.number)) {
    say(`${MOST} trials are chosen already: as many as fit side by side`);
    button.textContent = `${MOST} are chosen already`;
  }
  if (button.id === "copy") copy();
  if (button.dataset.format) exported(button.dataset.format);
});
document.addEventListener("compared", mark);
addEventListener("storage", mark);

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea, [tabindex='0']") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft") byId("before")?.click();
  if (event.key === "ArrowRight") byId("after")?.click();
});

arrived();
