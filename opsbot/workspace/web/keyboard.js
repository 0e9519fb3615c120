// Keys that count everywhere on the page, outside fields.
import { byId, isTyping } from "./dom.js";
import { isPopupOpen } from "./popup.js";
import { pickReaction, react } from "./reactions.js";
import { isTop } from "./store.js";
import { openKeys, openSwitcher } from "./switcher.js";
import { copyLink, messageMenu } from "./toolbar.js";

export function listenToKeys(page) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!document.querySelector("dialog[open]:not(#switcher)")) openSwitcher(page);
      return;
    }
    if (document.querySelector("dialog[open]") || isPopupOpen()) return;
    if (event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key)) {
      event.preventDefault();
      page.stepChannel(event.key === "ArrowUp" ? -1 : 1);
      return;
    }
    if (event.key === "Escape") return page.escape(event);
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (handle(event, page)) event.preventDefault();
  });
}

function handle(event, page) {
  const list = page.activeList();
  const article = list?.focused();
  const message = article ? page.messageAt(article.dataset.ts) : null;
  const isOnMessage = message && event.target === article;
  switch (event.key) {
    case "ArrowUp":
    case "ArrowDown":
      if (!list || event.target.closest("[role=menu], [role=radiogroup], .emoji-grid, select, .table-frame, details[open]")) return false;
      list.step(event.key === "ArrowUp" ? -1 : 1);
      return true;
    case "End":
      list?.toEnd();
      list?.step(1e9);
      return true;
    case "?":
      openKeys();
      return true;
    case "/":
      page.startWriting("/");
      return true;
    case "c":
      page.startWriting("");
      return true;
    default:
      return isOnMessage && !message.is_ephemeral ? onMessage(event.key.toLowerCase(), article, message, page) : false;
  }
}

function onMessage(key, article, message, page) {
  const inThread = Boolean(article.closest("#replies"));
  switch (key) {
    case "t":
    case "enter":
      if (inThread) return false;
      page.openThread(isTop(message) ? message.ts : message.thread_ts);
      return true;
    case "r":
      pickReaction(article, message, page);
      return true;
    case "p":
      react(page, message, "pushpin", Boolean(message.reactions?.some((one) => one.name === "pushpin" && one.users?.includes(page.me))));
      return true;
    case "l":
      copyLink(message, page);
      return true;
    case "m":
      messageMenu(article, message, page, inThread);
      return true;
    default:
      return false;
  }
}

// Where the focus goes when a list is shown.
export const focusList = () => byId("channel").focus({ preventScroll: true });
