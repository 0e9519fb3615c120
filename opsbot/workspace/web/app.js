// The page: keeps what the workspace holds, draws it, and carries out what a person does.
import { Composer, encoded } from "./composer.js";
import { byId, el, isPhone, remember, remembered, toast } from "./dom.js";
import { drawBanner, drawHeader } from "./frame.js";
import { drawHome } from "./home.js";
import { focusList, listenToKeys } from "./keyboard.js";
import { MessageList, FIRST, emptyNote } from "./list.js";
import { follow } from "./live.js";
import { Modal } from "./modal.js";
import { mrkdwn } from "./mrkdwn.js";
import { Names } from "./names.js";
import { addressOf, goTo, placeOf } from "./place.js";
import { ask, readState } from "./server.js";
import { HOME, drawMembers, drawSidebar, markOf, titleOf } from "./sidebar.js";
import { Store, isTop } from "./store.js";
import { wire } from "./wiring.js";

const store = new Store();
const page = {
  store, me: remembered("member"), shown: "", thread: "",
  names: new Names(store, () => page.me),
  surfaces: { press, suggest },
  get channel() { return store.channels.get(page.shown); },
  show, become, reveal, markRead, openThread, closeThread, dismiss, shortcut, write, draw, focusList, escape, stepChannel, startWriting, activeList,
  ask: (path, content) => ask(page.me, path, content),
  messageAt: (ts) => page.channel?.all.get(ts) ?? store.ephemerals.find((one) => one.ts === ts && one.to === page.me),
  linkTo: (message) => addressOf(message.channel ?? page.shown, message.ts),
};
// With more than that unread, a person wants the latest first.
const MOST_TO_GO_BACK = 60;

let isLive = false;
let most = FIRST;
let newFrom = "";
let isDrawing = false;
let isSettling = false;

const list = new MessageList(byId("channel"), page, { latest: byId("latest"), onEnd: markRead, onOlder: loadOlder });
const replies = new MessageList(byId("replies"), page, { inThread: true });
const composer = new Composer(byId("composer"), page, "Message", (text) => say(text, null), true);
const threadComposer = new Composer(byId("thread-composer"), page, "Reply …", (text) => say(text, page.thread), false);
const modal = new Modal(page);

// -- what happens

async function load() {
  store.load(await readState());
  if (!store.members.has(page.me)) page.me = [...store.members.keys()][0];
  isLive = true;
  byId("team").textContent = store.team;
  const isFirst = !page.shown;
  const wanted = placeOf(location.hash);
  if (isFirst && wanted.channel === HOME) show(HOME);
  else if (isFirst && store.channels.has(wanted.channel)) reveal(wanted.channel, wanted.ts);
  else if (page.shown !== HOME && !canSee(page.shown)) show(firstChannel(), { isQuiet: true });
  else if (page.shown === HOME) page.ask("/ui/home", {});
  draw();
}

const canSee = (id) => store.channelsOf(page.me).some((one) => one.id === id);
const firstChannel = () => store.channelsOf(page.me)[0]?.id ?? [...store.channels.keys()][0];

function apply(change) {
  const isNew = store.apply(change);
  if (isNew && (change.type === "message" || change.user === page.me)) arrive(change);
  draw();
}

// A message that was not there before is told to a screen reader, and counted where it is out of sight.
function arrive({ channel, message }) {
  if (channel !== page.shown || message.user === page.me) return;
  const isShown = isTop(message) || message.reply_broadcast || message.thread_ts === page.thread;
  if (!isShown) return;
  if (isTop(message)) list.miss();
  if (!newFrom && !document.hasFocus()) newFrom = store.readMark(page.me, channel);
  const text = el("span", {}, mrkdwn(String(message.text ?? "").slice(0, 500), page.names)).textContent;
  const announcer = byId("announcer");
  announcer.append(el("p", {}, `${page.names.member(message.user)}: ${text}`));
  while (announcer.children.length > 5) announcer.firstElementChild.remove();
}

async function write(path, content) {
  const answer = await page.ask(path, content);
  return answer.ok ? "" : answer.error || "This did not work.";
}

function press(surface, content) {
  return write("/ui/press", { ...surface.place, ...content, values: surface.state(surface.blocks) });
}

function suggest(surface, content) {
  return page.ask("/ui/options", { ...surface.place, ...content });
}

const say = (text, thread_ts) => write("/ui/say", {
  channel: page.shown, text: text.startsWith("/") ? text : encoded(text, store), ...(thread_ts ? { thread_ts } : {}),
});

async function shortcut(callback_id, message) {
  const place = message ? { channel: message.channel ?? page.shown, ts: message.ts } : {};
  const problem = await write("/ui/shortcut", { callback_id, ...place });
  if (problem) toast(problem);
}

function markRead() {
  const { channel } = page;
  const latest = channel?.tops.at(-1)?.ts;
  if (!latest || isSettling || document.hidden || !list.isAtEnd || latest <= store.readMark(page.me, channel.id)) return;
  (store.read[page.me] ??= {})[channel.id] = latest;
  page.ask("/ui/read", { channel: channel.id, ts: latest });
  draw();
}

function loadOlder() {
  if (!page.channel || page.channel.tops.length <= most) return;
  most += FIRST;
  draw();
}

function show(what, { isQuiet = false } = {}) {
  page.shown = what;
  page.thread = "";
  most = FIRST;
  document.body.dataset.screen = "channel";
  if (!isQuiet) goTo(addressOf(what));
  if (what === HOME) {
    write("/ui/home", {}).then((problem) => problem && toast(problem));
    return draw();
  }
  const unread = page.channel ? store.unread(page.me, page.channel).count : 0;
  newFrom = unread ? store.readMark(page.me, what) : "";
  byId("channel").replaceChildren();
  list.isAtEnd = true;
  list.missed = 0;
  isSettling = true;
  drawNow();
  isSettling = false;
  const line = byId("channel").querySelector(".new-line");
  if (line && unread <= MOST_TO_GO_BACK && line.offsetTop < byId("channel").scrollTop) {
    list.isAtEnd = false;
    line.scrollIntoView({ block: "start" });
  }
  markRead();
  if (!isPhone() && !isQuiet && !document.querySelector("dialog[open]")) composer.field.focus({ preventScroll: true });
}

function reveal(channel, ts) {
  if (page.shown !== channel) show(channel, { isQuiet: true });
  const message = ts && page.channel?.all.get(ts);
  if (!message) return ts && toast("That message is gone.");
  const at = page.channel.tops.indexOf(message);
  if (at >= 0) most = Math.max(most, page.channel.tops.length - at + 20);
  drawNow();
  if (isTop(message)) list.reveal(ts);
  else {
    openThread(message.thread_ts);
    replies.reveal(ts);
  }
}

function become(id) {
  page.me = id;
  remember("member", id);
  if (page.shown === HOME || !canSee(page.shown)) return show(page.shown === HOME ? HOME : firstChannel());
  newFrom = store.unread(id, page.channel).count ? store.readMark(id, page.shown) : "";
  draw();
}

function openThread(ts) {
  page.thread = ts;
  document.body.dataset.screen = "thread";
  replies.isAtEnd = true;
  drawNow();
  if (isPhone()) byId("thread-back").focus();
  else threadComposer.field.focus({ preventScroll: true });
}

function closeThread() {
  const opener = byId("channel").querySelector(`[data-ts="${CSS.escape(page.thread)}"]`);
  page.thread = "";
  document.body.dataset.screen = "channel";
  drawNow();
  opener?.focus({ preventScroll: true });
}

function dismiss(message) {
  store.dismiss(message.ts, page.me);
  draw();
}

function escape(event) {
  if (page.thread) {
    event.preventDefault();
    closeThread();
  } else if (page.channel) {
    newFrom = "";
    list.toEnd();
    markRead();
    draw();
  }
}

function stepChannel(by) {
  const places = [...store.channelsOf(page.me).map((one) => one.id), HOME];
  show(places[(places.indexOf(page.shown) + by + places.length) % places.length]);
}

function startWriting(text) {
  const target = page.thread && !text ? threadComposer : composer;
  if (page.shown === HOME) return;
  target.field.focus();
  if (text && !target.field.value) target.insert(text);
}

function activeList() {
  if (page.shown === HOME) return null;
  return document.activeElement?.closest?.("#thread") && page.thread ? replies : list;
}

// -- what is drawn

// Many changes at once are drawn once, with the next picture that the browser makes.
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  if (document.hidden) setTimeout(drawNow, 200);
  else requestAnimationFrame(drawNow);
}

function drawNow() {
  isDrawing = false;
  if (!store.members.size) return;
  const { channel } = page;
  const isHome = page.shown === HOME;
  drawBanner(page, isLive);
  drawMembers(page);
  const unread = drawSidebar(page);
  byId("home").hidden = !isHome;
  byId("channel").hidden = byId("composer").hidden = isHome;
  drawHeader(page, channel, isHome);
  document.title = `${unread ? `(${unread}) ` : ""}${isHome ? "opsbot" : titleOf(channel)} · ${store.team}`;
  if (isHome) {
    byId("latest").hidden = true;
    drawHome(page);
  } else if (channel) drawChannel(channel);
  drawThread(channel);
  modal.draw();
  markRead();
}

function drawChannel(channel) {
  composer.name(`Message ${markOf(channel)}${titleOf(channel)}`);
  composer.move(`${page.me} ${channel.id}`);
  const { messages, hidden } = store.newest(page.me, channel, most);
  byId("channel").classList.toggle("has-older", hidden > 0);
  list.draw(messages, { channel, me: page.me, newFrom }, emptyNote(el("h2", {}, `This is ${markOf(channel)}${titleOf(channel)}`), el("p", {}, emptyText(channel.name))));
}

const emptyText = (name) =>
  name === "incidents"
    ? "No incident yet. opsbot posts here when an alert fires, with what it wants to do about it."
    : "Nothing here yet. Try /ops status.";

function drawThread(channel) {
  if (page.thread && !channel?.all.has(page.thread) && !channel?.threads.has(page.thread)) page.thread = "";
  const hasThread = Boolean(page.thread && channel);
  document.body.classList.toggle("threaded", hasThread);
  byId("thread").hidden = !hasThread;
  if (!hasThread) {
    if (document.body.dataset.screen === "thread") document.body.dataset.screen = "channel";
    return;
  }
  byId("thread-about").textContent = `${markOf(channel)}${titleOf(channel)}`;
  threadComposer.move(`${page.me} ${channel.id} ${page.thread}`);
  replies.draw(store.thread(page.me, channel, page.thread), { channel, me: page.me, inThread: page.thread });
}

wire(page);
listenToKeys(page);
follow({ onOpen: load, onChange: apply, onLost: () => { isLive = false; drawBanner(page, isLive); } });
