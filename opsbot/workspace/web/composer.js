// A box to write in: Enter sends, Shift+Enter makes a new line, `/` shows which command there is.
import { el, toast } from "./dom.js";

export function makeComposer(form, label, send) {
  const field = el("textarea", { rows: "1", "aria-label": label, placeholder: label });
  const hint = el("p", { class: "hint", hidden: true }, "/ops status · /ops incidents · /ops ack INC-1 · /ops help");
  const button = el("button", { type: "submit", class: "primary" }, "Send");
  form.append(hint, field, button);

  const fit = () => {
    field.rows = Math.min(6, field.value.split("\n").length);
    hint.hidden = !field.value.startsWith("/");
  };
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    fit();
    const problem = await send(text);
    if (problem) {
      toast(problem);
      field.value ||= text;
      fit();
    }
  });
  return { name: (text) => { field.placeholder = text; field.setAttribute("aria-label", text); } };
}
