// Tables: they scroll sideways in themselves, never the page.
import { el } from "./dom.js";

const ALIGNS = new Set(["left", "center", "right"]);

// `draw(cell)` answers a cell's nodes; the first row is the heading.
export function drawTable(rows, settings, draw) {
  const [head = [], ...rest] = rows;
  const cell = (tag) => (one, index) => {
    const align = ALIGNS.has(settings[index]?.align) ? settings[index].align : "left";
    const isWrapped = settings[index]?.is_wrapped;
    return el(tag, { class: `${align}${isWrapped ? " wrapped" : ""}`, scope: tag === "th" ? "col" : null }, ...draw(one));
  };
  return el(
    "div",
    { class: "table-frame", tabindex: "0", role: "group", "aria-label": "Table" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...head.map(cell("th")))),
      el("tbody", {}, ...rest.map((row) => el("tr", {}, ...row.map(cell("td"))))),
    ),
  );
}
