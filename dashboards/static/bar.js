// The bar of a study's pages: another study, and how many trials are to be compared.

import { compareAddress, compared } from "./comparing.js";
import { byId } from "./dom.js";

const study = Number(byId("study").dataset.id);

byId("study").addEventListener("change", (event) => {
  const rest = location.pathname.replace(/^\/s\/\d+/, "").replace(/^\/(trials\/.*|compare)$/, "/trials");
  location.assign(`/s/${event.target.value}${rest}`);
});

function count() {
  const numbers = compared(study);
  const link = byId("to-compare");
  link.href = compareAddress(study, numbers);
  link.querySelector(".count").textContent = numbers.length;
  link.querySelector(".count").hidden = !numbers.length;
}

document.addEventListener("compared", count);
addEventListener("storage", count); // chosen in another tab
count();
