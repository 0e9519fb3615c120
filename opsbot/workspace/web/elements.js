// Block Kit's elements that act at once: buttons, menus, and those inputs that stand outside an input block.
import { el, settle, toast } from "./dom.js";
import { confirmed } from "./confirm.js";
import { icon } from "./icons.js";
import { field } from "./inputs.js";
import { safeUrl, textOf } from "./mrkdwn.js";
import { arrows } from "./popup.js";
import { isStateful } from "./surface.js";

export function drawElement(block, element, surface) {
  switch (element.type) {
    case "button":
      return button(block, element, surface);
    case "overflow":
      return overflow(block, element, surface);
    case "workflow_button":
      return el("button", { type: "button", class: "button", disabled: true }, textOf(element.text, surface.names));
    case "icon_button":
      return button(block, element, surface);
    default:
      if (isStateful(element.type)) return field(block, element, surface, { dispatches: true });
      return el("span", { class: "unknown" }, `(a ${element.type} element, which this page does not show)`);
  }
}

function button(block, element, surface) {
  const url = element.url ? safeUrl(element.url) : null;
  const style = ["primary", "danger"].includes(element.style) ? element.style : "plain";
  const shown = el(
    "button",
    {
      type: "button", class: `button ${style}`, "aria-label": element.accessibility_label,
      "data-action-id": element.action_id, "data-value": element.value ?? "", title: url,
    },
    textOf(element.text, surface.names), url ? icon("link") : null,
  );
  shown.addEventListener("click", async () => {
    if (shown.getAttribute("aria-busy") || (element.confirm && !(await confirmed(element.confirm, surface.names)))) return;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    shown.setAttribute("aria-busy", "true");
    try {
      await tell(surface.press(block, element, { value: element.value ?? "", text: element.text }));
    } finally {
      shown.removeAttribute("aria-busy");
    }
  });
  return shown;
}

async function tell(pressed) {
  const problem = await pressed;
  if (problem) toast(problem);
}

// A native disclosure: it opens by keyboard too. The entries stand above everything, so that no pane cuts them off.
function overflow(block, element, surface) {
  const summary = el("summary", { "aria-label": element.accessibility_label ?? "More actions", title: "More actions", "data-action-id": element.action_id, "data-value": "" }, icon("dots"));
  const entries = el("div", { class: "popup menu entries", popover: "manual" });
  const shown = el("details", { class: "overflow" }, summary, entries);
  for (const option of element.options ?? []) {
    const url = option.url ? safeUrl(option.url) : null;
    entries.append(el(
      "button",
      { type: "button", "data-action-id": element.action_id, "data-value": option.value, onclick: () => choose(option, url) },
      el("span", {}, textOf(option.text, surface.names), option.description ? el("small", {}, textOf(option.description, surface.names)) : null),
    ));
  }
  async function choose(option, url) {
    shown.open = false;
    if (element.confirm && !(await confirmed(element.confirm, surface.names))) return;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    summary.setAttribute("aria-busy", "true");
    await tell(surface.press(block, element, { selected_option: option }));
    summary.removeAttribute("aria-busy");
  }
  const shut = (event) => {
    if (event.type === "keydown" ? event.key === "Escape" : !shown.contains(event.target)) {
      event.key && event.stopPropagation();
      shown.open = false;
      if (event.key) summary.focus();
    }
  };
  shown.addEventListener("toggle", () => {
    const change = shown.open ? "addEventListener" : "removeEventListener";
    for (const kind of ["pointerdown", "keydown", "scroll"]) document[change](kind, shut, true);
    if (!shown.open) {
      entries.hidePopover();
      return settle();
    }
    entries.showPopover();
    const rect = summary.getBoundingClientRect();
    entries.style.left = `${Math.max(8, Math.min(rect.left, innerWidth - entries.offsetWidth - 8))}px`;
    const below = rect.bottom + 4;
    entries.style.top = `${below + entries.offsetHeight < innerHeight - 8 ? below : Math.max(8, rect.top - entries.offsetHeight - 4)}px`;
  });
  arrows(shown, ".entries button");
  return shown;
}
