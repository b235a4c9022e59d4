// The Trials page: the table, where it is read stays where it is; what is new waits behind a button.

import { compared, MOST, toggle } from "./comparing.js";
import { byId, pageData, say } from "./dom.js";
import { Live, read } from "./live.js";
import "./menus.js";

const page = pageData("page");
const table = `/s/${page.id}/_trials`;
const rowsSent = new Map(); // id of a row -> its HTML as the server sent it
let { cursor } = page;
let reading = 0; // of the latest look at another part of the table

// ------------------------------------------------------------------------------------- what is new

new Live(async (signal) => {
  const changes = await read(`/api/v1/studies/${page.id}/changes?since=${cursor}`, signal);
  if (!changes) return false;
  const asked = reading;
  const wanted = new URLSearchParams(location.search);
  const numbers = rows().map((row) => row.dataset.trial);
  if (numbers.length) {
    wanted.set("keep", numbers.join(","));
    wanted.set("newest", byId("list").dataset.newest);
  }
  const sent = await fetched(`${table}?${wanted}`, signal);
  if (asked !== reading) return true; // another part is read by now
  cursor = changes.cursor;
  if (!numbers.length) return put(sent), { changed: true, alive: changes.alive };
  for (const id of ["chips", "fresh", "found", "files"]) replace(byId(id), sent.getElementById(id));
  for (const row of sent.querySelectorAll("tr[data-trial]")) {
    const old = byId(row.id);
    if (!old || rowsSent.get(row.id) === row.outerHTML) continue;
    rowsSent.set(row.id, row.outerHTML);
    mark(row);
    replace(old, row);
  }
  return { changed: true, alive: changes.alive };
});

async function fetched(address, signal) {
  return new DOMParser().parseFromString(await read(address, signal, "text"), "text/html");
}

/** The new one in the place of the old, which keeps the focus if it has it. */
function replace(old, fresh) {
  if (old.outerHTML === fresh.outerHTML) return;
  const at = [...old.querySelectorAll("a, button, input")].indexOf(document.activeElement);
  old.replaceWith(fresh);
  if (at >= 0) fresh.querySelectorAll("a, button, input")[at]?.focus({ preventScroll: true });
}

// --------------------------------------------------------------------------------- another part of it

/** Show the list of `address`, which begins with `?`; what is wrong with it is said where it is. */
async function show(address, { remember = true } = {}) {
  const asked = ++reading;
  const query = address === "?" ? "" : address;
  byId("list").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(table + query, { headers: { Accept: "text/html" } });
    const sent = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked !== reading) return;
    if (answer.ok) {
      if (remember) history.pushState(null, "", location.pathname + query);
      put(sent);
    } else if (answer.status === 400) {
      byId("found").textContent = sent.querySelector("main p").textContent;
    } else {
      location.assign(location.pathname + query); // which says what is wrong, or asks for the token
    }
    say(byId("found").textContent.trim().replace(/\s+/g, " "));
  } catch {
    if (asked === reading) byId("found").textContent = "No answer; try again.";
  } finally {
    byId("list").removeAttribute("aria-busy");
  }
}

function put(sent) {
  for (const id of ["chips", "fresh", "found", "files", "list"]) byId(id).replaceWith(sent.getElementById(id));
  arrived();
}

function arrived() {
  rowsSent.clear();
  for (const row of rows()) {
    rowsSent.set(row.id, row.outerHTML);
    mark(row);
  }
  for (const time of document.querySelectorAll("time[data-local]")) local(time);
  const { at } = byId("list").dataset;
  if (at === undefined) return;
  const row = byId(`t${at}`);
  row?.classList.add("chosen");
  row?.scrollIntoView({ block: "center" });
  row?.querySelector("a")?.focus({ preventScroll: true });
}

const rows = () => [...document.querySelectorAll("#list tr[data-trial]")];

function mark(row) {
  row.querySelector(".compare").checked = compared(page.id).includes(Number(row.dataset.trial));
  for (const time of row.querySelectorAll("time[data-local]")) local(time);
}

/** In the reader's own time. */
function local(time) {
  time.textContent = new Date(time.dateTime).toLocaleString();
}

// ------------------------------------------------------------------------------------------- controls

function wanted() {
  const query = new URLSearchParams(location.search);
  for (const key of ["at", "page", "cols"]) query.delete(key);
  const boxes = [...document.querySelectorAll("[name=cols]")];
  const chosen = boxes.filter((box) => box.checked);
  if (boxes.some((box) => box.checked !== box.defaultChecked) || new URLSearchParams(location.search).has("cols")) {
    if (chosen.length) query.set("cols", chosen.map((box) => box.value).join(","));
  }
  for (const input of byId("filters").elements) {
    if (!input.name || input.type === "hidden" || input.name === "cols") continue;
    const usual = input.name === "per" && input.value === "100";
    if (input.value.trim() && !usual) query.set(input.name, input.value.trim());
    else query.delete(input.name);
  }
  return `?${query}`;
}

byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  show(wanted());
});
byId("filters").addEventListener("change", (event) => {
  if (event.target.form.checkValidity()) show(wanted());
});
byId("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const at = byId("search").value.trim().replace(/^#/, "");
  const query = new URLSearchParams(location.search);
  query.delete("page");
  query.set("at", at);
  if (at) show(`?${query}`);
});

document.addEventListener("click", (event) => {
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  const link = event.target.closest("a.chip, a.sort, .pages a");
  if (link && plain) {
    event.preventDefault();
    const label = link.textContent.trim();
    show(link.getAttribute("href")).then(() => {
      if (link.closest(".pages")) scrollTo({ top: 0 });
      const twin = [...document.querySelectorAll("a.chip, a.sort, .pages a")].find((one) => one.textContent.trim() === label);
      twin?.focus({ preventScroll: true });
    });
  } else if (event.target.id === "refresh") {
    show(location.search || "?", { remember: false });
  } else if (plain && !event.target.closest("a, button, input, label, summary")) {
    const row = event.target.closest("#list tr[data-trial]");
    if (row && !String(getSelection())) location.assign(row.querySelector("th a").href);
  }
});

document.addEventListener("change", (event) => {
  if (!event.target.matches(".compare")) return;
  const row = event.target.closest("tr");
  if (toggle(page.id, Number(row.dataset.trial))) return;
  event.target.checked = false;
  say(`${MOST} trials are chosen already: as many as fit side by side`);
});
document.addEventListener("compared", () => rows().forEach(mark));

document.addEventListener("keydown", (event) => {
  const row = event.target.closest("#list tr[data-trial]");
  if (row && ["ArrowUp", "ArrowDown"].includes(event.key)) {
    const next = event.key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling;
    event.preventDefault();
    next?.querySelector("th a").focus();
  }
  if (row && event.key === " " && event.target.matches("th a")) {
    event.preventDefault();
    row.querySelector(".compare").click();
  }
});

addEventListener("popstate", () => location.reload());

arrived();
