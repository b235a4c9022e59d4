// The Early stopping page: who came how far, what it saved, whom it may have cost.

import { byId, pageData } from "./dom.js";
import { Live, read } from "./live.js";
import { drawStops } from "./stopped.js";

const page = pageData("page");
const address = `/api/v1/studies/${page.id}/stops?${new URLSearchParams(page.wanted)}`;
byId("json").href = address;
let cursor = null;
const live = new Live(ask);

async function ask(signal) {
  const found = await read(address, signal);
  if (found.cursor === cursor) return false;
  cursor = found.cursor;
  drawStops(found, `/s/${page.id}`);
  byId("tiles").dataset.state = "drawn";
  return true;
}

live.now();
