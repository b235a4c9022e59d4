// The list of studies keeps itself up to date.

import { byId, swap } from "./dom.js";
import { Live, read } from "./live.js";

new Live(async (signal) => {
  const before = byId("studies").textContent;
  swap(await read("/", signal, "text"));
  return byId("studies").textContent !== before;
});
