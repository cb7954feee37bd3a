// The plot of accuracy, drawn anew for the rows and axes that were chosen.

const drawing = (() => {
  const [WIDTH, HEIGHT, LEFT, TOP] = [1000, 470, 62, 16];
  const [RIGHT, BOTTOM] = [WIDTH - 18, HEIGHT - 50];
  const [MARKER, LARGEST, CHARACTER, LINE, CROWD] = [5.5, 17, 7, 14, 24];
  const [BOLD, APART] = [1.1, 4];
  // The name of SVG's elements is an address, and there is to be none in the page.
  const SPACE = document.querySelector("svg")?.namespaceURI;

  const el = (name, attributes, ...children) => {
    const node = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const text = (x, y, words, kind, more = {}) => el("text", { x, y, class: kind, ...more }, words);
  const line = (x1, y1, x2, y2, kind) => el("line", { x1, y1, x2, y2, class: kind });
  const path = (points, kind) => el("polyline", { points: points.join(" "), class: kind });

  const marker = (shape, x, y, r, kind) => {
    if (shape === "circle") return el("circle", { cx: x, cy: y, r, class: kind });
    if (shape === "square") {
      const side = 1.8 * r;
      const corner = { x: x - side / 2, y: y - side / 2 };
      return el("rect", { ...corner, width: side, height: side, class: kind });
    }
    const corners = shape === "triangle" ? [[0, -1.2], [1.12, 0.8], [-1.12, 0.8]]
      : [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]];
    const points = corners.map(([dx, dy]) => `${x + dx * r},${y + dy * r}`).join(" ");
    return el("polygon", { points, class: kind });
  };

  // The accuracies to show: all of them, unless a few lie far below.
  const range = (points, floor, drop) => {
    const best = Math.max(...points.map((p) => p.y[0]));
    const widest = Math.max(...points.map((p) => p.y[2] - p.y[1]));
    const near = points.filter((p) => p.y[0] >= best - Math.max(0.08, 4 * drop, 2 * widest));
    const kept = 2 * near.length > points.length ? near : points;
    const low = Math.min(...kept.map((p) => p.y[1]), floor ?? 1);
    const high = Math.max(...kept.map((p) => p.y[2]));
    const margin = Math.max(0.06 * (high - low), 0.001);
    return [low - margin, high < 1 ? Math.min(1, high + margin) : 1 + margin / 2];
  };

  const upright = (points, plot, log) => {
    const [low, high] = range(points, plot.floor, plot.drop);
    if (!log) {
      const { at, ticks } = axes.scale(low, high, BOTTOM, TOP, false);
      return { at, low, ticks: ticks.filter((tick) => tick <= 1) };
    }
    // By the errors: 99.9 % is as far from 99 % as that is from 90 %. None has no logarithm.
    const errors = points.map((p) => 1 - p.y[0]).filter((error) => error > 0);
    const least = Math.min(...errors, 1 - low) / 2;
    const { at, ticks } = axes.scale(least, Math.max(1 - low, 2 * least), TOP, BOTTOM, true);
    return { at: (value) => at(1 - value), low, ticks: ticks.map((error) => 1 - error) };
  };

  const across = (points, limit, log) => {
    const values = points.flatMap((p) => [p.x, p.far]).concat(limit ?? []);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return log ? axes.scale(low / 1.3, high * 1.3, LEFT, RIGHT, true)
      : axes.scale(0, high * 1.05 || 1, LEFT, RIGHT, false);
  };

  // The points that no other beats in both figures, fastest first.
  const pareto = (points) => {
    const found = [];
    for (const p of [...points].sort((a, b) => a.x - b.x || b.y[0] - a.y[0])) {
      if (!found.length || p.y[0] > found.at(-1).y[0]) found.push(p);
    }
    return found;
  };

  // One front for each device of a comparison, else the first device's that has a point.
  const fronts = (points, plot) => {
    const sets = plot.devices
      .map((device) => pareto(points.filter((p) => p.ships && p.device === device)))
      .filter((set) => set.length);
    return plot.every ? sets : sets.slice(0, 1);
  };

  const overlap = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]))
    * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

  const boxOf = (words, x, y, side, bold) => {
    const width = CHARACTER * words.length * (bold ? BOLD : 1);
    const left = { start: x, middle: x - width / 2, end: x - width }[side];
    return [left - APART / 2, y + 4 - LINE, left + width + APART / 2, y + 4];
  };

  // The first place where a text covers nothing; `needed`: else the place where it covers least.
  // lines: what it had better not cover.
  const settle = (words, places, taken, kind, needed, lines = []) => {
    const options = places.map(([x, y, side]) => {
      const box = boxOf(words, x, y, side, needed);
      const inside = box[0] >= LEFT && box[1] >= TOP - 8 && box[2] <= WIDTH - 4 && box[3] <= BOTTOM;
      const covered = taken.reduce((sum, other) => sum + overlap(box, other), inside ? 0 : 1e6);
      const crossed = lines.reduce((sum, other) => sum + overlap(box, other), 0);
      return { x, y, side, box, covered, crossed };
    });
    const best = options.reduce((a, b) => ((b.covered - a.covered || b.crossed - a.crossed) < 0 ? b : a));
    if (best.covered > 0 && !needed) return [];
    taken.push(best.box);
    return [text(best.x, best.y, words, `${kind} ${best.side}`)];
  };

  const around = (p, reach) => [
    [p.px + reach, p.py + 4, "start"], [p.px - reach, p.py + 4, "end"],
    [p.px, p.py - reach - 2, "middle"], [p.px, p.py + reach + 11, "middle"],
    [p.px + reach - 3, p.py - reach, "start"], [p.px + reach - 3, p.py + reach + 9, "start"],
    [p.px - reach + 3, p.py - reach, "end"], [p.px - reach + 3, p.py + reach + 9, "end"],
  ];

  const captions = (points, best, taken, lines) => {
    const rank = (p) => (p.chosen ? 0 : best.has(p) ? 1 : 2);
    const crowded = points.length > CROWD;
    return [...points].sort((a, b) => rank(a) - rank(b) || a.index - b.index)
      .filter((p) => !crowded || rank(p) < 2)
      .flatMap((p) => {
        const words = p.chosen ? p.title : p.name;
        const short = words.length > 44 ? `${words.slice(0, 43)}…` : words;
        const reach = (p.chosen ? 13 : p.r) + 4;
        const kind = p.chosen ? "label chosen" : "label";
        return settle(short, around(p, reach), taken, kind, p.chosen, lines);
      });
  };

  const grid = (x, y, plot, asked) => {
    const { title, text: write } = axes.about[asked.x];
    const scaled = asked.logX ? `${title}, log scale)` : `${title})`;
    const up = `Top-1 on ${plot.split}${asked.logY ? ", log scale of the error" : ""}`;
    const turned = { transform: `translate(13 ${(TOP + BOTTOM) / 2}) rotate(-90)` };
    return [
      ...y.ticks.flatMap((tick) => [
        line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid"),
        text(LEFT - 8, y.at(tick) + 4, axes.percent(tick), "tick end"),
      ]),
      ...x.ticks.flatMap((tick) => [
        line(x.at(tick), TOP, x.at(tick), BOTTOM, "grid"),
        text(x.at(tick), BOTTOM + 18, write(tick), "tick middle"),
      ]),
      line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
      text((LEFT + RIGHT) / 2, HEIGHT - 10, scaled, "title middle"),
      text(0, 0, up, "title middle", turned),
    ];
  };

  const budget = (x, y, plot, asked, taken) => {
    const [found, limit] = [[], plot.limits[asked.x]];
    if (limit != null) {
      const at = x.at(limit);
      const words = asked.x === "size" ? `budget: ≤ ${axes.about.size.text(limit)}`
        : `budget: p90 ≤ ${limit} ms`;
      const places = [BOTTOM - 8, TOP + 12].flatMap((up) => [[at - 6, up, "end"], [at + 6, up, "start"]]);
      found.push(line(at, TOP, at, BOTTOM, "limit"));
      found.push(...settle(words, places, taken, "limit-text", true));
    }
    if (plot.floor != null) {
      const at = y.at(plot.floor);
      const words = `budget: at least ${(100 * plot.floor).toFixed(2)} %`;
      const places = [at + 15, at - 6].flatMap((up) => [[RIGHT - 4, up, "end"], [LEFT + 6, up, "start"]]);
      found.push(line(LEFT, at, RIGHT, at, "limit"));
      found.push(...settle(words, places, taken, "limit-text", true));
    }
    return found;
  };

  const whiskers = (p, x, y) => [
    line(p.px, p.py, x.at(p.far), p.py, `whisker ${p.colour}`),
    ...(p.below ? [] : [line(p.px, y.at(p.y[1]), p.px, y.at(p.y[2]), `whisker ${p.colour}`)]),
  ];

  const mark = (p) => {
    const label = `${p.title}: ${axes.percent(Number(p.y[0].toFixed(4)))}`;
    const own = { href: `#row-${p.index}`, class: "point", "data-row": p.index, "aria-label": label };
    const link = el("a", own);
    if (p.chosen) link.append(el("circle", { cx: p.px, cy: p.py, r: Math.max(13, p.r + 6), class: "halo" }));
    if (p.below) {
      const tip = [`${p.px - 5},${p.py + 9}`, `${p.px},${p.py + 14}`, `${p.px + 5},${p.py + 9}`];
      link.append(path(tip, `whisker mark ${p.colour}`));
    }
    link.append(marker(p.shape, p.px, p.py, p.r, `mark ${p.colour}`));
    return link;
  };

  // Fill `svg` with the points.
  const draw = (svg, points, plot, asked) => {
    if (!points.length) {
      svg.replaceChildren(text(WIDTH / 2, HEIGHT / 2, "No row is left to show.", "title middle"));
      return;
    }
    const x = across(points, plot.limits[asked.x], asked.logX);
    const y = upright(points, plot, asked.logY);
    const largest = Math.max(...points.map((p) => p.size ?? 0));
    for (const p of points) {
      p.below = p.y[0] < y.low;
      [p.px, p.py] = [x.at(p.x), y.at(p.y[0])];
      p.r = asked.area && p.size ? Math.max(2.5, LARGEST * Math.sqrt(p.size / largest)) : MARKER;
    }
    const sets = fronts(points, plot);
    const taken = points.map((p) => [p.px - p.r - 1, p.py - p.r - 1, p.px + p.r + 1, p.py + p.r + 1]);
    const walks = sets.map((set) => set.filter((p) => !p.below)
      .flatMap((p, i, all) => [...(i ? [[p.px, all[i - 1].py]] : []), [p.px, p.py]]));
    const walked = walks.flatMap((walk) => walk.slice(1).map(([x2, y2], i) => {
      const [x1, y1] = walk[i];
      return [Math.min(x1, x2) - 1, Math.min(y1, y2) - 1, Math.max(x1, x2) + 1, Math.max(y1, y2) + 1];
    }));
    const drawn = asked.area ? [...points].sort((a, b) => b.r - a.r) : points;
    const lines = budget(x, y, plot, asked, taken);
    svg.replaceChildren(
      ...grid(x, y, plot, asked),
      ...lines.filter((node) => node.tagName === "line"),
      ...walks.map((walk) => path(walk, "front")),
      ...points.flatMap((p) => whiskers(p, x, y)),
      ...drawn.map(mark),
      ...lines.filter((node) => node.tagName === "text"),
      ...captions(points, new Set(sets.flat()), taken, walked),
    );
  };

  return { draw, fronts };
})();
