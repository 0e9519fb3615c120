// Who is who: the people, groups, channels and files that blocks and messages speak of, and how they are shown.
import { el } from "./dom.js";
import { icon } from "./icons.js";

const HUES = 6;

export class Names {
  constructor(store, who) {
    this.store = store;
    this.who = who;
  }

  member(id) {
    return id === this.store.botUser ? "opsbot" : this.store.members.get(id)?.name ?? id ?? "somebody";
  }

  isMine(groupId) {
    return Boolean(this.store.groups.get(groupId)?.users?.includes(this.who()));
  }

  memberTag(id, label) {
    const name = this.store.members.has(id) || id === this.store.botUser ? this.member(id) : label || id;
    return el("span", { class: id === this.who() ? "mention me" : "mention", title: this.store.members.get(id)?.title }, `@${name}`);
  }

  groupTag(id, label) {
    const group = this.store.groups.get(id);
    return el("span", { class: this.isMine(id) ? "mention me" : "mention", title: group?.name }, `@${(group?.handle ?? label ?? id).replace(/^@/, "") || id}`);
  }

  channelTag(id, label) {
    const channel = this.store.channels.get(id);
    if (!channel) return el("span", { class: "mention" }, `#${label || id}`);
    return el("button", { type: "button", class: "mention link-like", "data-goto": id }, ...this.channelMark(channel));
  }

  channelMark(channel) {
    return channel.is_private ? [icon("lock"), channel.name] : [`#${channel.name}`];
  }

  people() {
    return [...this.store.members.values(), { id: this.store.botUser, name: "opsbot" }];
  }

  channels(withPrivate) {
    return this.store.channelsOf(this.who()).filter((one) => withPrivate || !one.is_private);
  }

  kindOf(id) {
    const channel = this.store.channels.get(id);
    return channel ? (channel.is_private ? "private" : "public") : "im";
  }

  label(id) {
    const channel = this.store.channels.get(id);
    if (channel) return el("span", {}, ...this.channelMark(channel));
    return el("span", { class: "person" }, this.avatar(id, "tiny"), this.member(id));
  }

  file(id) {
    return this.store.files.get(id) ?? null;
  }

  // A message may carry a name of its own, as bots' do.
  avatar(id, size = "", name = this.member(id)) {
    const isBot = id === this.store.botUser;
    const initials = name.split(/[\s._-]+/).filter(Boolean).map((word) => [...word][0]).join("").slice(0, 2);
    return el("span", { class: `avatar ${size} ${isBot ? "bot" : `hue${hue(id ?? name)}`}`, "aria-hidden": "true" }, isBot ? icon("bolt") : initials);
  }
}

const hue = (text) => [...text].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % HUES;
