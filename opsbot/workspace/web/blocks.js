// Block Kit to DOM nodes, as far as the bot uses it: header, section, context, divider, actions, image.
import { byId, el } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

// `press(block, button)` answers a promise that settles when the bot has taken the press.
export function drawBlocks(blocks, names, press) {
  return blocks.map((block) => draw(block, names, press));
}

function draw(block, names, press) {
  switch (block.type) {
    case "header":
      return el("h3", { class: "block header" }, text(block.text, names));
    case "section":
      return el(
        "div",
        { class: "block section" },
        el(
          "div",
          { class: "body" },
          block.text ? el("p", {}, text(block.text, names)) : null,
          block.fields ? el("div", { class: "fields" }, ...block.fields.map((one) => el("p", {}, text(one, names)))) : null,
        ),
        block.accessory ? element(block, block.accessory, names, press) : null,
      );
    case "context":
      return el("div", { class: "block context" }, ...block.elements.map((one) => element(block, one, names, press)));
    case "divider":
      return el("hr", { class: "block" });
    case "actions":
      return el("div", { class: "block actions" }, ...block.elements.map((one) => element(block, one, names, press)));
    case "image":
      return picture(block);
    default:
      return el("p", { class: "block unknown" }, `(a ${block.type} block, which this page does not show)`);
  }
}

function element(block, given, names, press) {
  if (given.type === "image") return picture(given);
  if (given.type === "overflow") return menu(block, given, names, press);
  if (given.type !== "button") return el("p", {}, text(given, names));
  const shown = el(
    "button",
    { type: "button", class: given.style || "plain", "data-action-id": given.action_id, "data-value": given.value ?? "" },
    text(given.text, names),
  );
  shown.addEventListener("click", async () => {
    if (shown.getAttribute("aria-busy") || (given.confirm && !(await confirmed(given.confirm, names)))) return;
    shown.setAttribute("aria-busy", "true");
    try {
      await press(block, given);
    } finally {
      shown.removeAttribute("aria-busy");
    }
  });
  return shown;
}

// A native disclosure: it opens by keyboard too, and closes after a choice.
function menu(block, given, names, press) {
  const shown = el("details", { class: "overflow" }, el("summary", { "aria-label": "More actions", title: "More actions" }, "⋯"));
  const entries = given.options.map((option) =>
    el("button", {
      type: "button",
      "data-action-id": given.action_id,
      "data-value": option.value,
      onclick: () => {
        shown.open = false;
        press(block, { type: "overflow", action_id: given.action_id, value: option.value, text: option.text });
      },
    }, text(option.text, names)),
  );
  shown.append(el("div", { class: "entries" }, ...entries));
  shown.addEventListener("focusout", (event) => {
    if (!shown.contains(event.relatedTarget)) shown.open = false;
  });
  return shown;
}

function text(given, names) {
  if (given.type === "mrkdwn") return mrkdwn(given.text, names);
  const shown = document.createDocumentFragment();
  shown.append(...plain(given.text));
  return shown;
}

function picture(given) {
  const shown = el("img", { src: given.image_url, alt: given.alt_text, loading: "lazy" });
  return el("figure", { class: "block" }, shown, given.title ? el("figcaption", {}, given.title.text) : null);
}

function confirmed(confirm, names) {
  const dialog = byId("confirm");
  const [title, body, menu] = dialog.querySelectorAll("h2, p, menu");
  title.replaceChildren(text(confirm.title, names));
  body.replaceChildren(text(confirm.text, names));
  menu.replaceChildren(
    el("button", { value: "deny", class: "plain", autofocus: true }, confirm.deny.text),
    el("button", { value: "confirm", class: confirm.style || "primary" }, confirm.confirm.text),
  );
  dialog.returnValue = "deny";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}
