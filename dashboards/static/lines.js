// The small line charts: the hypervolume's history, a trial's curve.

import { axisLook, chartIn, FONT, niceExtent, palette, percent, tooltip } from "./charts.js";

/** A line chart of `lines()`: [{name, data: [[x, y], ...], look, step, marks, above}]. */
function lineChart(box, lines, { x, title }) {
  const draw = () => {
    const colours = palette();
    const look = axisLook(colours);
    const there = lines(colours);
    const heights = there.flatMap((line) => [...line.data.map(([, y]) => y), ...(line.above ? [line.above] : [])]);
    const [low, high, step] = niceExtent(Math.min(...heights), Math.max(...heights), 4);
    held.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: FONT },
        grid: { left: 4, right: 22, top: there.length > 1 ? 28 : 10, bottom: 2, containLabel: true },
        legend: { show: there.length > 1, right: 0, top: 0, itemHeight: 8, textStyle: { color: colours.muted }, data: there.map((line) => line.name) },
        tooltip: tooltip(colours, (at) => [title(at[0].value[0]), ...at.map((p) => `${p.seriesName} ${percent(p.value[1])}`)], "axis"),
        xAxis: { ...look, type: "value", name: x, nameLocation: "middle", nameGap: 24, minInterval: 1, min: there.some((line) => line.data.length > 1) ? "dataMin" : 0, max: "dataMax", splitLine: { show: false } },
        yAxis: { ...look, type: "value", min: low, max: high, interval: step },
        series: there.map((line) => ({
          name: line.name,
          type: "line",
          step: line.step,
          data: line.data,
          symbol: line.data.length === 1 ? "circle" : "none",
          lineStyle: { width: 2, ...line.look },
          itemStyle: { color: line.look.color },
          ...line.marks,
        })),
      },
      { notMerge: true },
    );
  };
  const held = chartIn(box, draw);
  return { draw, dispose: held.dispose };
}

/** The hypervolume's history, in `box`. */
export class Hypervolume {
  constructor(box) {
    this.box = box;
    this.held = null;
    this.history = { n: [], hv: [], finished: 0, of: [] };
  }

  update(history) {
    const { n, hv, finished, of } = history;
    this.history = history;
    if (!n.length) {
      this.held?.dispose();
      this.held = null;
      this.box.setAttribute("aria-label", "Hypervolume: begins with the first fully trained trial");
      this.box.classList.add("none");
      return;
    }
    this.box.classList.remove("none");
    this.box.setAttribute("aria-label", `Hypervolume of ${of.join(" and ")}: ${percent(hv.at(-1))} after ${finished} fully trained trials, flat for ${finished - n.at(-1)}`);
    this.held ??= lineChart(
      this.box,
      (colours) => [
        {
          name: "hypervolume",
          data: stairs(this.history),
          look: { color: colours.front },
          step: "end",
        },
      ],
      { x: "fully trained trials", title: (x) => `after ${x} trials` },
    );
    this.held.draw();
  }
}

/** Where the hypervolume rose, and that it has stayed there since. */
function stairs({ n, hv, finished }) {
  const rises = n.map((x, i) => [x, hv[i]]);
  return n.at(-1) < finished ? [...rises, [finished, hv.at(-1)]] : rises;
}

/** A trial's curve beside the bare backbone's, in `box`; dotted lines are where trials are judged,
 *  a mark is the threshold that stopped it. What it gives disposes of it. */
export function curveChart(box, curve) {
  const line = (shares) => shares.map((y, i) => [i + 1, y]);
  const last = Math.max(curve.this.length, curve.bare.length);
  const chart = lineChart(
    box,
    (colours) => {
      const { verdict } = curve;
      const marks = {
        markLine: {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: colours.muted, type: "dotted", opacity: 0.7 },
          data: curve.rungs.filter((epoch) => epoch <= last).map((xAxis) => ({ xAxis })),
        },
        markPoint: {
          silent: true,
          symbol: "rect",
          symbolSize: [22, 2.5],
          itemStyle: { color: colours.stopped },
          label: { show: true, position: "top", color: colours.fg, fontSize: 11, formatter: "threshold" },
          data: verdict ? [{ coord: [verdict.epoch, verdict.threshold] }] : [],
        },
      };
      return [
        { name: "this", data: line(curve.this), look: { color: colours.front }, marks, above: verdict?.threshold },
        { name: "baseline", data: line(curve.bare), look: { color: colours.baseline, type: "dashed" } },
      ].filter((one) => one.data.length);
    },
    { x: "epoch", title: (x) => `epoch ${x}${curve.rungs.includes(x) ? ", where trials are judged" : ""}` },
  );
  chart.draw();
  return chart;
}
