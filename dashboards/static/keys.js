// Keys that every page knows: "?" lists them, "/" leads to what is searched with.

import { byId } from "./dom.js";

const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const dialog = byId("keys-dialog");
  if (event.key === "?" && !dialog.open) {
    event.preventDefault();
    dialog.showModal();
  }
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && search && !dialog.open) {
    event.preventDefault();
    search.focus();
    search.select?.();
  }
});
byId("keys-open").addEventListener("click", () => byId("keys-dialog").showModal());
