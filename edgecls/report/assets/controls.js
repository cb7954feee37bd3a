// What is chosen of the plots: which rows, which axes. The tables show the same rows.

(() => {
  const panel = document.getElementById("controls");
  if (!panel) return;
  panel.hidden = false;
  const { rows, plots } = page;
  const [across, reset, told] = ["across", "reset", "told"].map((id) => document.getElementById(id));
  const boxes = [...panel.querySelectorAll("input")];
  const groups = [...panel.querySelectorAll("fieldset[data-filter]")];
  // As they came, with the labels where a slower hand has put them.
  const drawn = [...document.querySelectorAll(".drawing")].map((box) => {
    const svg = box.querySelector("svg");
    return { svg, plot: plots[Number(box.dataset.plot)], first: [...svg.childNodes] };
  });
  const initial = () => boxes.every((box) => box.checked === box.defaultChecked)
    && across.selectedIndex === 0;

  const asked = () => ({
    x: across.value,
    logX: document.getElementById("log-x").checked,
    logY: document.getElementById("log-y").checked,
    area: document.getElementById("area").checked,
  });

  const kept = () => {
    const left = groups.map((group) => [
      group.dataset.filter,
      new Set([...group.querySelectorAll("input:not(:checked)")].map((box) => box.value)),
    ]);
    return rows.map((row) => left.every(([name, out]) => !out.has(row.filters[name])));
  };

  const points = (plot, shown, want) => plot.rows.flatMap((index) => {
    const { point, title, filters } = rows[index];
    if (!point || !shown[index] || !point[plot.split] || !(point.x[want.x] > 0)) return [];
    const x = point.x[want.x];
    const far = want.x === "p50" ? Math.max(x, point.x.p90 ?? x) : x;
    const own = { index, title, device: filters.device, x, far, y: point[plot.split] };
    return [{ ...point, ...own, size: point.x.size }];
  });

  const tables = (shown) => {
    for (const body of document.querySelectorAll("table.rows tbody[data-row]")) {
      body.hidden = !shown[Number(body.dataset.row)];
    }
    for (const note of document.querySelectorAll(".left-out")) {
      const [from, to] = [Number(note.dataset.first), Number(note.dataset.last)];
      const all = shown.slice(from, to);
      const count = all.filter(Boolean).length;
      note.hidden = count === all.length;
      note.querySelector("span").textContent = `${count} of ${all.length} rows are shown. `;
    }
  };

  const sentence = (shown, counts) => {
    // Both splits mostly show the same rows: the first is told.
    const told = counts.filter(({ split }) => split === counts[0].split);
    const [count, best] = ["points", "best"].map((name) => told.reduce((sum, each) => sum + each[name], 0));
    const rest = `${shown.filter(Boolean).length} of ${shown.length} rows are shown`;
    return `${rest}; ${count} in the plot, ${best} of them on the front.`;
  };

  const update = () => {
    const [shown, want] = [kept(), asked()];
    const counts = drawn.map(({ svg, plot, first }) => {
      const found = points(plot, shown, want);
      if (initial()) svg.replaceChildren(...first);
      else drawing.draw(svg, found, plot, want);
      return { split: plot.split, points: found.length, best: drawing.fronts(found, plot).flat().length };
    });
    tables(shown);
    reset.disabled = initial();
    told.textContent = sentence(shown, counts);
  };

  const back = () => {
    for (const box of boxes) box.checked = box.defaultChecked;
    across.selectedIndex = 0;
    update();
  };

  panel.addEventListener("change", update);
  reset.addEventListener("click", () => { back(); across.focus(); });
  for (const button of document.querySelectorAll(".left-out button")) {
    button.addEventListener("click", () => { back(); document.getElementById("all-rows-title")?.focus(); });
  }
  // A browser may have kept what was chosen before the page was loaded again.
  update();
})();
