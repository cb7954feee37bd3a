// Scales with round ticks, and numbers as the page writes them.

const axes = (() => {
  const linearTicks = (low, high) => {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i += 1) {
      found.push(Number((i * step).toPrecision(12)));
    }
    return found;
  };

  const logTicks = (low, high) => {
    if (high / low < 4) return linearTicks(low, high);
    const first = Math.floor(Math.log10(low));
    const last = Math.ceil(Math.log10(high));
    const by = (factors) => {
      const found = [];
      for (let power = first; power <= last; power += 1) {
        for (const factor of factors) found.push(Number((factor * 10 ** power).toPrecision(6)));
      }
      return found.filter((tick) => tick >= low && tick <= high);
    };
    const found = by(last - first < 4 ? [1, 2, 5] : [1]);
    return found.length < 4 ? by([1, 1.5, 2, 3, 4, 5, 7]) : found;
  };

  // A range of values on a range of pixels; values outside lie on the nearest end.
  const scale = (low, high, start, end, log) => {
    const at = (value) => {
      const inside = Math.min(Math.max(value, low), high);
      const share = log ? Math.log(inside / low) / Math.log(high / low)
        : (inside - low) / (high - low);
      return start + (end - start) * share;
    };
    const ticks = (log ? logTicks(low, high) : linearTicks(low, high))
      .filter((tick) => tick >= low && tick <= high);
    return { at, ticks };
  };

  const bytes = (count) => {
    for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
      if (count >= size * 0.9995) return `${Number((count / size).toPrecision(3))} ${unit}`;
    }
    return `${Math.round(count)} B`;
  };
  const plain = (value) => String(Number(value.toPrecision(6)));
  const percent = (share) => `${Number((100 * share).toPrecision(6))} %`;

  const about = {
    p50: { title: "Latency, ms (marker p50, whisker to p90", text: plain },
    p90: { title: "Latency, ms (p90", text: plain },
    end_to_end: { title: "From the encoded image to the answer, ms (p50", text: plain },
    size: { title: "Size (all files that the runtime reads", text: bytes },
    memory: { title: "Memory (peak", text: bytes },
    energy: { title: "Energy, mJ (a query", text: plain },
  };
  return { scale, percent, about };
})();
