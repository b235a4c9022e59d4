// The small line charts: the hypervolume's history, a trial's curve.

import { axisLook, chartIn, FONT, niceExtent, palette, percent, tooltip } from "./charts.js";

/** A line chart of `lines()`: [{name, data: [[x, y], ...], look, step}]. */
function lineChart(box, lines, { x, title }) {
  const draw = () => {
    const colours = palette();
    const look = axisLook(colours);
    const there = lines(colours);
    const heights = there.flatMap((line) => line.data.map(([, y]) => y));
    const [low, high, step] = niceExtent(Math.min(...heights), Math.max(...heights), 4);
    held.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: FONT },
        grid: { left: 4, right: 14, top: there.length > 1 ? 28 : 10, bottom: 2, containLabel: true },
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
    this.history = { finished: [], percent: [] };
  }

  update(history) {
    this.history = history;
    const count = history.finished.length;
    if (!count) {
      this.held?.dispose();
      this.held = null;
      this.box.setAttribute("aria-label", "Hypervolume: begins with the first fully trained trial");
      this.box.classList.add("none");
      return;
    }
    const last = percent(history.percent[count - 1]);
    this.box.classList.remove("none");
    this.box.setAttribute("aria-label", `Hypervolume: ${last} after ${history.finished[count - 1]} fully trained trials`);
    this.held ??= lineChart(
      this.box,
      (colours) => [
        {
          name: "hypervolume",
          data: this.history.finished.map((x, i) => [x, this.history.percent[i]]),
          look: { color: colours.front },
          step: "end",
        },
      ],
      { x: "fully trained trials", title: (x) => `after ${x} trials` },
    );
    this.held.draw();
  }
}

/** A trial's curve beside the bare backbone's, in `box`; what it gives disposes of it. */
export function curveChart(box, curve) {
  const line = (shares) => shares.map((y, i) => [i + 1, y]);
  const chart = lineChart(
    box,
    (colours) =>
      [
        { name: "this", data: line(curve.this), look: { color: colours.front } },
        { name: "bare", data: line(curve.bare), look: { color: colours.baseline, type: "dashed" } },
      ].filter((one) => one.data.length),
    { x: "epoch", title: (x) => `epoch ${x}` },
  );
  chart.draw();
  return chart;
}
