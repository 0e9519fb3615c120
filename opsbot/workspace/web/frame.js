// What stands around the messages: the channel's name, who is in it, the banner, whether the bot is there.
import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { markOf, titleOf } from "./sidebar.js";

export function drawHeader(page, channel, isHome) {
  const name = byId("channel-name");
  const text = isHome ? "opsbot" : `${markOf(channel)} ${titleOf(channel)}`.trim();
  if (name.textContent !== text || name.dataset.id !== page.shown) {
    name.dataset.id = page.shown;
    name.replaceChildren(...(channel?.is_private && !channel.is_im ? [icon("lock")] : []), text);
    name.setAttribute("aria-label", isHome ? "opsbot" : titleOf(channel));
  }
  byId("channel-about").textContent = isHome ? "Home" : channel?.topic ?? "";
  const people = byId("channel-people");
  const members = isHome ? [] : channel?.members ?? [];
  if (people.dataset.members === members.join()) return;
  people.dataset.members = members.join();
  people.title = members.map((id) => page.names.member(id)).join(", ");
  people.replaceChildren(...(members.length ? [...members.slice(0, 3).map((id) => page.names.avatar(id, "tiny")), el("span", { "aria-label": `${members.length} members` }, String(members.length))] : []));
}

export function drawBanner({ store }, isLive) {
  const banner = byId("banner");
  const text = !isLive
    ? "Connection lost. What you see may be old; trying again …"
    : store.isBotConnected ? "" : "The bot is not connected: buttons and commands do nothing until `opsbot up` runs.";
  banner.hidden = !text;
  if (banner.textContent !== text) banner.textContent = text;
  byId("bot").classList.toggle("on", isLive && store.isBotConnected);
  const says = store.isBotConnected ? "opsbot is connected" : "opsbot is away";
  const shown = byId("bot").querySelector(".says");
  if (shown.textContent !== says) shown.textContent = says;
}
