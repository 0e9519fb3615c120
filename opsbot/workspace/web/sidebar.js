// The list of channels and apps, with what is unread, and who the person at the page is.
import { byId, el, remembered, sync } from "./dom.js";
import { icon } from "./icons.js";

export const HOME = "home";

// What a channel is called; a direct message is always one with the app.
export const titleOf = (channel) => (channel?.is_im ? "opsbot" : channel?.name ?? "");
export const markOf = (channel) => (channel?.is_private || channel?.is_im ? "" : "#");

export function drawSidebar(page) {
  const { store, me, shown } = page;
  const items = store.channelsOf(me).map((channel) => {
    const unread = store.unread(me, channel);
    const hasDraft = channel.id !== shown && Boolean(remembered(`draft ${me} ${channel.id}`));
    return { key: channel.id, channel, unread, hasDraft, version: JSON.stringify([channel.name, channel.is_private, channel.id === shown, unread, hasDraft]) };
  });
  sync(byId("channels"), items.filter((one) => !one.channel.is_im), (item) => row(item, page));
  sync(byId("directs"), items.filter((one) => one.channel.is_im), (item) => row(item, page));
  byId("directs-title").hidden = !byId("directs").children.length;
  const home = byId("home-tab");
  if (shown === HOME) home.setAttribute("aria-current", "page");
  else home.removeAttribute("aria-current");
  const total = items.reduce((sum, item) => sum + item.unread.count, 0);
  return total;
}

function row({ channel, unread, hasDraft }, page) {
  const isShown = channel.id === page.shown;
  const name = titleOf(channel);
  const count = unread.count ? el("span", { class: `count${unread.calls ? " calls" : ""}`, "aria-hidden": "true" }, unread.count > 99 ? "99+" : String(unread.count)) : null;
  const says = unread.count ? `, ${unread.count} unread` : hasDraft ? ", draft" : "";
  return el("li", {}, el(
    "button",
    { type: "button", "data-channel": name, class: unread.count ? "unread" : "", "aria-current": isShown ? "page" : null,
      "aria-label": `${channel.is_im ? "direct messages with " : channel.is_private ? "private channel " : ""}${name}${says}`, "data-focus-key": channel.id, onclick: () => page.show(channel.id) },
    el("span", { class: "mark" }, channel.is_im ? page.names.avatar(page.store.botUser, "tiny") : icon(channel.is_private ? "lock" : "hash")),
    el("span", { class: "label" }, name),
    hasDraft && !count ? el("span", { class: "draft" }, icon("pencil")) : null,
    count,
  ));
}

export function drawMembers(page) {
  const { store, me } = page;
  const version = JSON.stringify([me, ...store.members.values()]);
  if (byId("member").dataset.version === version) return;
  byId("member").dataset.version = version;
  byId("member").replaceChildren(
    ...[...store.members.values()].map(({ id, name, title }) => el("option", { value: id, selected: id === me }, title ? `${name} (${title})` : name)),
  );
  byId("my-face").replaceChildren(page.names.avatar(me));
}
