// Several learning curves in one chart, with the places where trials are judged.

import { axisLook, chartIn, FONT, niceExtent, palette, percent, tooltip } from "./charts.js";

const LOOKS = ["solid", "dashed", "dotted", [8, 3, 2, 3]]; // besides colour, for who sees none

/** `{lines: [{name, kind, data}], rungs: [{epoch, threshold}]}` in `box`; kind: this, bare, seed or
 *  the place among those compared, from 0. What it gives redraws with other data. */
export function curvesChart(box, first) {
  let given = first;
  const held = chartIn(box, draw);

  function draw() {
    const colours = palette();
    const compared = [colours.front, colours.baseline, colours.live, colours.fg];
    const look = axisLook(colours);
    const looks = {
      this: { color: colours.front, type: "solid", width: 2.5 },
      bare: { color: colours.baseline, type: "dashed", width: 2 },
      seed: { color: colours.dominated, type: "solid", width: 1.2 },
    };
    const there = given.lines.filter((line) => line.data.length);
    const rungs = given.rungs ?? [];
    const last = Math.max(1, ...there.map((line) => line.data.length));
    const passed = rungs.filter(({ epoch }) => epoch <= last);
    const heights = [...there.flatMap((line) => line.data), ...passed.flatMap(({ threshold }) => threshold ?? [])];
    if (!heights.length) return held.chart.clear();
    const [low, high, step] = niceExtent(Math.min(...heights), Math.max(...heights), 5);
    const judged = passed.map(({ epoch }) => epoch);
    held.chart.setOption(
      {
        animation: false,
        textStyle: { fontFamily: FONT },
        grid: { left: 6, right: 18, top: 32, bottom: 22, containLabel: true },
        legend: { right: 0, top: 0, itemWidth: 30, itemHeight: 8, textStyle: { color: colours.muted }, data: there.map((line) => line.name) },
        tooltip: tooltip(
          colours,
          (at) => [
            `epoch ${at[0].value[0]}${judged.includes(at[0].value[0]) ? ", where it is judged" : ""}`,
            ...at.map((p) => `${p.seriesName} ${percent(p.value[1])}`),
          ],
          "axis",
        ),
        xAxis: { ...look, type: "value", name: "epoch", nameLocation: "middle", nameGap: 26, minInterval: 1, min: Math.min(1, last - 1), max: last, splitLine: { show: false } },
        yAxis: { ...look, type: "value", min: low, max: high, interval: step, axisLabel: { ...look.axisLabel, formatter: "{value} %" } },
        series: there.map((line, i) => {
          const style = looks[line.kind] ?? { color: compared[line.kind], type: LOOKS[line.kind], width: 2.2 };
          return {
            name: line.name,
            type: "line",
            data: line.data.map((y, epoch) => [epoch + 1, y]),
            symbol: line.data.length === 1 ? "circle" : "none",
            lineStyle: style,
            itemStyle: { color: style.color },
            ...(i === 0 && passed.length ? marks(colours, passed) : {}),
          };
        }),
      },
      { notMerge: true },
    );
  }

  draw();
  return {
    update(data) {
      given = data;
      draw();
    },
  };
}

/** Dotted lines where it is judged, and a dash at the threshold that stopped it. */
function marks(colours, rungs) {
  const decided = rungs.filter(({ threshold }) => threshold !== null);
  return {
    markLine: {
      silent: true,
      symbol: "none",
      label: { show: false },
      lineStyle: { color: colours.muted, type: "dotted", opacity: 0.7 },
      data: rungs.map(({ epoch }) => ({ xAxis: epoch })),
    },
    markPoint: {
      silent: true,
      symbol: "rect",
      symbolSize: [26, 3],
      itemStyle: { color: colours.stopped },
      label: { show: true, position: "right", color: colours.fg, fontSize: 11, formatter: "threshold" },
      data: decided.map(({ epoch, threshold }) => ({ coord: [epoch, threshold] })),
    },
  };
}
