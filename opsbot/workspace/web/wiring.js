// Which control of the frame does what, and how links of this workspace and the way back lead through the page.
import { byId } from "./dom.js";
import { icon } from "./icons.js";
import { addressOf, goTo, placeOf, placeOfLink } from "./place.js";
import { HOME } from "./sidebar.js";
import { openKeys, openSwitcher } from "./switcher.js";

const ICONS = { search: "search", theme: "theme", help: "help", "to-list": "back", "thread-back": "back", "close-thread": "close" };

export function wire(page) {
  for (const [id, name] of Object.entries(ICONS)) byId(id).append(icon(name));
  byId("latest").append(icon("down"), document.createElement("span"));
  byId("home-tab").querySelector(".mark").append(icon("bolt"));
  byId("member").addEventListener("change", (event) => page.become(event.target.value));
  byId("home-tab").addEventListener("click", () => page.show(HOME));
  byId("close-thread").addEventListener("click", page.closeThread);
  byId("thread-back").addEventListener("click", page.closeThread);
  byId("to-list").addEventListener("click", () => {
    document.body.dataset.screen = "list";
    byId("channels").querySelector("[aria-current]")?.focus();
  });
  byId("search").addEventListener("click", () => openSwitcher(page));
  byId("help").addEventListener("click", openKeys);
  byId("theme").addEventListener("click", () => globalThis.switchTheme());
  for (const id of ["keys", "lightbox", "switcher"]) byId(id).addEventListener("click", (event) => event.target === byId(id) && byId(id).close());
  document.addEventListener("click", (event) => follow(event, page));
  window.addEventListener("popstate", () => {
    const place = placeOf(location.hash);
    if (place.channel === HOME) page.show(HOME, { isQuiet: true });
    else if (page.store.channels.has(place.channel)) page.reveal(place.channel, place.ts);
  });
  document.addEventListener("settled", page.draw);
  for (const kind of ["focus", "visibilitychange"]) window.addEventListener(kind, page.markRead);
}

function follow(event, page) {
  const goto = event.target.closest("[data-goto]");
  if (goto) return page.show(goto.dataset.goto);
  const link = event.target.closest("a[href]");
  const place = link && !event.ctrlKey && !event.metaKey ? placeOfLink(link.href) : null;
  if (!place?.channel || !page.store.channels.has(place.channel)) return undefined;
  event.preventDefault();
  goTo(addressOf(place.channel, place.ts));
  return page.reveal(place.channel, place.ts);
}
