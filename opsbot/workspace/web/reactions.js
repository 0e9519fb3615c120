// Reactions: the row below a message, and the picker.
import { el, remember, remembered, toast } from "./dom.js";
import { emoji, found, groups } from "./emoji.js";
import { icon } from "./icons.js";
import { showPopup } from "./popup.js";

const USUAL = ["pushpin", "white_check_mark", "eyes", "+1", "raised_hands", "rotating_light", "tada", "heart", "pray"];
const MOST_FOUND = 60;

export function reactionRow(message, page) {
  const row = el("div", { class: "reactions" });
  for (const { name, users = [], count } of message.reactions) {
    const isMine = users.includes(page.me);
    const who = users.map((id) => (id === page.me ? "you" : page.names.member(id))).join(", ");
    row.append(el(
      "button",
      { type: "button", class: "reaction", "aria-pressed": String(isMine), title: `${who} reacted with :${name}:`, "aria-label": `${count} ${name.replaceAll("_", " ")}: ${who}`,
        "data-reaction": name, "data-focus-key": `reaction ${name}`, onclick: () => react(page, message, name, isMine) },
      emoji(name), el("span", {}, String(count ?? users.length)),
    ));
  }
  const more = el("button", { type: "button", class: "reaction more", "aria-label": "Add a reaction", "data-focus-key": "reaction +" }, icon("smile"));
  more.addEventListener("click", () => pickReaction(more, message, page));
  row.append(more);
  return row;
}

export async function react(page, message, name, remove = false) {
  const problem = await page.write("/ui/react", { channel: message.channel ?? page.shown, ts: message.ts, name, remove });
  if (problem) toast(problem);
}

export const pickReaction = (anchor, message, page) =>
  pickEmoji(anchor, (name) => react(page, message, name, Boolean(message.reactions?.some((one) => one.name === name && one.users?.includes(page.me)))));

// The emoji picker; `choose(name)` is called with what was taken.
export function pickEmoji(anchor, choose) {
  const search = el("input", { type: "text", class: "search", placeholder: "Search all emoji", "aria-label": "Search all emoji", autocomplete: "off" });
  const grid = el("div", { class: "emoji-grid", role: "group", "aria-label": "Emoji" });
  anchor.setAttribute("aria-expanded", "true");
  const popup = showPopup(anchor, [search, grid], { className: "emoji-picker", isMenu: true, onClose: () => anchor.setAttribute("aria-expanded", "false") });

  function take(name) {
    remember("emoji", [name, ...lately().filter((one) => one !== name)].slice(0, 9).join(" "));
    popup.close();
    if (anchor.isConnected) anchor.focus();
    choose(name);
  }
  const cell = (entry) => el("button", { type: "button", title: `:${entry.names[0]}:`, "aria-label": entry.names[0].replaceAll("_", " "), "data-emoji": entry.names[0], onclick: () => take(entry.names[0]) }, emoji(entry.names[0]));
  const usual = [...new Set([...lately(), ...USUAL])].slice(0, 18).map((name) => ({ names: [name] }));

  function draw() {
    const query = search.value.trim().replaceAll(":", "");
    const parts = query ? [{ category: "", entries: found(query, MOST_FOUND) }] : [{ category: "Often used", entries: usual }, ...groups];
    grid.replaceChildren(...parts.flatMap(({ category, entries }) => [category ? el("h2", {}, category) : null, el("div", { class: "cells" }, ...entries.map(cell))]).filter(Boolean));
    if (query && !parts[0].entries.length) grid.append(el("p", { class: "note" }, "No emoji of that name"));
  }
  draw();
  popup.place();
  search.addEventListener("input", draw);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") grid.querySelector("button")?.click();
    else if (event.key === "ArrowDown") grid.querySelector("button")?.focus();
    else return;
    event.preventDefault();
  });
  grid.addEventListener("keydown", (event) => {
    const across = Math.max(1, Math.floor(grid.clientWidth / 36));
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...grid.querySelectorAll("button")];
    const next = all.indexOf(document.activeElement) + step;
    if (next < 0) search.focus();
    else all[Math.min(all.length - 1, next)].focus();
  });
  search.focus();
}

const lately = () => remembered("emoji").split(" ").filter(Boolean);
