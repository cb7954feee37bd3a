"use strict";
// What every part of the script uses. The page is whole without any of it.

const page = (() => {
  const { rows, plots } = JSON.parse(document.getElementById("hints").textContent);
  const make = (name, text, parent) => {
    const node = document.createElement(name);
    node.textContent = text;
    parent.append(node);
    return node;
  };
  document.documentElement.classList.add("scripted");
  return { rows, plots, make };
})();
