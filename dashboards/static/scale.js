// How a cost is laid out along its axis: plainly, or by a symmetric logarithm.

import { niceStep } from "./charts.js";

export class Scale {
  /** `kind` is linear or symlog; a symmetric logarithm is plain within `linear` of zero. */
  constructor(kind, linear = 1) {
    this.plain = kind === "linear";
    this.linear = linear;
  }

  to(x) {
    return this.plain ? x : Math.asinh(x / this.linear);
  }

  from(at) {
    return this.plain ? at : Math.sinh(at) * this.linear;
  }

  /** Where ticks stand between `low` and `high`, laid out, at least a `share` of that apart; null
   *  leaves them to ECharts. */
  ticks(low, high, share) {
    if (this.plain) return null;
    const [from, to] = [this.from(low), this.from(high)];
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
      const at = this.to(value);
      if (kept.every((other) => Math.abs(other - at) >= (high - low) * share)) kept.push(at);
    }
    return kept.sort((a, b) => a - b);
  }
}
