// Block Kit's blocks to DOM nodes. What this page does not know stands there visibly, never silently nothing.
// Source: docs.slack.dev, reference "Blocks".
import { el } from "./dom.js";
import { drawElement } from "./elements.js";
import { inputBlock } from "./inputs.js";
import { markdown } from "./markdown.js";
import { fileBlock, picture, video } from "./media.js";
import { textOf } from "./mrkdwn.js";
import { richText } from "./richtext.js";
import { drawTable } from "./table.js";

export const drawBlocks = (blocks, surface) => (blocks ?? []).map((block) => drawBlock(block, surface));

export function drawBlock(block, surface) {
  try {
    const shown = draw(block, surface);
    if (block.block_id) shown.dataset.blockId = block.block_id;
    return shown;
  } catch (error) {
    console.warn("a block could not be drawn", block?.type, error);
    return unknown(block?.type);
  }
}

const unknown = (type) => el("p", { class: "block unknown" }, `(a ${type} block, which this page does not show)`);

function draw(block, surface) {
  const { names } = surface;
  switch (block.type) {
    case "header":
      return el(`h${Math.max(2, Math.min(6, (block.level ?? 1) + 1))}`, { class: "block header" }, textOf(block.text, names));
    case "section":
      return section(block, surface);
    case "context":
      return el("div", { class: "block context" }, ...(block.elements ?? []).map((one) =>
        one.type === "image" ? picture(one, surface.names, "small") : el("span", { class: "part" }, textOf(one, names)),
      ));
    case "divider":
      return el("hr", { class: "block" });
    case "actions":
      return el("div", { class: "block actions" }, ...(block.elements ?? []).map((one) => drawElement(block, one, surface)));
    case "image":
      return picture(block, names, "large");
    case "input":
      return inputBlock(block, surface);
    case "rich_text":
      return richText(block, names);
    case "markdown":
      return markdown(block.text ?? "");
    case "table":
      return el("div", { class: "block table" }, drawTable(block.rows ?? [], block.column_settings ?? [], (cell) => tableCell(cell, names)));
    case "video":
      return video(block, names);
    case "file":
      return fileBlock(block, names);
    default:
      return unknown(block.type);
  }
}

function tableCell(cell, names) {
  if (cell?.type === "rich_text") return [...richText(cell, names).childNodes];
  return [String(cell?.text ?? cell?.value ?? "")];
}

function section(block, surface) {
  const { names } = surface;
  const accessory = block.accessory
    ? block.accessory.type === "image" ? picture(block.accessory, names, "thumb") : drawElement(block, block.accessory, surface)
    : null;
  return el(
    "div",
    { class: `block section${accessory ? " with-accessory" : ""}` },
    el(
      "div",
      { class: "body" },
      block.text ? el("p", { class: "prose" }, textOf(block.text, names)) : null,
      block.fields ? el("div", { class: "fields" }, ...block.fields.map((one) => el("p", { class: "prose" }, textOf(one, names)))) : null,
    ),
    accessory,
  );
}
