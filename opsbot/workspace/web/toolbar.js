// What can be done with a message: the bar at its corner on hover or focus, its menu, and a long press on a phone.
import { el, toast } from "./dom.js";
import { emoji } from "./emoji.js";
import { icon } from "./icons.js";
import { showMenu } from "./popup.js";
import { pickReaction, react } from "./reactions.js";
import { isTop } from "./store.js";

const LONG_PRESS_MS = 450;
const QUICK = ["pushpin", "white_check_mark", "eyes"];

const threadOf = (message) => (isTop(message) ? message.ts : message.thread_ts);

// Gives every message of a list its bar when it is first needed: most never are.
export function addToolbars(list, page, inThread) {
  const bring = (event) => {
    const article = event.target.closest?.("article.message");
    if (!article || article.querySelector(":scope > .toolbar")) return;
    const message = page.messageAt(article.dataset.ts);
    if (message && !message.is_ephemeral) article.append(toolbar(message, page, inThread));
  };
  list.addEventListener("pointerover", bring);
  list.addEventListener("focusin", bring);

  let timer = 0;
  const stop = () => clearTimeout(timer);
  list.addEventListener("pointerdown", (event) => {
    const article = event.target.closest("article.message");
    if (event.pointerType === "mouse" || !article || event.target.closest("button, a, input, textarea, select, summary, label")) return;
    timer = setTimeout(() => {
      const message = page.messageAt(article.dataset.ts);
      if (message && !message.is_ephemeral) messageMenu(article, message, page, inThread);
    }, LONG_PRESS_MS);
  });
  for (const kind of ["pointerup", "pointercancel", "pointermove", "scroll"]) list.addEventListener(kind, stop, { passive: true });
}

function toolbar(message, page, inThread) {
  const bar = el("div", { class: "toolbar", role: "group", "aria-label": "Message" });
  const add = (name, label, key, run) => {
    const shown = el("button", { type: "button", "aria-label": label, title: label, "data-focus-key": `bar ${key}`, class: key }, name);
    shown.addEventListener("click", () => run(shown));
    bar.append(shown);
  };
  for (const name of QUICK) add(emoji(name), name === "pushpin" ? "Add to the timeline (📌)" : `React with :${name}:`, `quick ${name}`, () => toggle(page, message.ts, name));
  add(icon("smile"), "Add a reaction", "react", (anchor) => pickReaction(anchor, page.messageAt(message.ts) ?? message, page));
  if (!inThread) add(icon("thread"), "Reply in thread", "reply", () => page.openThread(threadOf(message)));
  add(icon("dots"), "More actions for this message", "more", (anchor) => messageMenu(anchor, message, page, inThread));
  return bar;
}

function toggle(page, ts, name) {
  const message = page.messageAt(ts);
  if (message) react(page, message, name, Boolean(message.reactions?.some((one) => one.name === name && one.users?.includes(page.me))));
}

export function messageMenu(anchor, message, page, inThread) {
  const shortcuts = page.store.shortcuts.filter((one) => one.type === "message");
  showMenu(anchor, [
    inThread ? null : { text: "Reply in thread", icon: icon("thread"), hint: "T", run: () => page.openThread(threadOf(message)) },
    { text: "Add a reaction", icon: icon("smile"), hint: "R", run: () => pickReaction(anchor.isConnected ? anchor : document.body, message, page) },
    { text: "Add 📌", icon: icon("pin"), hint: "P", run: () => toggle(page, message.ts, "pushpin") },
    { text: "Copy link", icon: icon("link"), hint: "L", run: () => copyLink(message, page) },
    ...(shortcuts.length ? [null] : []),
    ...shortcuts.map((one) => ({ text: one.name, icon: icon("bolt"), run: () => page.shortcut(one.callback_id, message) })),
  ].filter((one, index) => one || index), "Message");
}

export async function copyLink(message, page) {
  const link = new URL(page.linkTo(message), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    toast("The link is copied.");
  } catch {
    toast(`The browser does not let the page copy: ${link}`);
  }
}
