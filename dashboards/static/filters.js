// The filter bar says the same as the address.

const TOGGLES = { dominated: true, area: true, age: false }; // what is drawn, unless the address says
const NAMES = ["cost", "backbone", "min_acc", "max_gflops", "max_params", "max_latency", "max_memory"];

export class Filters {
  /** `changed(what)` hears of "view" when other trials or another axis are wanted, of "look" when
   *  the same are to be drawn in another way. */
  constructor(form, changed) {
    this.form = form;
    this.first = form.elements.cost.dataset.first;
    this.read(location.search);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => changed("toggle" in event.target.dataset ? "look" : "view"));
  }

  value(name) {
    return this.form.elements[name]?.value ?? "";
  }

  get cost() {
    return this.value("cost");
  }

  get axis() {
    const { dataset, value } = this.form.elements.cost.selectedOptions[0];
    return { id: value, name: dataset.name, scale: dataset.scale };
  }

  get toggles() {
    return Object.fromEntries(Object.keys(TOGGLES).map((name) => [name, this.form.elements[name].checked]));
  }

  states() {
    return [...this.form.querySelectorAll("[name=state]:checked")].map((box) => box.value);
  }

  /** What the server is asked for. */
  query() {
    const asked = new URLSearchParams();
    for (const name of NAMES) if (this.value(name)) asked.set(name, this.value(name));
    const [module, place] = [this.value("module"), this.value("place")];
    if (module || place) asked.set("module", place ? `${module}@${place}` : module);
    if (this.states().length) asked.set("state", this.states().join(","));
    return asked;
  }

  /** The filters alone, as files are asked for. */
  filters() {
    const asked = this.query();
    asked.delete("cost");
    return asked;
  }

  /** The address of this view, with trial `chosen` and a `part` of the plane. */
  address(chosen, part) {
    const asked = this.query();
    for (const [name, on] of Object.entries(this.toggles)) if (on !== TOGGLES[name]) asked.set(name, Number(on));
    if (chosen !== null) asked.set("t", chosen);
    for (const [name, end] of Object.entries(part ?? {})) asked.set(name, end);
    return `${location.pathname}?${asked}`;
  }

  /** Put the bar as an address has it. */
  read(search) {
    const said = new URLSearchParams(search);
    const { elements } = this.form;
    for (const name of NAMES) {
      if (elements[name]) elements[name].value = said.get(name) ?? (name === "cost" ? this.first : "");
    }
    const [module, place] = (said.get("module") ?? "").split("@");
    elements.module.value = module;
    if (!this.pick(elements.place, place ?? "")) elements.place.value = "";
    const states = (said.get("state") ?? "").split(",");
    for (const box of this.form.querySelectorAll("[name=state]")) box.checked = states.includes(box.value);
    for (const [name, on] of Object.entries(TOGGLES)) elements[name].checked = said.has(name) ? said.get(name) !== "0" : on;
  }

  pick(select, wanted) {
    const found = [...select.options].find((one) => one.value === wanted || one.dataset.path === wanted);
    if (found) select.value = found.value;
    return Boolean(found);
  }

  /** The bar's own words, and the links to files, follow. */
  show() {
    const count = this.states().length;
    this.form.querySelector(".states-menu summary").textContent = count ? `States (${count})` : "States";
    const wanted = this.filters().toString();
    for (const link of this.form.querySelectorAll("[data-file]")) {
      link.href = `${link.href.split("?")[0]}${wanted && "?"}${wanted}`;
    }
    this.form.querySelector("#no-filters").hidden = !wanted;
  }
}
