// Accuracy against a cost: the front, what it dominates, the baselines, what was stopped or runs.

import { axisLook, chartIn, costText, FONT, mix, palette, percent, tooltip } from "./charts.js";
import { Scale } from "./scale.js";

const X = 0, Y = 1, NUMBER = 2, TRUE_Y = 3, COUNT = 4; // of a drawn point
const TOUCH = matchMedia("(pointer: coarse)").matches;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const SETTLED = 250; // milliseconds after the last turn of the wheel
const AGES = 12; // shades, from old to new

export class Pareto {
  /** Hears: `hovered(n)`, `chosen(n)`, `opened(n)`, `compared(n)`, n a trial's number or null;
   *  `windowed()` when another part of the plane is looked at. */
  constructor(box, hears) {
    this.box = box;
    this.hears = hears;
    this.show = { dominated: true, area: true, age: false };
    this.trials = new Map(); // number -> {n, x, y, state, c}: c trials are where it is drawn
    this.front = { n: [], x: [], y: [], drawing: [], of: [], knee: null };
    this.corners = [];
    this.running = [];
    this.baselines = new Map(); // number -> {n, name, x, y}
    this.cursor = null;
    this.axis = null; // {id, name, scale}
    this.near = this.at = null; // hovered and chosen
    this.beside = []; // chosen to be compared
    this.fresh = new Set(); // on the front since a moment ago
    this.late = 0; // trials that came after the points were thinned out
    this.drawn = 0;

    this.chart = chartIn(box, () => this.draw()).chart;
    this.chart.on("mouseover", (event) => hears.hovered(event.value?.[NUMBER] ?? null));
    this.chart.on("mouseout", () => hears.hovered(null));
    this.chart.on("click", (event) => event.value?.[NUMBER] !== undefined && hears.chosen(event.value[NUMBER]));
    this.chart.on("datazoom", () => this.zooming());
    this.chart.on("finished", () => {
      if (this.cursor === null) return;
      Object.assign(box.dataset, { points: this.drawn, front: this.front.n.length, cursor: this.cursor });
    });
    box.addEventListener("keydown", (event) => this.key(event));
  }

  // ------------------------------------------------------------------------------------- data

  /** Everything anew, on `axis`, the whole plane; or with `zoom` what is looked at stays. */
  load(points, axis, { zoom = false } = {}) {
    this.axis = axis;
    this.trials.clear();
    this.baselines.clear();
    this.late = 0;
    this.take(points);
    this.add(points);
    if (zoom && this.zoomed) {
      this.draw();
      return;
    }
    this.fit(points.extent);
    this.whole();
  }

  /** The points of a part of the plane, closer; those around it stay. */
  refine(points, { x0, x1, y0, y1 }) {
    for (const { n, x, y } of [...this.trials.values()]) {
      if (x >= x0 && x <= x1 && y >= y0 && y <= y1) this.trials.delete(n);
    }
    this.take(points);
    this.add(points);
    this.draw();
  }

  add({ n, x, y, state, c }) {
    n.forEach((number, i) => this.trials.set(number, { n: number, x: x[i], y: y[i], state: state[i], c: c[i] }));
  }

  /** What changed; zoom, hover and choice stay. Whether it is time to thin the points out again. */
  apply(changes) {
    this.take(changes);
    const { n, x, y, state } = changes.upsert;
    let outside = false;
    n.forEach((number, i) => {
      if (y[i] === null || x[i] === null) {
        this.trials.delete(number);
        return;
      }
      if (!this.trials.has(number)) this.late += 1;
      this.trials.set(number, { n: number, x: x[i], y: y[i], state: state[i], c: this.trials.get(number)?.c ?? 1 });
      const at = this.scale.to(x[i]);
      outside ||= at < this.extent.x[0] || at > this.extent.x[1] || y[i] > this.extent.y[1];
    });
    this.draw();
    return outside || this.late > 500;
  }

  take({ cursor, front, corners, running, baselines }) {
    this.cursor = cursor;
    if (front) [this.front, this.corners] = [front, corners];
    this.running = running;
    for (const one of baselines ?? []) this.baselines.set(one.n, one);
  }

  /** These have come to the front: a ring says so for a moment. */
  flash(numbers) {
    if (STILL.matches) return;
    this.fresh = new Set(numbers);
    this.mark({});
    setTimeout(() => {
      this.fresh.clear();
      this.mark({});
    }, 2500);
  }

  // ------------------------------------------------------------------------------------- keys

  key(event) {
    const next = this.walk(event.key);
    if (next !== undefined) this.hears.chosen(next);
    else if (event.key === "Enter" && this.at !== null) this.hears.opened(this.at);
    else if (event.key === " " && this.at !== null) this.hears.compared(this.at);
    else return;
    event.preventDefault();
  }

  /** The number of the front's member that a key leads to; undefined for other keys. */
  walk(key) {
    const { n } = this.front;
    const here = n.indexOf(this.at);
    if (key === "Escape") return this.at === null ? undefined : null;
    if (!n.length) return undefined;
    if (key === "ArrowRight") return n[here < 0 ? 0 : Math.min(n.length - 1, here + 1)];
    if (key === "ArrowLeft") return n[here < 0 ? n.length - 1 : Math.max(0, here - 1)];
    if (key === "Home") return n[0];
    if (key === "End") return n[n.length - 1];
    return undefined;
  }

  mark({ near = this.near, at = this.at, beside = this.beside }) {
    [this.near, this.at, this.beside] = [near, at, beside];
    if (this.extent) this.chart.setOption({ series: [{ id: "ring", data: this.rings() }] }, { lazyUpdate: true });
  }

  // ------------------------------------------------------------------------------------- view

  get zoomed() {
    return (this.chart.getOption()?.dataZoom ?? []).some((zoom) => zoom.start > 0.01 || zoom.end < 99.99);
  }

  /** The plot's, in pixels; roughly, so that answers serve several readers. */
  get size() {
    return { w: Math.round(this.box.clientWidth / 40) * 40, h: Math.round(this.box.clientHeight / 40) * 40 };
  }

  /** What of the plane is looked at, in costs and percents; null is all. */
  get part() {
    if (!this.zoomed) return null;
    const [x, y] = this.chart.getOption().dataZoom;
    const [x0, x1] = [x.startValue, x.endValue].map((at) => Number(this.scale.from(at).toPrecision(8)));
    const [y0, y1] = [y.startValue, y.endValue].map((at) => Number(at.toPrecision(8)));
    return { x0, x1, y0, y1 };
  }

  /** The view that the server says is worth showing. */
  fit({ x, y, steps, linear }) {
    this.scale = new Scale(this.axis.scale, linear);
    this.extent = { x: x.map((cost) => this.scale.to(cost)), y, steps };
  }

  zooming() {
    this.chart.setOption(this.axes(), { lazyUpdate: true });
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.hears.windowed(), SETTLED);
  }

  whole() {
    this.draw();
    if (this.zoomed) this.chart.dispatchAction({ type: "dataZoom", batch: [0, 1].map((dataZoomIndex) => ({ dataZoomIndex, start: 0, end: 100 })) });
  }

  /** Only the front and the bare backbone. */
  toFront() {
    const bare = [...this.baselines.values()].filter((one) => one.name === "bare");
    const xs = [...this.front.x, ...bare.map((one) => one.x)].map((x) => this.scale.to(x));
    const ys = [...this.front.y, ...bare.map((one) => one.y)];
    if (xs.length < 2) return;
    this.zoom([xs, ys].map((values) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const room = (high - low || Math.abs(low) * 0.01 || 1) * 0.08;
      return [low - room, high + room];
    }));
  }

  /** Only this part. */
  toPart({ x0, x1, y0, y1 }) {
    this.zoom([[x0, x1].map((x) => this.scale.to(x)), [y0, y1]]);
  }

  zoom(ends) {
    const batch = ends.map(([startValue, endValue], dataZoomIndex) => ({ dataZoomIndex, startValue, endValue }));
    this.chart.dispatchAction({ type: "dataZoom", batch });
  }

  /** What of the axes depends on the view. A view that was zoomed into does not end at ticks. */
  axes() {
    const ends = !this.zoomed;
    const zoom = ends ? null : this.chart.getOption().dataZoom[0];
    const [low, high] = zoom ? [zoom.startValue, zoom.endValue] : this.extent.x;
    const [along, up] = ends ? this.extent.steps : [null, null];
    const custom = { customValues: this.scale.ticks(low, high, this.box.clientWidth < 500 ? 1 / 5 : 1 / 11) };
    const labels = { showMinLabel: ends, showMaxLabel: ends };
    const lines = { showMinLine: ends, showMaxLine: ends };
    return {
      xAxis: { interval: this.box.clientWidth < 500 ? null : along, axisLabel: { ...custom, ...(custom.customValues ? {} : labels) }, axisTick: custom, splitLine: custom },
      yAxis: { interval: up, axisLabel: labels, splitLine: lines },
    };
  }

  // ------------------------------------------------------------------------------------- drawing

  point({ n, x, y, c = 1 }) {
    const low = this.extent.y[0];
    const below = y === null || y < low;
    const value = [this.scale.to(x), below ? low : y, n, y, c];
    return below ? { value, symbol: "triangle", symbolRotate: 180, symbolSize: 6, symbolOffset: [0, -4] } : { value };
  }

  find(n) {
    const at = this.front.n.indexOf(n);
    if (at >= 0) return { n, x: this.front.x[at], y: this.front.y[at], state: "complete", c: 1 };
    return this.trials.get(n) ?? this.baselines.get(n) ?? this.running.find((one) => one.n === n);
  }

  rings() {
    const ring = (n, look) => {
      const found = this.find(n);
      return found ? [{ value: this.point(found).value, ...look }] : [];
    };
    const named = (n) => ({ label: { show: true, formatter: `#${n}` } });
    const colours = palette();
    return [
      ...this.beside.filter((n) => n !== this.at).flatMap((n) => ring(n, { ...named(n), symbolSize: 15, itemStyle: { borderType: "dashed" } })),
      ...[...this.fresh].flatMap((n) => ring(n, { symbolSize: 26, itemStyle: { borderColor: colours.live, borderWidth: 4 } })),
      ...(this.near !== this.at ? ring(this.near, {}) : []),
      ...ring(this.at, named(this.at)),
    ];
  }

  describe(point) {
    const n = point.value[NUMBER];
    const trial = this.find(n);
    const place = this.front.n.indexOf(n);
    const running = this.running.some((one) => one.n === n);
    const standing = place >= 0 ? "on the front" : running ? "running" : !trial?.state || trial.state === "complete" ? "dominated" : trial.state;
    const height = point.value[TRUE_Y];
    const cost = costText(this.axis.id, trial?.x ?? this.scale.from(point.value[X]));
    const lines = [height === null ? `no epoch yet, ${cost}` : `${percent(height)} at ${cost}`];
    if (height !== null && running) lines[0] += " so far";
    if (trial?.state === "stopped") lines[0] += " when stopped";
    const baseline = this.baselines.get(n)?.name;
    if (baseline) lines.push(baseline);
    if (place >= 0) lines.push(this.front.drawing[place]);
    if (point.value[COUNT] > 1) lines.push(`${point.value[COUNT]} trials here`);
    return [`Trial #${n}, ${standing}`, ...lines];
  }

  draw() {
    if (!this.axis) return;
    const colours = palette();
    const look = axisLook(colours);
    look.axisLabel.show = this.trials.size > 0;
    const { xAxis, yAxis } = this.axes();
    const ghosts = new Set(this.running.map((one) => one.n));
    const onFront = new Set(this.front.n);
    const [dominated, stopped] = [[], []];
    for (const trial of this.trials.values()) {
      if (onFront.has(trial.n) || this.baselines.has(trial.n) || ghosts.has(trial.n)) continue;
      (trial.state === "stopped" ? stopped : dominated).push(this.point(trial));
    }
    const many = this.show.dominated ? dominated.length + stopped.length : 0;
    const baselines = [...this.baselines.values()].filter((one) => !ghosts.has(one.n));
    const front = this.front.n.map((n, i) => this.point({ n, x: this.front.x[i], y: this.front.y[i] }));
    const corners = this.corners.map(([x, y]) => [this.scale.to(x), Math.max(y, this.extent.y[0])]);
    if (corners.length) corners.push([Math.max(this.extent.x[1], corners.at(-1)[X]), corners.at(-1)[Y]]);
    this.drawn = this.trials.size - (this.show.dominated ? 0 : dominated.length + stopped.length);

    const base = many > 2000 ? 3 : many > 300 ? 4.5 : 7;
    const sized = (value) => base + Math.min(4, Math.log2(value[COUNT]));
    const shades = Array.from({ length: AGES }, (_, i) => mix(colours.waiting, colours.front, i / (AGES - 1)));
    const last = Math.max(1, ...this.trials.keys());
    const age = (point) => shades[Math.round((point.value[NUMBER] / last) * (AGES - 1))];
    const scatter = (id, data, more) => ({ id, type: "scatter", data, animation: false, emphasis: { disabled: true }, ...more });
    const faint = this.show.age ? { color: age, opacity: 0.8 } : { color: colours.dominated, opacity: 0.55 };
    this.chart.setOption({
      animation: false,
      textStyle: { fontFamily: FONT },
      grid: { left: 6, right: 24, top: 26, bottom: 26, containLabel: true },
      tooltip: tooltip(colours, (point) => this.describe(point)),
      dataZoom: [0, 1].map((i) => ({ type: "inside", [i ? "yAxisIndex" : "xAxisIndex"]: 0, filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseMove: !TOUCH, moveOnMouseWheel: false, disabled: TOUCH })),
      xAxis: {
        ...look,
        type: "value",
        name: `${this.axis.name} (lower is better)`,
        nameLocation: "middle",
        nameGap: 28,
        min: this.extent.x[0],
        interval: xAxis.interval,
        max: this.extent.x[1],
        splitNumber: this.box.clientWidth < 500 ? 3 : 8,
        axisLabel: { ...look.axisLabel, ...xAxis.axisLabel, formatter: (value) => this.label(value) },
        axisTick: { ...look.axisTick, ...xAxis.axisTick },
        splitLine: { ...look.splitLine, ...xAxis.splitLine },
      },
      yAxis: {
        ...look,
        type: "value",
        name: "accuracy, %",
        nameLocation: "end",
        nameTextStyle: { ...look.nameTextStyle, align: "left" },
        nameGap: 10,
        min: this.extent.y[0],
        interval: yAxis.interval,
        max: this.extent.y[1],
        splitNumber: 6,
        splitLine: { ...look.splitLine, ...yAxis.splitLine },
        axisLabel: { ...look.axisLabel, ...yAxis.axisLabel, formatter: (value) => String(Number(value.toPrecision(8))) },
      },
      series: [
        { id: "line", type: "line", step: "end", silent: true, symbol: "none", data: corners, z: 3, animation: false, lineStyle: { color: colours.front, width: 2 }, areaStyle: { color: colours.area, origin: "start", opacity: this.show.area ? 1 : 0 } },
        scatter("dominated", this.show.dominated ? dominated : [], { symbolSize: sized, itemStyle: faint, z: 2 }),
        scatter("stopped", this.show.dominated ? stopped : [], { symbolSize: sized, itemStyle: this.show.age ? { ...faint, borderColor: colours.card, borderWidth: 1 } : { color: "transparent", borderColor: colours.dominated, borderWidth: 1, opacity: 0.5 }, z: 2 }),
        scatter("running", this.running.map((one) => this.point(one)), { symbolSize: 8, itemStyle: { color: "transparent", borderColor: colours.live, borderWidth: 2 }, z: 4 }),
        scatter("front", front, { symbolSize: 9, itemStyle: { color: colours.front, borderColor: colours.card, borderWidth: 1.5 }, z: 5 }),
        scatter("baselines", baselines.map((one) => this.baseline(one)), {
          itemStyle: { color: colours.baseline, borderColor: colours.card, borderWidth: 1 },
          label: { show: true, position: "right", color: colours.fg, fontSize: 12, textBorderColor: colours.card, textBorderWidth: 3, formatter: (point) => point.data.called },
          labelLayout: { hideOverlap: true, dy: 10 },
          z: 6,
        }),
        scatter("ring", this.rings(), {
          silent: true,
          symbolSize: 18,
          symbol: "circle",
          itemStyle: { color: "transparent", borderColor: colours.fg, borderWidth: 2 },
          label: { position: "top", color: colours.fg, fontSize: 12, textBorderColor: colours.card, textBorderWidth: 3 },
          z: 8,
        }),
      ],
    });
    this.say(baselines.length);
  }

  baseline(one) {
    const bare = one.name === "bare";
    return {
      ...this.point(one),
      called: bare ? "bare" : one.name.replace(/^everywhere:/, ""),
      symbol: bare ? "diamond" : "rect",
      symbolSize: bare ? 15 : 8,
      ...(this.front.n.includes(one.n) && { itemStyle: { borderColor: palette().front, borderWidth: 2.5 } }),
    };
  }

  label(value) {
    const cost = this.scale.from(value);
    if (this.axis.id !== "params") return String(Number(cost.toPrecision(8)));
    const [size, unit] = cost >= 1e6 ? [1e6, " M"] : cost >= 1e3 ? [1e3, " k"] : [1, ""];
    return `${Number((cost / size).toPrecision(8))}${unit}`;
  }

  say(baselines) {
    const { n, x, y } = this.front;
    const ends = n.length ? `, from ${percent(y[0])} at ${costText(this.axis.id, x[0])} to ${percent(y.at(-1))} at ${costText(this.axis.id, x.at(-1))}` : "";
    this.box.setAttribute("aria-label", `Accuracy against ${this.axis.name}: ${this.drawn} points, ${n.length} on the front${ends}; ${this.running.length} running, ${baselines} baselines. The table of the front below lists them.`);
  }
}
