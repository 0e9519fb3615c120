// Fields: text in all its kinds, dates and times, check boxes and radio buttons, and the input block around a field.
import { confirmed } from "./confirm.js";
import { el, toast } from "./dom.js";
import { drawn } from "./emoji.js";
import { textOf } from "./mrkdwn.js";
import { select } from "./select.js";

let lastId = 0;

export function inputBlock(block, surface) {
  const id = `field-${(lastId += 1)}`;
  const { names } = surface;
  const isGroup = ["checkboxes", "radio_buttons"].includes(block.element?.type);
  const error = surface.errors[block.block_id];
  const label = [textOf(block.label, names), block.optional ? el("span", { class: "optional" }, " (optional)") : null];
  const shown = el(
    isGroup ? "fieldset" : "div",
    { class: `block input${error ? " invalid" : ""}` },
    isGroup ? el("legend", {}, ...label) : el("label", { for: id, id: `${id}-label` }, ...label),
    field(block, block.element, surface, { id, dispatches: Boolean(block.dispatch_action), isInput: true }),
    error ? el("p", { class: "error", id: `${id}-error`, role: "alert" }, ...drawn(String(error))) : null,
    block.hint ? el("p", { class: "hint", id: `${id}-hint` }, textOf(block.hint, names)) : null,
  );
  const control = shown.querySelector(`#${id}`) ?? shown;
  const about = [error ? `${id}-error` : "", block.hint ? `${id}-hint` : ""].filter(Boolean).join(" ");
  if (about) control.setAttribute("aria-describedby", about);
  if (error) control.setAttribute("aria-invalid", "true");
  return shown;
}

// `given`: the control's id, whether a change is told to the bot at once, whether it stands in an input block.
export function field(block, element, surface, given) {
  if (!element) return el("span", { class: "unknown" }, "(an empty input)");
  const change = async (value) => {
    const before = surface.get(block, element);
    surface.set(block, element, value);
    if (!given.dispatches) return true;
    if (element.confirm && !(await confirmed(element.confirm, surface.names))) {
      surface.set(block, element, before);
      return false;
    }
    const problem = await surface.press(block, element);
    if (problem) toast(problem);
    return true;
  };
  switch (element.type) {
    case "plain_text_input":
    case "email_text_input":
    case "url_text_input":
    case "number_input":
    case "rich_text_input":
      return textField(block, element, surface, given, change);
    case "datepicker":
    case "timepicker":
    case "datetimepicker":
      return picker(block, element, surface, given, change);
    case "checkboxes":
    case "radio_buttons":
      return choices(block, element, surface, change);
    default:
      if (/_select$/.test(element.type)) return select(block, element, surface, given, change);
      return el("span", { class: "unknown" }, `(a ${element.type} element, which this page does not show)`);
  }
}

const KINDS = { email_text_input: "email", url_text_input: "url", number_input: "text", plain_text_input: "text" };

function textField(block, element, surface, given, change) {
  const isRich = element.type === "rich_text_input";
  const isLong = element.multiline || isRich;
  const most = element.max_length ?? 3000;
  const shown = el(isLong ? "textarea" : "input", {
    id: given.id, type: isLong ? null : KINDS[element.type], rows: isLong ? "4" : null, placeholder: element.placeholder?.text,
    inputmode: element.type === "number_input" ? (element.is_decimal_allowed ? "decimal" : "numeric") : null,
    maxlength: KINDS[element.type] ? String(most) : null, autocomplete: "off", "data-action-id": element.action_id, "data-value": "",
    autofocus: element.focus_on_load || null, "aria-label": given.id ? null : element.placeholder?.text ?? "Text",
  });
  const stored = surface.get(block, element);
  shown.value = isRich ? flat(stored) : stored ?? "";
  const counter = element.max_length || element.min_length ? el("span", { class: "counter", "aria-live": "off" }) : null;
  const count = () => {
    if (!counter) return;
    const { length } = shown.value;
    counter.textContent = element.min_length && length < element.min_length ? `${length} of at least ${element.min_length}` : element.max_length ? String(element.max_length - length) : "";
    counter.classList.toggle("near", Boolean(element.max_length && element.max_length - length < 20));
  };
  count();
  const config = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const valueOf = () => (isRich ? rich(shown.value) : shown.value);
  shown.addEventListener("input", () => {
    count();
    if (given.dispatches && config.includes("on_character_entered")) change(valueOf());
    else surface.set(block, element, valueOf());
  });
  shown.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (given.dispatches && config.includes("on_enter_pressed") && (!isLong || event.metaKey || event.ctrlKey)) {
      event.preventDefault();
      change(valueOf());
    }
  });
  return counter ? el("div", { class: "counted" }, shown, counter) : shown;
}

const rich = (text) => (text ? { type: "rich_text", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] } : null);
const flat = (value) => (value?.elements ?? []).map((part) => (part.elements ?? []).map((one) => one.text ?? "").join("")).join("\n");

const PICKERS = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };

function picker(block, element, surface, given, change) {
  const shown = el("input", {
    id: given.id, type: PICKERS[element.type], class: "picker", "data-action-id": element.action_id, "data-value": "",
    "aria-label": given.id ? null : element.placeholder?.text ?? { date: "Date", time: "Time", "datetime-local": "Date and time" }[PICKERS[element.type]],
    title: element.placeholder?.text,
  });
  const isMoment = element.type === "datetimepicker";
  const stored = surface.get(block, element);
  shown.value = stored === null ? "" : isMoment ? localTime(stored) : stored;
  shown.addEventListener("change", async () => {
    const value = shown.value ? (isMoment ? Math.floor(new Date(shown.value).getTime() / 1000) : shown.value) : null;
    if (!(await change(value))) shown.value = stored === null ? "" : isMoment ? localTime(stored) : stored;
  });
  return shown;
}

function localTime(seconds) {
  const moment = new Date(seconds * 1000);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function choices(block, element, surface, change) {
  const isMany = element.type === "checkboxes";
  const group = `group-${(lastId += 1)}`;
  const chosen = () => (isMany ? surface.get(block, element) ?? [] : [surface.get(block, element)].filter(Boolean));
  const shown = el("div", { class: "choices", role: isMany ? "group" : "radiogroup" });
  for (const option of element.options ?? []) {
    const box = el("input", { type: isMany ? "checkbox" : "radio", name: group, value: option.value, "data-action-id": element.action_id, "data-value": option.value });
    box.checked = chosen().some((one) => one.value === option.value);
    box.addEventListener("change", async () => {
      const before = chosen();
      const value = isMany ? element.options.filter((one) => (one.value === option.value ? box.checked : before.some((other) => other.value === one.value))) : option;
      if (!(await change(value))) for (const one of shown.querySelectorAll("input")) one.checked = before.some((other) => other.value === one.value);
    });
    shown.append(el("label", {}, box, el("span", {}, textOf(option.text, surface.names), option.description ? el("small", {}, textOf(option.description, surface.names)) : null)));
  }
  return shown;
}
