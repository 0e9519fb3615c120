// The quick switcher (Ctrl or Cmd and K) and the page of keys (?).
import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { HOME } from "./sidebar.js";

export function openSwitcher(page) {
  const dialog = byId("switcher");
  if (dialog.open) return dialog.close();
  const search = el("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "switcher-list", "aria-label": "Jump to", placeholder: "Jump to a channel, or become somebody …", autocomplete: "off" });
  const list = el("ul", { id: "switcher-list", role: "listbox", "aria-label": "Places" });
  dialog.replaceChildren(search, list);
  let at = 0;
  let options = [];
  const { names, store } = page;
  const all = [
    ...names.channels(true).map((one) => ({ name: one.name, mark: icon(one.is_private ? "lock" : "hash"), unread: store.unread(page.me, one).count, run: () => page.show(one.id) })),
    { name: "opsbot", mark: names.avatar(store.botUser, "tiny"), about: "Home", run: () => page.show(HOME) },
    ...[...store.members.values()].filter((one) => one.id !== page.me).map((one) => ({ name: one.name, mark: names.avatar(one.id, "tiny"), about: `become ${one.title || "this person"}`, run: () => page.become(one.id) })),
  ].sort((one, other) => Boolean(other.unread) - Boolean(one.unread));

  function draw() {
    const wanted = search.value.trim().toLowerCase().replace(/^[#@]/, "");
    options = all.filter((one) => one.name.toLowerCase().includes(wanted));
    at = Math.max(0, Math.min(at, options.length - 1));
    list.replaceChildren(...options.map((one, index) => el(
      "li",
      { role: "option", id: `place-${index}`, "aria-selected": String(index === at), class: one.unread ? "unread" : "", onclick: () => go(index) },
      one.mark, el("span", {}, one.name), one.about ? el("small", {}, one.about) : null, one.unread ? el("span", { class: "count" }, String(one.unread)) : null,
    )));
    if (!options.length) list.append(el("li", { class: "note", role: "presentation" }, "Nothing of that name"));
    search.setAttribute("aria-activedescendant", `place-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function go(index) {
    dialog.close();
    options[index]?.run();
  }

  search.addEventListener("input", () => { at = 0; draw(); });
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at += step;
    else if (event.key === "Enter") return go(at);
    else return;
    event.preventDefault();
    draw();
  });
  draw();
  dialog.showModal();
  search.focus();
}

const KEYS = [
  ["Ctrl K", "jump to a channel or a person"],
  ["↑ ↓", "go from message to message"],
  ["T", "open the thread of the message"],
  ["R", "react to the message"],
  ["P", "add 📌, or take it away"],
  ["L", "copy the message's link"],
  ["M", "the message's menu"],
  ["Esc", "close the pane, or mark the channel as read"],
  ["/", "write a command"],
  ["C", "write a message"],
  ["Alt ↑ ↓", "previous or next channel"],
  ["End", "jump to the latest message"],
  ["↑ in an empty box", "what was sent last"],
  ["Shift Enter", "a new line"],
  ["?", "this page"],
];

export function openKeys() {
  const dialog = byId("keys");
  const rows = KEYS.flatMap(([key, what]) => [el("dt", {}, ...key.split(" ").map((one) => (/^(in|an|empty|box)$/.test(one) ? ` ${one}` : el("kbd", {}, one)))), el("dd", {}, what)]);
  dialog.replaceChildren(
    el("header", {}, el("h2", {}, "Keys"), el("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    el("dl", {}, ...rows),
  );
  dialog.showModal();
}
