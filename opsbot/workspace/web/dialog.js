// A dialog that the bot has opened for whoever is chosen: its blocks, its fields, and what was filled in.
import { drawBlocks } from "./blocks.js";
import { byId, el, toast } from "./dom.js";

// `submit(view, values)` answers what went wrong, or nothing.
export function showDialog(view, names, submit) {
  const dialog = byId("dialog");
  const form = dialog.querySelector("form");
  const fields = new Map();
  const parts = view.blocks.map((block) => {
    if (block.type !== "input") return drawBlocks([block], names, () => {})[0];
    const made = field(block);
    fields.set(block.block_id, made);
    return el("label", { class: "field" }, el("span", {}, block.label.text), made);
  });
  form.replaceChildren(
    el("h2", {}, view.title.text),
    ...parts,
    el(
      "menu",
      {},
      el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, view.close?.text ?? "Close"),
      el("button", { type: "submit", class: "primary" }, view.submit?.text ?? "Submit"),
    ),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...fields].map(([name, one]) => [name, one.value]));
    dialog.close();
    const problem = await submit(view, values);
    if (problem) toast(problem);
  };
  if (!dialog.open) dialog.showModal();
  (fields.values().next().value ?? form.querySelector("button")).focus();
}

function field(block) {
  const given = block.element;
  const attributes = { "data-action-id": given.action_id, required: !block.optional };
  if (given.type === "static_select") {
    const initial = given.initial_option?.value;
    return el("select", attributes, ...given.options.map((one) => el("option", { value: one.value, selected: one.value === initial }, one.text.text)));
  }
  return el(given.multiline ? "textarea" : "input", { ...attributes, maxlength: given.max_length, rows: given.multiline ? "3" : null });
}
