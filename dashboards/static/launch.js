// The form writes a spec as text; the text is what counts. The server looks at it, and starts it.

import { byId, element, say, swap } from "./dom.js";

const form = byId("form");
const text = byId("text");
const wrong = byId("wrong");
const OFTEN = 3000; // milliseconds between two looks at what runs

async function ask(url, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const got = await fetch(url, options);
  const said = await got.json().catch(() => ({}));
  if (got.ok) return said;
  throw Object.assign(new Error(said.error?.message ?? `the server answers ${got.status}`), { field: said.error?.field });
}

// ------------------------------------------------------------------------------ from form to text

const plainly = (value) => (typeof value === "string" && /^[A-Za-z][\w./-]*$/.test(value) && !/^(yes|no|on|off|true|false|null|y|n)$/i.test(value) ? value : JSON.stringify(value));
const inline = (value) => (Array.isArray(value) ? `[${value.map(plainly).join(", ")}]` : plainly(value));

function valueOf(field) {
  if (field.dataset.kind === "names") return [...field.querySelectorAll(":checked")].map((box) => box.value);
  if (field.dataset.kind === "lines") return field.value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (field.dataset.kind === "number") return field.value === "" ? "" : Number(field.value);
  return field.value.trim();
}

function written() {
  const sections = new Map();
  for (const field of form.querySelectorAll("[data-key]")) {
    let value = valueOf(field);
    if (value === "" || (Array.isArray(value) && !value.length)) continue;
    if (field.dataset.key === "objectives") value = ["accuracy", ...value];
    const [section, key] = field.dataset.key.includes(".") ? field.dataset.key.split(".") : ["", field.dataset.key];
    sections.set(section, [...(sections.get(section) ?? []), `${key}: ${inline(value)}`]);
  }
  const own = sections.get("") ?? [];
  sections.delete("");
  const parts = [...sections].map(([section, lines]) => [`${section}:`, ...lines.map((line) => `  ${line}`)].join("\n"));
  return [...parts, ...own].map((part) => `${part}\n`).join("");
}

function write() {
  if (text.readOnly) text.value = written();
  byId("facts").hidden = wrong.hidden = true;
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

form.addEventListener("input", write);
form.addEventListener("submit", (event) => event.preventDefault());
text.addEventListener("input", write);
byId("edit").addEventListener("click", ({ currentTarget: button }) => {
  text.readOnly = !text.readOnly;
  const by_hand = !text.readOnly;
  button.setAttribute("aria-pressed", String(by_hand));
  button.textContent = by_hand ? "Back to the form" : "Edit as text";
  for (const group of form.querySelectorAll("fieldset")) group.disabled = by_hand;
  write();
  if (by_hand) text.focus();
});

// --------------------------------------------------------------------------------- what there is

async function offer() {
  let there;
  try {
    there = await ask("/api/v1/launch/choices");
  } catch (error) {
    complain(error);
    return;
  }
  const usual = (key) => key.split(".").reduce((at, part) => at?.[part], there.usual);
  for (const field of form.querySelectorAll("[data-key]")) {
    const { key, kind } = field.dataset;
    const names = there[key] ?? [];
    if (kind === "names") field.querySelector(".names").replaceChildren(...names.map(box));
    else if (kind === "choice") {
      if (field.options.length === 1) field.append(...names.map((name) => element("option", {}, name)));
      field.options[0].textContent = usual(key) == null ? "none" : `usual: ${usual(key)}`;
    } else if (kind === "text") byId(`list-${key}`).append(...names.map((value) => element("option", { value })));
    if (kind === "text" || kind === "number") field.placeholder = usual(key) ?? "not set";
  }
}

function box(choice) {
  const { name, says = "", paper = "" } = typeof choice === "string" ? { name: choice } : choice;
  const label = element("label", { title: says }, element("input", { type: "checkbox", value: name }), name);
  return paper.startsWith("https:") ? element("span", {}, label, " ", element("a", { href: paper, rel: "noopener noreferrer", target: "_blank", className: "small", ariaLabel: `Paper of ${name}` }, "paper")) : label;
}

// ---------------------------------------------------------------------------- looking, and starting

function complain({ message, field }) {
  wrong.textContent = `${message[0].toUpperCase()}${message.slice(1)}.`;
  wrong.hidden = false;
  const at = field && form.querySelector(`[data-key="${CSS.escape(field)}"]`);
  at?.setAttribute("aria-invalid", "true");
  at?.scrollIntoView({ block: "nearest" });
}

async function busy(what, work) {
  const buttons = [byId("preview"), byId("start")];
  for (const button of buttons) button.disabled = true;
  byId("busy").textContent = what;
  wrong.hidden = true;
  try {
    return await work();
  } catch (error) {
    complain(error);
    return null;
  } finally {
    for (const button of buttons) button.disabled = false;
    byId("busy").textContent = "";
  }
}

const figure = (value) => Number(value.toPrecision(4)).toString();

function show(found) {
  const facts = {
    study: byId("name").value.trim() || found.name,
    space: `${found.placements} placements`,
    images: `${found.image_size} pixels, ${found.classes} classes`,
    GFLOPs: `${figure(found.bare)} bare to at most ${figure(found.dearest)} (+${figure((100 * (found.dearest - found.bare)) / found.bare)} %)`,
    takes: found.duration,
  };
  byId("facts").replaceChildren(...Object.entries(facts).flatMap(([word, fact]) => [element("dt", {}, word), element("dd", {}, fact)]));
  byId("facts").hidden = false;
}

async function look() {
  const asked = text.value;
  const found = await busy("looking at the spec: a few seconds", () => ask("/api/v1/launch/preview", { text: asked }));
  if (found && asked === text.value) show(found);
  return found;
}

byId("preview").addEventListener("click", look);
byId("start").addEventListener("click", async () => {
  const asked = text.value;
  const found = await look();
  if (!found || asked !== text.value) return; // what is wrong is said; what was changed is looked at anew
  const name = byId("name").value.trim() || found.name;
  const begun = await busy("starting", () => ask("/api/v1/launch", { name, text: asked }));
  if (!begun) return;
  say(`The search of ${name} has been started`);
  await follow(begun.run);
});

// ------------------------------------------------------------------------------------ what runs

async function follow(open) {
  const { runs } = await ask("/api/v1/launch/runs");
  const box = byId("runs");
  for (const run of [...runs].reverse()) {
    let row = box.querySelector(`[data-run="${CSS.escape(run.id)}"]`);
    if (!row) {
      box.querySelector("p")?.remove();
      row = element("details", { className: "run", open: run.id === open }, element("summary"), element("pre", { tabIndex: 0, ariaLabel: `Log of ${run.study}` }));
      row.dataset.run = run.id;
      row.addEventListener("toggle", () => row.open && readLog(row));
      box.prepend(row);
    }
    const badge = element("span", { className: `badge${run.alive ? " live" : ""}` }, run.alive ? "at work" : "ended");
    const name = run.study_id === null ? run.study : element("a", { href: `/s/${run.study_id}` }, run.study);
    const since = new Date(run.started).toLocaleString();
    if (row.dataset.state !== `${run.alive} ${run.study_id}`) {
      row.firstChild.replaceChildren(name, badge, element("span", { className: "muted small" }, `process ${run.pid}, started ${since}`));
      row.dataset.state = `${run.alive} ${run.study_id}`;
      row.dataset.read = "";
    }
    if (row.open && (run.alive || !row.dataset.read)) await readLog(row);
    if (!run.alive && row.open) row.dataset.read = "yes";
  }
}

async function readLog(row) {
  const { log } = await ask(`/api/v1/launch/runs/${encodeURIComponent(row.dataset.run)}`);
  const pre = row.querySelector("pre");
  const below = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
  if (pre.textContent !== log) pre.textContent = log || "nothing yet";
  if (below) pre.scrollTop = pre.scrollHeight;
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-does]");
  if (!button) return;
  const { study, name } = button.closest("[data-study]").dataset;
  const trials = button.closest("[data-study]").querySelector("input");
  button.disabled = true;
  try {
    const said = await ask(`/api/v1/studies/${study}/${button.dataset.does}`, trials ? { trials: Number(trials.value) } : {});
    say(said.message ?? `Study ${name} goes on`);
    if (said.message) button.replaceWith(element("span", { className: "muted end" }, said.message));
    await follow(said.run);
  } catch (error) {
    complain(error);
    button.disabled = false;
  }
});

async function refresh() {
  if (!document.hidden) {
    try {
      await follow();
      const typing = byId("standing").contains(document.activeElement);
      if (!typing) swap(await (await fetch("/launch", { headers: { Accept: "text/html" } })).text());
    } catch {
      // the next look says whether the server is back
    }
  }
  setTimeout(refresh, OFTEN);
}

write();
offer();
refresh();
