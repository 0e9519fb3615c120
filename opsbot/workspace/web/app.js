// The page: keeps what the workspace holds, draws it, and carries out what a person does.
import { drawBlocks } from "./blocks.js";
import { makeComposer } from "./composer.js";
import { showDialog } from "./dialog.js";
import { byId, el, sync, toast } from "./dom.js";
import { follow } from "./live.js";
import { channelItems, drawMessage, threadItems } from "./messages.js";

const channels = new Map();
const members = new Map();
const ephemerals = [];
const unread = new Set();
let homes = {};
let botUser = "";
let isBotConnected = false;
let isLive = false;
let shown = "";
let thread = "";
let me = remembered("member");

const names = {
  member: (id) => (id === botUser ? "opsbot" : members.get(id)?.name ?? id),
  channel: (id) => channels.get(id)?.name ?? id,
};
const workspace = { names, press, openThread, dismiss, get botUser() { return botUser; } };
const HOME = "home";

const composer = makeComposer(byId("composer"), "Message", (text) => say(text, null));
makeComposer(byId("thread-composer"), "Reply", (text) => say(text, thread));

// -- what happens

async function load() {
  const answer = await fetch("/ui/state");
  if (answer.status === 401) return void location.reload();
  if (!answer.ok) throw new Error(`the workspace answered ${answer.status}`);
  const state = await answer.json();
  botUser = state.bot_user;
  isBotConnected = state.bot_connected;
  homes = state.homes;
  channels.clear();
  for (const channel of state.channels) channels.set(channel.id, { ...channel, messages: new Map(channel.messages.map((m) => [m.ts, m])) });
  members.clear();
  for (const member of state.members) members.set(member.id, member);
  if (!members.has(me)) me = state.members[0].id;
  if (shown !== HOME && !channels.has(shown)) shown = state.channels[0].id;
  if (thread && !channels.get(shown)?.messages.has(thread)) thread = "";
  byId("team").textContent = state.team;
  drawMembers();
  isLive = true;
  draw();
}

function apply(change) {
  const channel = channels.get(change.channel?.id ?? change.channel);
  switch (change.type) {
    case "message":
      if (!channel) return;
      if (!channel.messages.has(change.message.ts) && change.channel !== shown) unread.add(change.channel);
      channel.messages.set(change.message.ts, change.message);
      break;
    case "deleted":
      channel?.messages.delete(change.ts);
      break;
    case "ephemeral":
      ephemerals.push({ ...change.message, channel: change.channel, to: change.user });
      break;
    case "channel":
      channels.set(change.channel.id, { ...change.channel, messages: new Map() });
      break;
    case "home":
      homes[change.user] = change.view;
      break;
    case "dialog":
      if (change.user === me) showDialog(change.view, names, submit);
      return;
    case "bot":
      isBotConnected = change.connected;
      break;
  }
  draw();
}

async function write(path, content) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: me, ...content }),
    });
    if (!answer.ok) return (await answer.text()) || `The workspace answered ${answer.status}.`;
    const body = await answer.json();
    return body.ok ? "" : body.error;
  } catch {
    return "The workspace does not answer. Is `opsbot workspace` (or `opsbot up`) still running?";
  }
}

async function press(message, block, button) {
  const place = message ? { channel: shown, ts: message.ts } : {};
  const { type: kind, action_id, value, text } = button;
  const problem = await write("/ui/press", { ...place, block_id: block.block_id, kind, action_id, value, text: text.text });
  if (problem) toast(problem);
}

const submit = (view, values) => write("/ui/submit", { view_id: view.id, values });

const say = (text, thread_ts) => write("/ui/say", { channel: shown, text, thread_ts });

function openThread(ts) {
  thread = ts;
  draw();
  byId("close-thread").focus();
}

function closeThread() {
  const opener = document.querySelector(`#channel [data-ts="${thread}"] .replies, #channel [data-ts="${thread}"] .reply`);
  thread = "";
  draw();
  opener?.focus();
}

function dismiss(ts) {
  ephemerals.splice(ephemerals.findIndex((one) => one.ts === ts), 1);
  draw();
}

function show(what) {
  shown = what;
  thread = "";
  unread.delete(what);
  draw();
  if (what === HOME) write("/ui/home", {}).then((problem) => problem && toast(problem));
  else byId("channel").scrollTop = byId("channel").scrollHeight;
}

// -- what is drawn

function draw() {
  drawBanner();
  drawChannels();
  const isHome = shown === HOME;
  const channel = channels.get(shown);
  byId("home").hidden = !isHome;
  byId("channel").hidden = byId("composer").hidden = isHome;
  byId("channel-name").textContent = isHome ? "opsbot" : `# ${channel?.name ?? ""}`;
  byId("channel-about").textContent = isHome ? "What waits for you, and what is open" : "";
  document.title = `${unread.size ? `(${unread.size}) ` : ""}${isHome ? "opsbot" : `#${channel?.name}`} · opsbot workspace`;
  if (isHome) drawHome();
  else if (channel) drawMessages(channel);
  const hasThread = Boolean(thread && channel);
  document.body.classList.toggle("threaded", hasThread);
  byId("thread").hidden = !hasThread;
  if (hasThread) {
    const items = threadItems([...channel.messages.values()], mine(), thread);
    keepAtEnd(byId("replies"), () => sync(byId("replies"), items, keyOf, (item) => drawMessage(item, workspace)));
  }
}

const keyOf = (item) => item.message.ts;
const mine = () => ephemerals.filter((one) => one.channel === shown && one.to === me);

function drawMessages(channel) {
  composer.name(`Message #${channel.name}, or a command such as /ops status`);
  const items = channelItems([...channel.messages.values()], mine());
  const section = byId("channel");
  keepAtEnd(section, () => {
    if (items.length) {
      section.querySelector(".empty")?.remove();
      sync(section, items, keyOf, (item) => drawMessage(item, workspace));
    } else {
      section.replaceChildren(el("p", { class: "empty" }, emptyText(channel.name)));
    }
  });
}

const emptyText = (name) =>
  name === "incidents"
    ? "No incident yet. opsbot posts here when an alert fires, with what it wants to do about it."
    : "Nothing here yet. Try /ops status.";

function drawHome() {
  const view = homes[me];
  const section = byId("home");
  if (!view) return section.replaceChildren(el("p", { class: "empty" }, isBotConnected ? "One moment …" : "The bot is not connected."));
  const items = view.blocks.map((block, index) => ({ block, index }));
  sync(section, items, ({ block, index }) => block.block_id ?? String(index), ({ block }) =>
    drawBlocks([block], names, (from, button) => press(null, from, button))[0],
  );
}

function keepAtEnd(section, change) {
  const isAtEnd = section.scrollHeight - section.scrollTop - section.clientHeight < 80;
  change();
  if (isAtEnd) section.scrollTop = section.scrollHeight;
}

function drawBanner() {
  const banner = byId("banner");
  const text = !isLive
    ? "Connection lost. What you see may be old; trying again …"
    : isBotConnected ? "" : "The bot is not connected: buttons and commands do nothing until `opsbot up` runs.";
  banner.hidden = !text;
  if (banner.textContent !== text) banner.textContent = text;
  byId("bot").classList.toggle("on", isLive && isBotConnected);
  byId("bot").querySelector(".says").textContent = isBotConnected ? "opsbot is connected" : "opsbot is away";
}

function drawChannels() {
  const items = [...channels.values()].map(({ id, name }) => ({ id, name, isShown: id === shown, isUnread: unread.has(id) }));
  sync(byId("channels"), items, (item) => item.id, ({ id, name, isShown, isUnread }) =>
    el("li", {}, el(
      "button",
      { type: "button", "data-channel": name, class: isUnread ? "unread" : "", "aria-current": isShown ? "page" : null, onclick: () => show(id) },
      el("span", { class: "mark" }, "#"), name, isUnread ? el("span", { class: "count" }, "new") : null,
    )),
  );
  const home = byId("home-tab");
  if (shown === HOME) home.setAttribute("aria-current", "page");
  else home.removeAttribute("aria-current");
}

function drawMembers() {
  byId("member").replaceChildren(
    ...[...members.values()].map(({ id, name, title }) => el("option", { value: id, selected: id === me }, `${name} (${title})`)),
  );
}

function remembered(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

byId("member").addEventListener("change", (event) => {
  me = event.target.value;
  try {
    localStorage.setItem("member", me);
  } catch { /* then it is chosen again next time */ }
  if (shown === HOME) show(HOME);
  else draw();
});
byId("home-tab").addEventListener("click", () => show(HOME));
byId("close-thread").addEventListener("click", closeThread);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && thread && !byId("confirm").open && !byId("dialog").open) closeThread();
});
follow({ onOpen: load, onChange: apply, onLost: () => { isLive = false; drawBanner(); } });
