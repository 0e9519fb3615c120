// What the workspace holds, as the page knows it: read once, then kept up to date by the changes. No DOM here.

const MOST_EPHEMERALS = 100;

const byTs = (one, other) => (one.ts < other.ts ? -1 : one.ts > other.ts ? 1 : 0);

export const isTop = (message) => !message.thread_ts || message.thread_ts === message.ts;

// A number that changes whenever the object is another one: what tells a changed message from an unchanged one.
const versions = new WeakMap();
let lastVersion = 0;
export function versionOf(object) {
  if (!object) return 0;
  if (!versions.has(object)) versions.set(object, (lastVersion += 1));
  return versions.get(object);
}

export class Store {
  constructor() {
    this.channels = new Map();
    this.members = new Map();
    this.groups = new Map();
    this.files = new Map();
    this.ephemerals = [];
    this.homes = {};
    this.views = {};
    this.read = {};
    this.commands = [];
    this.shortcuts = [];
    this.team = "";
    this.botUser = "";
    this.isBotConnected = false;
  }

  load(state) {
    this.team = state.team;
    this.botUser = state.bot_user;
    this.isBotConnected = state.bot_connected;
    this.homes = state.homes ?? {};
    this.views = state.views ?? {};
    this.commands = state.commands ?? [];
    this.shortcuts = state.shortcuts ?? [];
    this.members = new Map(state.members.map((one) => [one.id, one]));
    this.groups = new Map((state.user_groups ?? []).map((one) => [one.id, one]));
    this.files.clear();
    this.channels.clear();
    for (const channel of state.channels) this.#keep(channel, channel.messages ?? []);
    this.read = state.read ?? this.#allRead();
  }

  #allRead() {
    const now = {};
    for (const user of this.members.keys()) {
      now[user] = {};
      for (const channel of this.channels.values()) now[user][channel.id] = channel.tops.at(-1)?.ts ?? "0";
    }
    return now;
  }

  #keep(channel, messages) {
    const known = this.channels.get(channel.id);
    const all = messages ? new Map(messages.map((one) => [one.ts, one])) : known?.all ?? new Map();
    const kept = { ...channel, messages: undefined, all };
    this.channels.set(channel.id, kept);
    for (const message of all.values()) this.#noteFiles(message);
    this.#arrange(kept);
  }

  #noteFiles(message) {
    for (const file of message.files ?? []) this.files.set(file.id, file);
  }

  // What a channel shows, oldest first, and its threads; anew after every change.
  #arrange(channel) {
    channel.tops = [];
    channel.threads = new Map();
    for (const message of [...channel.all.values()].sort(byTs)) {
      if (isTop(message)) channel.tops.push(message);
      else {
        if (message.reply_broadcast) channel.tops.push(message);
        const thread = channel.threads.get(message.thread_ts) ?? { replies: [] };
        thread.replies.push(message);
        channel.threads.set(message.thread_ts, thread);
      }
    }
  }

  // Carries out one change; answers whether it is a message that was not there before.
  apply(change) {
    const channel = this.channels.get(change.channel?.id ?? change.channel);
    switch (change.type) {
      case "message": {
        if (!channel) return false;
        const isNew = !channel.all.has(change.message.ts);
        channel.all.set(change.message.ts, change.message);
        this.#noteFiles(change.message);
        this.#arrange(channel);
        return isNew;
      }
      case "deleted":
        if (channel?.all.delete(change.ts)) this.#arrange(channel);
        return false;
      case "ephemeral": {
        const shown = { is_ephemeral: true, ...change.message, channel: change.channel, to: change.user };
        const at = this.ephemerals.findIndex((one) => one.ts === shown.ts && one.to === shown.to);
        if (at >= 0) this.ephemerals[at] = shown;
        else this.ephemerals.push(shown);
        if (this.ephemerals.length > MOST_EPHEMERALS) this.ephemerals.shift();
        return at < 0;
      }
      case "ephemeral_deleted":
        this.dismiss(change.ts, change.user);
        return false;
      case "channel":
        this.#keep(change.channel, change.channel.messages);
        return false;
      case "home":
        this.homes[change.user] = change.view;
        return false;
      case "views":
        this.views[change.user] = change.views;
        return false;
      case "read":
        (this.read[change.user] ??= {})[change.channel] = change.ts;
        return false;
      case "bot":
        this.isBotConnected = change.connected;
        return false;
      default:
        return false;
    }
  }

  dismiss(ts, user) {
    this.ephemerals = this.ephemerals.filter((one) => one.ts !== ts || (user && one.to !== user));
  }

  // The channels that `me` is in; all of them where the workspace says nothing of members.
  channelsOf(me) {
    return [...this.channels.values()].filter((one) => !one.is_archived).filter((one) => !one.is_private || !one.members || one.members.includes(me));
  }

  readMark(me, channel) {
    return this.read[me]?.[channel] ?? "0";
  }

  // How many messages `me` has not read there, and how many of those call them.
  unread(me, channel) {
    const mark = this.readMark(me, channel.id);
    let count = 0;
    let calls = 0;
    for (let at = channel.tops.length - 1; at >= 0 && channel.tops[at].ts > mark; at -= 1) {
      if (channel.tops[at].user === me) continue;
      count += 1;
      if (this.isCalled(me, channel.tops[at])) calls += 1;
    }
    return { count, calls };
  }

  isCalled(me, message) {
    const text = message.text ?? "";
    if (text.includes(`<@${me}>`) || text.includes(`<@${me}|`) || /<!(here|channel|everyone)\b/.test(text)) return true;
    return [...this.groups.values()].some((group) => group.users?.includes(me) && text.includes(`<!subteam^${group.id}`));
  }

  ephemeralsOf(me, channel, thread) {
    return this.ephemerals.filter((one) => one.to === me && one.channel === channel && (thread ? one.thread_ts === thread : !one.thread_ts));
  }

  home(me) {
    return this.homes[me] ?? null;
  }

  // The newest `most` of a channel, with what only `me` sees; `hidden` older ones are left out.
  newest(me, channel, most) {
    const { tops } = channel;
    const from = Math.max(0, tops.length - most);
    const shown = tops.slice(from);
    const first = shown[0]?.ts ?? "0";
    const own = this.ephemeralsOf(me, channel.id, "").filter((one) => !from || one.ts >= first);
    return { messages: own.length ? [...shown, ...own].sort(byTs) : shown, hidden: from };
  }

  thread(me, channel, ts) {
    const root = channel.all.get(ts);
    const replies = channel.threads.get(ts)?.replies ?? [];
    return [...(root ? [root] : []), ...[...replies, ...this.ephemeralsOf(me, channel.id, ts)].sort(byTs)];
  }
}
