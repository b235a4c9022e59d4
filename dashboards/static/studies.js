// The list of studies keeps itself up to date, and is searched by name.

import { byId, swap } from "./dom.js";
import { Live, read } from "./live.js";

const search = byId("search");

function sift() {
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  for (const card of document.querySelectorAll(".study")) {
    card.hidden = !card.dataset.words.toLowerCase().includes(wanted);
    shown += !card.hidden;
  }
  byId("none-found").hidden = shown > 0 || !wanted;
}

search?.addEventListener("input", () => {
  sift();
  history.replaceState(null, "", search.value ? `?q=${encodeURIComponent(search.value)}` : location.pathname);
});

new Live(async (signal) => {
  const before = byId("studies").textContent;
  swap(await read("/", signal, "text"));
  sift();
  const alive = Boolean(document.querySelector(".badge.live"));
  return { changed: byId("studies").textContent !== before, alive };
});
if (search) {
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  sift();
}
