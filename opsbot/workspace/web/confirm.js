// The question before something is done: what will happen, and the two answers in their own words.
import { byId, el } from "./dom.js";
import { textOf } from "./mrkdwn.js";

const WORD = (text) => ({ type: "plain_text", text });

export function confirmed(confirm, names) {
  const dialog = byId("confirm");
  const [title, body, menu] = dialog.querySelectorAll("h2, p, menu");
  title.replaceChildren(textOf(confirm.title ?? WORD("Are you sure?"), names));
  body.replaceChildren(textOf(confirm.text, names));
  menu.replaceChildren(
    el("button", { value: "deny", class: "button plain", autofocus: true }, textOf(confirm.deny ?? WORD("Cancel"), names)),
    el("button", { value: "confirm", class: `button ${confirm.style === "danger" ? "danger" : "primary"}` }, textOf(confirm.confirm ?? WORD("Yes"), names)),
  );
  dialog.returnValue = "deny";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}
