// One message, and which messages a channel or a thread shows.
import { el } from "./dom.js";
import { drawBlocks } from "./blocks.js";
import { mrkdwn } from "./mrkdwn.js";

const TOGETHER_S = 300;

export const isTop = (message) => (message.thread_ts ?? message.ts) === message.ts;

// Each item is all that drawing it depends on, so that an unchanged one is left alone.
export function channelItems(messages, ephemerals) {
  const top = messages.filter((message) => isTop(message) || message.reply_broadcast);
  return grouped([...top, ...ephemerals.filter((message) => !message.thread_ts)].sort(byTime), false);
}

export function threadItems(messages, ephemerals, ts) {
  const inside = messages.filter((message) => message.ts === ts || message.thread_ts === ts);
  return grouped([...inside, ...ephemerals.filter((message) => message.thread_ts === ts)].sort(byTime), true);
}

const byTime = (one, other) => Number(one.ts) - Number(other.ts);

function grouped(messages, inThread) {
  let last = null;
  return messages.map((message) => {
    const isSame = last && last.user === message.user && Number(message.ts) - Number(last.ts) < TOGETHER_S;
    const follows = Boolean(isSame && !last.blocks && !message.blocks && !last.is_ephemeral && !message.is_ephemeral);
    last = message;
    return { message, follows, inThread };
  });
}

export function drawMessage({ message, follows, inThread }, workspace) {
  const { names } = workspace;
  const moment = new Date(Number(message.ts) * 1000);
  const who = names.member(message.user);
  const time = el(
    "time",
    { datetime: moment.toISOString(), title: moment.toLocaleString() },
    moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
  );
  const body = el("div", { class: "body" });
  if (!follows) {
    body.append(
      el("p", { class: "by" }, el("b", {}, who), message.bot_id ? el("span", { class: "app" }, "APP") : null, time),
    );
  }
  if (message.is_ephemeral) body.append(el("p", { class: "note" }, "Only visible to you"));
  if (!isTop(message) && !inThread) {
    body.append(el("button", { type: "button", class: "link", onclick: () => workspace.openThread(message.thread_ts) }, "replied to a thread"));
  }
  const press = (block, button) => workspace.press(message, block, button);
  if (message.blocks?.length) body.append(el("div", { class: "card" }, ...drawBlocks(message.blocks, names, press)));
  else body.append(el("p", { class: "text" }, mrkdwn(message.text ?? "", names)));
  if (message.edited) body.append(el("span", { class: "edited" }, "(edited)"));
  if (message.reply_count && !inThread) {
    const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
    body.append(el("button", { type: "button", class: "replies", onclick: () => workspace.openThread(message.ts) }, count));
  } else if (!inThread && isTop(message) && !message.is_ephemeral) {
    body.append(el("button", { type: "button", class: "reply", onclick: () => workspace.openThread(message.ts) }, "Reply in thread"));
  }
  if (message.is_ephemeral) {
    body.append(el("button", { type: "button", class: "link", onclick: () => workspace.dismiss(message.ts) }, "Dismiss"));
  }
  return el(
    "article",
    { class: `message${follows ? " follows" : ""}${message.is_ephemeral ? " ephemeral" : ""}`, "data-ts": message.ts },
    follows ? el("span", { class: "gutter" }, time) : avatar(message.user, who, workspace),
    body,
  );
}

function avatar(user, who, workspace) {
  const initials = who.split(/[\s-]+/).map((word) => word[0]).join("").slice(0, 2);
  return el("span", { class: `avatar ${user === workspace.botUser ? "bot" : `hue${hue(user)}`}`, "aria-hidden": "true" }, initials);
}

const hue = (text) => [...text].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 5;
