// Exporting a trial from any page: the server has it made, a small panel says how far it is.

import { byId, element } from "./dom.js";

const FORMATS = { module: "PyTorch module", onnx: "ONNX", pt2: "torch.export" };
const STAGES = {
  reading: "reading the trial",
  building: "building the network",
  writing: "writing the file",
  checking: "comparing it with what was trained",
};
const SOON = 400; // milliseconds between two questions, at first
const SELDOM = 2500;

document.head.append(element("link", { rel: "stylesheet", href: new URL("./exporting.css", import.meta.url).href }));

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function answer(url, options) {
  const got = await fetch(url, options);
  const said = await got.json().catch(() => ({}));
  if (!got.ok) throw new Error(said.error?.message ?? `the server answers ${got.status}`);
  return said;
}

/** Ask for trial `number` of `study` (its id) in `format`, and download it once it is there. */
export async function exportTrial(study, number, format = "module") {
  const panel = new Panel(`Trial #${number} as ${FORMATS[format] ?? format}`);
  try {
    const { job } = await answer(`/api/v1/studies/${study}/trials/${number}/export`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ format }),
    });
    let wait = SOON;
    for (;;) {
      const found = await answer(`/api/v1/jobs/${job}`);
      if (found.state === "failed") throw new Error(found.message);
      if (found.state === "done") {
        panel.done(found);
        return found;
      }
      panel.show(found.state === "waiting" ? "waiting for others" : (STAGES[found.stage] ?? "starting"), found.progress);
      await pause(wait);
      wait = Math.min(SELDOM, wait * 1.3);
    }
  } catch (error) {
    panel.failed(error.message);
    return null;
  }
}

class Panel {
  constructor(title) {
    this.text = element("p", { className: "muted small" }, "asking for it");
    this.bar = element("progress", { max: 1, value: 0, ariaLabel: title });
    const close = element("button", { type: "button", className: "quiet", ariaLabel: `Close: ${title}` }, "Close");
    const said = element("div", {}, element("h2", {}, title), this.text);
    said.setAttribute("role", "status");
    this.box = element("section", { className: "card exporting", ariaLabel: title }, said, this.bar, close);
    close.addEventListener("click", () => this.box.remove());
    panels().append(this.box);
  }

  show(text, progress) {
    if (this.text.textContent !== text) this.text.textContent = text;
    this.bar.value = progress;
  }

  done({ url, name, bytes, sha256, message }) {
    const link = element("a", { href: url, download: name }, name);
    this.text.replaceChildren(link, ` · ${size(bytes)} · ${message}`);
    this.text.append(element("span", { className: "sum", title: sha256 }, `sha256 ${sha256}`));
    this.bar.remove();
    link.click();
  }

  failed(message) {
    this.text.className = "mistake small";
    this.text.textContent = `Not exported: ${message}`;
    this.bar.remove();
  }
}

function panels() {
  const there = byId("exports");
  if (there) return there;
  const made = element("div", { id: "exports" });
  document.body.append(made);
  return made;
}

/** Bytes as people say them. */
export function size(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** `button` opens a menu of `choices()`, `[{label, number}]`, of which each is exported. */
export function exportMenu(button, study, choices) {
  let menu = null;
  button.setAttribute("aria-expanded", "false");

  const close = (focus) => {
    menu?.remove();
    menu = null;
    button.setAttribute("aria-expanded", "false");
    if (focus) button.focus();
  };
  button.addEventListener("click", () => {
    if (menu) {
      close(false);
      return;
    }
    menu = built(study, choices(), close);
    button.after(menu);
    button.setAttribute("aria-expanded", "true");
    const { right, bottom } = button.getBoundingClientRect();
    menu.style.top = `${bottom + 6}px`;
    menu.style.left = `${Math.max(8, right - menu.offsetWidth)}px`;
    (menu.querySelector("button") ?? menu).focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu) return;
    event.preventDefault();
    close(true);
  });
  addEventListener("scroll", () => menu && close(false), { passive: true });
  document.addEventListener("click", ({ target }) => {
    if (menu && !menu.contains(target) && !button.contains(target)) close(false);
  });
}

function built(study, choices, close) {
  const format = element("select", { ariaLabel: "Format" });
  format.append(...Object.entries(FORMATS).map(([value, text]) => element("option", { value }, text)));
  const items = choices.map(({ label, number }) => {
    const item = element("button", { type: "button", className: "item" }, label, element("span", { className: "muted" }, ` #${number}`));
    item.addEventListener("click", () => {
      exportTrial(study, number, format.value);
      close(true);
    });
    return item;
  });
  if (!items.length) items.push(element("p", { className: "muted" }, "No trial is fully trained yet."));
  return element("div", { className: "card export-menu", tabIndex: -1 }, ...items, element("label", { className: "pick" }, "as ", format));
}
