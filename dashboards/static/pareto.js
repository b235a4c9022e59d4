// Accuracy against a cost: the front, what it dominates, the baselines, what was stopped or runs.

import { axisLook, chartIn, costText, FONT, niceExtent, niceStep, palette, percent, significant, tooltip } from "./charts.js";

const X = 0, Y = 1, NUMBER = 2, TRUE_Y = 3; // of a drawn point
const TOUCH = matchMedia("(pointer: coarse)").matches;

export class Pareto {
  /** `hovered(n)` and `chosen(n)` hear of points; n is a trial's number or null. */
  constructor(box, { hovered, chosen }) {
    this.box = box;
    this.show = { dominated: true, stopped: true, area: true };
    this.trials = new Map(); // number -> {n, x, y, state}
    this.front = { n: [], x: [], y: [], drawing: [] };
    this.baselines = new Map(); // number -> {n, name, x, y}
    this.cursor = null;
    this.axis = null; // {id, name, scale}
    this.near = this.at = null; // hovered and chosen
    this.extent = null; // of the whole view, on both axes
    this.drawn = 0;

    this.chart = chartIn(box, () => this.draw()).chart;
    this.chart.on("mouseover", (event) => hovered(event.value?.[NUMBER] ?? null));
    this.chart.on("mouseout", () => hovered(null));
    this.chart.on("click", (event) => event.value?.[NUMBER] !== undefined && chosen(event.value[NUMBER]));
    this.chart.on("datazoom", () => this.tick());
    this.chart.on("finished", () => {
      if (this.cursor === null) return;
      Object.assign(box.dataset, { points: this.drawn, front: this.front.n.length, cursor: this.cursor });
    });
    box.addEventListener("keydown", (event) => {
      const next = this.walk(event.key);
      if (next === undefined) return;
      event.preventDefault();
      chosen(next);
    });
  }

  /** Everything anew, on `axis`. */
  load(points, axis) {
    this.axis = axis;
    this.trials.clear();
    this.baselines.clear();
    this.take(points.n.map((n, i) => ({ n, x: points.x[i], y: points.y[i], state: points.state[i] })), points);
    this.whole();
  }

  /** What changed; zoom, hover and choice stay. */
  apply(changes) {
    const { n, x, y, state } = changes.upsert;
    this.take(n.map((number, i) => ({ n: number, x: x[i], y: y[i], state: state[i] })), changes);
    this.draw();
  }

  take(trials, { cursor, front, baselines }) {
    this.cursor = cursor;
    for (const trial of trials) {
      if (trial.y === null) this.trials.delete(trial.n);
      else this.trials.set(trial.n, trial);
    }
    for (const one of baselines) this.baselines.set(one.n, one);
    if (front) this.front = front;
  }

  /** The number of the front's member that a key leads to; undefined for other keys. */
  walk(key) {
    const { n } = this.front;
    const here = n.indexOf(this.at);
    if (key === "Escape") return null;
    if (!n.length) return undefined;
    if (key === "ArrowRight") return n[here < 0 ? 0 : Math.min(n.length - 1, here + 1)];
    if (key === "ArrowLeft") return n[here < 0 ? n.length - 1 : Math.max(0, here - 1)];
    if (key === "Home") return n[0];
    if (key === "End") return n[n.length - 1];
    return undefined;
  }

  mark({ near = this.near, at = this.at }) {
    [this.near, this.at] = [near, at];
    this.chart.setOption({ series: [{ id: "ring", data: this.rings() }] }, { lazyUpdate: true });
  }

  // ------------------------------------------------------------------------------------- view

  get zoomed() {
    return (this.chart.getOption()?.dataZoom ?? []).some((zoom) => zoom.start > 0.01 || zoom.end < 99.99);
  }

  /** The whole view, with room for all that is drawn now. */
  whole() {
    this.extent = this.fitting();
    this.draw();
    this.chart.dispatchAction({ type: "dataZoom", batch: [0, 1].map((dataZoomIndex) => ({ dataZoomIndex, start: 0, end: 100 })) });
  }

  /** Only the front and the bare backbone. */
  toFront() {
    const bare = [...this.baselines.values()].filter((one) => one.name === "bare" && one.y !== null);
    const xs = [...this.front.x, ...bare.map((one) => one.x)].map((x) => this.scaled(x));
    const ys = [...this.front.y, ...bare.map((one) => one.y)];
    if (xs.length < 2) return;
    const batch = [xs, ys].map((values, dataZoomIndex) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const room = (high - low || Math.abs(low) * 0.01 || 1) * 0.08;
      return { dataZoomIndex, startValue: low - room, endValue: high + room };
    });
    this.chart.dispatchAction({ type: "dataZoom", batch });
  }

  /** The view that shows what is fully trained well; what lies far below stands at its edge. */
  fitting() {
    const all = [...this.trials.values()];
    this.linear = this.threshold(all.map((trial) => trial.x));
    if (!all.length) return { x: [0, 1], y: [0, 100] };
    const finished = all.filter((trial) => trial.state === "complete");
    const heights = (finished.length ? finished : all).map((trial) => trial.y).sort((a, b) => a - b);
    const compared = [...this.baselines.values()].map((one) => one.y).filter((y) => y !== null);
    const low = Math.min(heights[Math.floor(heights.length * 0.02)] ?? 0, ...compared);
    const high = Math.max(heights.at(-1) ?? 100, ...compared);
    const room = (high - low) * 0.06;
    const costs = all.map((trial) => trial.x);
    const [least, most] = [Math.min(...costs), Math.max(...costs)];
    const y = niceExtent(low - room, Math.min(100, high + room));
    if (this.axis.scale === "linear") {
      const margin = (most - least) * 0.03;
      return { x: niceExtent(least - margin, most + margin, 8), y };
    }
    const [from, to] = [this.scaled(Math.min(0, least)), this.scaled(most)];
    const margin = (to - from || 1) * 0.04;
    return { x: [from - margin, to + margin], y };
  }

  // A symmetric logarithm: linear up to a threshold, which is near the least extra cost there is.
  threshold(costs) {
    const sizes = costs.map(Math.abs).filter((cost) => cost > 0).sort((a, b) => a - b);
    if (!sizes.length) return 1;
    return 10 ** Math.floor(Math.log10(sizes[Math.floor(sizes.length * 0.05)]));
  }

  scaled(x) {
    return this.axis.scale === "linear" ? x : Math.asinh(x / this.linear);
  }

  unscaled(x) {
    return this.axis.scale === "linear" ? x : Math.sinh(x) * this.linear;
  }

  /** Ticks of the logarithmic axis for what is in view. */
  ticks() {
    if (this.axis.scale === "linear") return null;
    const zoom = this.chart.getOption()?.dataZoom?.[0];
    const [low, high] = zoom && this.zoomed ? [zoom.startValue, zoom.endValue] : this.extent.x;
    const [from, to] = [this.unscaled(low), this.unscaled(high)];
    const gap = (high - low) / (this.box.clientWidth < 500 ? 5 : 11);
    let wanted = [0];
    for (let power = Math.floor(Math.log10(this.linear)) - 1; power < 5; power += 1) {
      for (const lead of [1, 2, 5]) wanted.push(lead * 10 ** power, -lead * 10 ** power);
    }
    wanted = wanted.filter((value) => value >= from && value <= to);
    if (wanted.length < 4) {
      const step = niceStep(to - from, 5);
      wanted = [];
      for (let value = Math.ceil(from / step) * step; value <= to; value += step) wanted.push(value);
    }
    const round = (value) => Math.abs(Math.log10(Math.abs(value || 1)) % 1) < 1e-9; // tens before twos and fives
    wanted.sort((a, b) => (b === 0) - (a === 0) || round(b) - round(a) || Math.abs(a) - Math.abs(b));
    const kept = [];
    for (const value of wanted) {
      const at = this.scaled(value);
      if (kept.every((other) => Math.abs(other - at) >= gap)) kept.push(at);
    }
    return kept.sort((a, b) => a - b);
  }

  /** What of the axes depends on the view. A view that was zoomed into does not end at ticks. */
  axes() {
    const customValues = this.ticks();
    const custom = { customValues }; // null goes back to those of ECharts
    const ends = !this.zoomed;
    const labels = { showMinLabel: ends, showMaxLabel: ends };
    const lines = { showMinLine: ends, showMaxLine: ends };
    return {
      xAxis: { axisLabel: { ...custom, ...(customValues ? {} : labels) }, axisTick: custom, splitLine: custom },
      yAxis: { axisLabel: labels, splitLine: lines },
    };
  }

  tick() {
    this.chart.setOption(this.axes(), { lazyUpdate: true });
  }

  // ------------------------------------------------------------------------------------- drawing

  point({ n, x, y }) {
    const below = y < this.extent.y[0];
    const value = [this.scaled(x), below ? this.extent.y[0] : y, n, y];
    return below ? { value, symbol: "triangle", symbolRotate: 180, symbolSize: 7, symbolOffset: [0, -4] } : value;
  }

  rings() {
    const ring = (n, look) => {
      const trial = this.trials.get(n);
      if (!trial) return [];
      const drawn = this.point(trial);
      return [{ value: drawn.value ?? drawn, ...look }];
    };
    const chosen = ring(this.at, { label: { show: true, formatter: `#${this.at}` } });
    return this.near === this.at ? chosen : [...chosen, ...ring(this.near, {})];
  }

  describe(point) {
    const n = point.value[NUMBER];
    const trial = this.trials.get(n);
    const place = this.front.n.indexOf(n);
    const baseline = this.baselines.get(n)?.name;
    const standing = place >= 0 ? "on the front" : trial?.state === "complete" ? "dominated" : trial?.state;
    const lines = [`${percent(point.value[TRUE_Y])} at ${costText(this.axis.id, trial?.x ?? 0)}`];
    if (trial && trial.state !== "complete") lines[0] += trial.state === "running" ? " so far" : " when stopped";
    if (baseline) lines.push(baseline);
    if (place >= 0) lines.push(this.front.drawing[place]);
    return [`Trial #${n}, ${standing}`, ...lines];
  }

  draw() {
    if (!this.axis) return;
    const colours = palette();
    const look = axisLook(colours);
    look.axisLabel.show = this.trials.size > 0;
    if (!this.zoomed) this.extent = this.fitting();
    const { xAxis, yAxis } = this.axes();
    const kinds = { dominated: [], stopped: [], running: [] };
    const onFront = new Set(this.front.n);
    for (const trial of this.trials.values()) {
      if (onFront.has(trial.n) || this.baselines.has(trial.n)) continue;
      kinds[trial.state === "complete" ? "dominated" : trial.state].push(this.point(trial));
    }
    const baselines = [...this.baselines.values()].filter((one) => one.y !== null);
    const front = this.front.n.map((n, i) => this.point({ n, x: this.front.x[i], y: this.front.y[i] }));
    const corners = front.map((drawn) => (drawn.value ?? drawn).slice(0, 2));
    if (corners.length) corners.push([Math.max(this.extent.x[1], corners.at(-1)[X]), corners.at(-1)[Y]]);
    const dominated = this.show.dominated ? kinds.dominated : [];
    const stopped = this.show.stopped ? kinds.stopped : [];
    this.drawn = dominated.length + stopped.length + kinds.running.length + new Set([...onFront, ...baselines.map((one) => one.n)]).size;

    const scatter = (id, data, more) => ({ id, type: "scatter", data, animation: false, emphasis: { disabled: true }, ...more });
    this.chart.setOption({
      animation: false,
      textStyle: { fontFamily: FONT },
      grid: { left: 6, right: 18, top: 26, bottom: 26, containLabel: true },
      tooltip: tooltip(colours, (point) => this.describe(point)),
      dataZoom: [
        { type: "inside", xAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseMove: !TOUCH, moveOnMouseWheel: false, disabled: TOUCH },
        { type: "inside", yAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "shift", moveOnMouseMove: !TOUCH, moveOnMouseWheel: false, disabled: TOUCH },
      ],
      xAxis: {
        ...look,
        type: "value",
        name: `${this.axis.name} (lower is better)`,
        nameLocation: "middle",
        nameGap: 28,
        min: this.extent.x[0],
        max: this.extent.x[1],
        splitNumber: this.box.clientWidth < 500 ? 3 : 8,
        axisLabel: { ...look.axisLabel, ...xAxis.axisLabel, formatter: (value) => this.label(value) },
        axisTick: { ...look.axisTick, ...xAxis.axisTick },
        splitLine: { ...look.splitLine, ...xAxis.splitLine },
      },
      yAxis: { ...look, type: "value", name: "accuracy, %", nameLocation: "end", nameTextStyle: { ...look.nameTextStyle, align: "left" }, nameGap: 10, min: this.extent.y[0], max: this.extent.y[1], splitNumber: 6, splitLine: { ...look.splitLine, ...yAxis.splitLine }, axisLabel: { ...look.axisLabel, ...yAxis.axisLabel, formatter: (value) => String(Number(value.toPrecision(5))) } },
      series: [
        { id: "line", type: "line", step: "end", silent: true, symbol: "none", data: corners, z: 3, animation: false, lineStyle: { color: colours.front, width: 2 }, areaStyle: { color: colours.area, origin: "start", opacity: this.show.area ? 1 : 0 } },
        scatter("dominated", dominated, { symbolSize: dominated.length > 2000 ? 3.5 : dominated.length > 300 ? 5 : 7, itemStyle: { color: colours.dominated, opacity: 0.55 }, z: 2 }),
        scatter("stopped", stopped, { symbolSize: 6, itemStyle: { color: "transparent", borderColor: colours.dominated, borderWidth: 1.2, opacity: 0.6 }, z: 2 }),
        scatter("running", kinds.running, { symbolSize: 8, itemStyle: { color: "transparent", borderColor: colours.live, borderWidth: 2 }, z: 2 }),
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
    const drawn = this.point(one);
    const bare = one.name === "bare";
    return {
      value: drawn.value ?? drawn,
      called: bare ? "bare" : one.name.replace(/^everywhere:/, ""),
      symbol: bare ? "diamond" : "rect",
      symbolSize: bare ? 15 : 8,
    };
  }

  label(value) {
    const cost = this.unscaled(value);
    if (this.axis.id !== "params") return String(Number(cost.toPrecision(4)));
    const [size, unit] = cost >= 1e6 ? [1e6, " M"] : cost >= 1e3 ? [1e3, " k"] : [1, ""];
    return `${Number((cost / size).toPrecision(4))}${unit}`;
  }

  say(baselines) {
    const { n, x, y } = this.front;
    const ends = n.length ? `, from ${percent(y[0])} at ${costText(this.axis.id, x[0])} to ${percent(y.at(-1))} at ${costText(this.axis.id, x.at(-1))}` : "";
    this.box.setAttribute("aria-label", `Accuracy against ${this.axis.name}: ${this.drawn} trials, ${n.length} on the front${ends}; ${baselines} baselines. The tables below list them.`);
  }
}
