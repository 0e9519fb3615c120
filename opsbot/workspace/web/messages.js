// One message: who, when, what, its files, its reactions, and the line that says what its thread holds.
import { drawBlocks } from "./blocks.js";
import { dayName, dayOf, momentOf, timeTag, clock, full } from "./dates.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";
import { attachmentOf, fileOf } from "./media.js";
import { mrkdwn } from "./mrkdwn.js";
import { reactionRow } from "./reactions.js";
import { isTop, versionOf } from "./store.js";
import { Surface, surfaceOf } from "./surface.js";

const TOGETHER_S = 300;

// What a list shows: messages, the days between them, the line above what is new. An item's version holds all that
// drawing it depends on, so that an unchanged one is left alone.
export function itemsOf(messages, { channel, me, inThread, newFrom }) {
  const items = [];
  let last = null;
  let isNewShown = false;
  for (const message of messages) {
    const day = dayOf(momentOf(message.ts));
    if (!inThread && (!last || day !== dayOf(momentOf(last.ts)))) {
      items.push({ key: `line ${day}`, version: day, kind: "line" }, { key: `day ${day}`, version: day, kind: "day", ts: message.ts });
      last = null;
    }
    if (newFrom && !isNewShown && message.ts > newFrom && message.user !== me && !message.is_ephemeral) {
      isNewShown = true;
      items.push({ key: "new", version: 1, kind: "new" });
      last = null;
    }
    const follows = Boolean(
      last && last.user === message.user && last.bot_id === message.bot_id && nameOf(last) === nameOf(message) && Number(message.ts) - Number(last.ts) < TOGETHER_S
      && !last.is_ephemeral && !message.is_ephemeral && isTop(last) === isTop(message),
    );
    const replies = inThread || !isTop(message) ? null : channel.threads.get(message.ts)?.replies ?? null;
    const version = `${versionOf(message)} ${follows} ${me} ${replies?.length ?? message.reply_count ?? 0} ${replies?.at(-1)?.ts ?? ""}`;
    items.push({ key: message.ts, version, kind: "message", message, follows, inThread, replies });
    if (inThread && message.ts === inThread && messages.length > 1) {
      const count = messages.length - 1;
      items.push({ key: "count", version: count, kind: "count", count });
      last = null;
    } else last = message;
  }
  return items;
}

const nameOf = (message) => message.username ?? "";

export function drawItem(item, page) {
  switch (item.kind) {
    case "day":
      return el("div", { class: "day", role: "separator", "aria-label": dayName(momentOf(item.ts)) }, el("span", {}, dayName(momentOf(item.ts))));
    case "line":
      return el("div", { class: "day-line" });
    case "new":
      return el("div", { class: "new-line", role: "separator", "aria-label": "New messages" }, el("span", {}, "New"));
    case "count":
      return el("div", { class: "count-line" }, el("span", {}, item.count === 1 ? "1 reply" : `${item.count} replies`));
    default:
      return drawMessage(item, page);
  }
}

export function messageSurface(message, page) {
  const channel = message.channel ?? page.shown;
  const place = { channel, ts: message.ts, ...(message.is_ephemeral ? { is_ephemeral: true } : {}) };
  const surface = surfaceOf(`${channel} ${message.ts} ${page.me}`, () => new Surface(place, page.names, page.surfaces));
  surface.blocks = [message, ...(message.attachments ?? [])].flatMap((one) => one.blocks ?? []);
  return surface;
}

function drawMessage({ message, follows, inThread, replies }, page) {
  const { names } = page;
  const moment = momentOf(message.ts);
  const who = message.username ?? names.member(message.user);
  const body = el("div", { class: "body" });
  if (message.is_ephemeral) body.append(el("p", { class: "note" }, icon("people"), "Only visible to you"));
  if (!follows) {
    body.append(el("p", { class: "by" }, el("b", {}, who), message.bot_id ? el("span", { class: "app" }, "APP") : null, stamp(message, page)));
  }
  if (!isTop(message) && !inThread) {
    const root = page.channel?.all.get(message.thread_ts);
    body.append(el("p", { class: "broadcast" }, "replied to a thread: ", el("button", { type: "button", class: "link", "data-focus-key": "broadcast", onclick: () => page.openThread(message.thread_ts) }, excerpt(root, page))));
  } else if (message.reply_broadcast && inThread) {
    body.append(el("p", { class: "broadcast" }, "Also sent to the channel"));
  }
  body.append(...content(message, page));
  if (message.reactions?.length) body.append(reactionRow(message, page));
  if (!inThread && (replies?.length || message.reply_count)) body.append(threadLine(message, replies ?? [], page));
  if (message.is_ephemeral) {
    body.append(el("button", { type: "button", class: "link dismiss", onclick: () => page.dismiss(message) }, "Dismiss message"));
  }
  const kinds = ["message", follows ? "follows" : "", message.is_ephemeral ? "ephemeral" : "", page.store.isCalled(page.me, message) ? "calls" : ""];
  return el(
    "article",
    { class: kinds.filter(Boolean).join(" "), "data-ts": message.ts, tabindex: "-1", "aria-label": `${who}, ${clock(moment)}` },
    follows ? el("span", { class: "gutter" }, timeTag(message.ts)) : names.avatar(message.user, "", who),
    body,
  );
}

const stamp = (message, page) => el("a", { class: "stamp", href: page.linkTo(message), title: full(momentOf(message.ts)), "data-message-link": message.ts }, timeTag(message.ts));

function content(message, page) {
  const { names } = page;
  if (message.subtype === "tombstone") return [el("p", { class: "note" }, "This message was deleted.")];
  const surface = messageSurface(message, page);
  const parts = [];
  if (message.blocks?.length) parts.push(el("div", { class: "card" }, ...drawBlocks(message.blocks, surface)));
  else if (message.text) parts.push(el("div", { class: `text${isOnlyEmoji(message.text) ? " jumbo" : ""}` }, mrkdwn(message.text, names)));
  for (const attachment of message.attachments ?? []) parts.push(attachmentOf(attachment, surface, drawBlocks));
  if (message.files?.length) parts.push(el("div", { class: "files" }, ...message.files.map((file) => fileOf(file, names))));
  if (message.edited) (parts.at(-1) ?? el("div")).append(el("span", { class: "edited", title: full(momentOf(message.edited.ts ?? message.ts)) }, " (edited)"));
  return parts;
}

const isOnlyEmoji = (text) => /^(\s*:[a-z0-9_+'-]+:\s*){1,6}$/.test(text);

function excerpt(message, page) {
  if (!message) return "a message that is gone";
  const text = el("span", {}, mrkdwn(String(message.text ?? ""), page.names)).textContent;
  return text.length > 80 ? `${text.slice(0, 79)}…` : text || "a message";
}

function threadLine(message, replies, page) {
  const count = replies.length || message.reply_count;
  const faces = [...new Set(replies.map((one) => one.user))].slice(-4);
  const last = replies.at(-1);
  const when = last ? momentOf(last.ts) : null;
  const near = when ? dayName(when) : "";
  return el(
    "button",
    { type: "button", class: "replies", "data-focus-key": "replies", onclick: () => page.openThread(message.ts) },
    el("span", { class: "faces" }, ...faces.map((user) => page.names.avatar(user, "tiny"))),
    el("b", {}, count === 1 ? "1 reply" : `${count} replies`),
    when ? el("span", { class: "last" }, `Last reply ${near === "Today" ? "today" : near} at ${clock(when)}`) : null,
    el("span", { class: "view" }, "View thread"),
  );
}
