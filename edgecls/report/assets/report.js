// Hints on the plot's points, tables that sort, commands that copy, and paper.

(() => {
  const { rows, make } = page;
  const tip = document.getElementById("tip");

  // Hints

  const show = (point) => {
    const hint = rows[Number(point.dataset.row)];
    tip.replaceChildren();
    make("b", hint.title, tip);
    const list = make("dl", "", tip);
    for (const [name, value] of hint.lines) {
      make("dt", name, list);
      make("dd", value, list);
    }
    make("p", hint.verdict, tip);
    tip.hidden = false;
    const box = point.querySelector(".mark:not(polyline)").getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const left = Math.max(8, Math.min(box.left + 16, room));
    const above = box.top - tip.offsetHeight - 10;
    tip.style.left = `${left + window.scrollX}px`;
    tip.style.top = `${(above > 0 ? above : box.bottom + 10) + window.scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };

  // The browser's own hint, for a page without scripts, would stand beside ours.
  for (const title of document.querySelectorAll("a.point title")) title.remove();
  // The points come and go: it is the page that listens.
  const pointed = (event) => event.target.closest?.("a.point");
  for (const event of ["mouseover", "focusin"]) {
    document.addEventListener(event, (found) => { if (pointed(found)) show(pointed(found)); });
  }
  for (const event of ["mouseout", "focusout", "click"]) {
    document.addEventListener(event, (found) => { if (pointed(found)) hide(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // Sorting

  const value = (row, column, numeric) => {
    const line = row.tagName === "TBODY" ? row.rows[0] : row;
    const cell = line.cells[column];
    const raw = cell.dataset.v ?? cell.textContent;
    return numeric ? (raw === "" ? NaN : Number(raw)) : raw;
  };

  const compare = (a, b, sign, numeric) => {
    if (!numeric) return sign * a.localeCompare(b, undefined, { numeric: true });
    // What has no figure comes last in either order.
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  };

  const sort = (table, head) => {
    const numeric = head.dataset.sort === "number";
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    // A measured row is a body of two lines, which stay together.
    const bodies = table.classList.contains("rows");
    const rows = bodies ? [...table.tBodies] : [...table.tBodies[0].rows];
    const parent = rows[0].parentNode;
    const keyed = rows.map((row) => [value(row, head.cellIndex, numeric), row]);
    keyed.sort(([a], [b]) => compare(a, b, up ? 1 : -1, numeric));
    parent.append(...keyed.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.tHead.rows[0].cells) {
      if (!head.dataset.sort || table.tBodies[0].rows.length === 0) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head));
    }
  }

  // Copying

  const copied = (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    return Promise.reject(new Error("no clipboard here"));
  };

  for (const block of document.querySelectorAll("pre.copy")) {
    const code = block.querySelector("code");
    const button = make("button", "Copy", block);
    button.type = "button";
    button.addEventListener("click", () => {
      const say = (text) => {
        button.textContent = text;
        setTimeout(() => { button.textContent = "Copy"; }, 1600);
      };
      copied(code.textContent).then(() => say("Copied"), () => {
        getSelection().selectAllChildren(code);
        say(document.execCommand("copy") ? "Copied" : "Selected");
      });
    });
  }

  // On paper everything is open.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
})();
