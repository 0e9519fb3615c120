// A box to write in: Enter sends, Shift+Enter makes a new line, / @ # and : are completed, what was begun is kept, and
// the arrow up brings back what was sent.
import { Completion } from "./complete.js";
import { el, remember, remembered, toast } from "./dom.js";
import { icon } from "./icons.js";
import { showMenu } from "./popup.js";
import { pickEmoji } from "./reactions.js";

const MOST_SENT = 50;
const MARKS = [["bold", "*", "Bold"], ["italic", "_", "Italic"], ["strike", "~", "Strikethrough"], ["code", "`", "Code"]];

export class Composer {
  // `send(text)` answers what went wrong, or nothing.
  constructor(form, page, label, send, hasCommands) {
    this.page = page;
    this.place = "";
    this.sent = new Map();
    this.at = -1;
    const field = (this.field = el("textarea", { rows: "1", "aria-label": label, placeholder: label, enterkeyhint: "send" }));
    const tool = (name, title, run) => {
      const shown = el("button", { type: "button", class: "icon-button", "aria-label": title, title }, icon(name));
      shown.addEventListener("pointerdown", (event) => event.preventDefault());
      shown.addEventListener("click", () => run(shown));
      return shown;
    };
    const button = el("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send" }, icon("send"));
    const marks = MARKS.map(([name, sign, title]) => tool(name, title, () => this.#wrap(sign)));
    form.append(
      el("div", { class: "box" },
        field,
        el("div", { class: "tools" },
          ...marks.map((one) => (one.classList.add("mark"), one)),
          tool("smile", "Emoji", (anchor) => pickEmoji(anchor, (name) => this.insert(`:${name}: `))),
          hasCommands ? tool("bolt", "Shortcuts", (anchor) => this.#shortcuts(anchor)) : null,
          button,
        ),
      ),
    );
    this.completion = new Completion(field, form, page, hasCommands);
    field.addEventListener("input", () => this.#changed());
    field.addEventListener("keydown", (event) => this.#key(event, form));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(send);
    });
    this.button = button;
    this.#changed();
  }

  name(text) {
    if (this.field.placeholder === text) return;
    this.field.placeholder = text;
    this.field.setAttribute("aria-label", text);
  }

  // Whose box this is now: a channel or a thread of a person. What was begun there stands in it again.
  move(place) {
    if (place === this.place) return;
    this.place = place;
    this.at = -1;
    this.field.value = remembered(`draft ${place}`);
    this.#changed();
  }

  insert(text) {
    const { field } = this;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    this.#changed();
  }

  #changed() {
    const { field } = this;
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight + 2, 180)}px`;
    remember(`draft ${this.place}`, field.value.trim() ? field.value : "");
    this.button.classList.toggle("ready", Boolean(field.value.trim()));
    this.completion?.update();
  }

  #wrap(sign) {
    const { field } = this;
    const { selectionStart: from, selectionEnd: to } = field;
    field.setRangeText(`${sign}${field.value.slice(from, to)}${sign}`, from, to, "end");
    if (from === to) field.setSelectionRange(from + 1, from + 1);
    field.focus();
    this.#changed();
  }

  #shortcuts(anchor) {
    const entries = this.page.store.shortcuts.filter((one) => one.type === "global")
      .map((one) => ({ text: one.name, icon: icon("bolt"), run: () => this.page.shortcut(one.callback_id) }));
    showMenu(anchor, entries.length ? entries : [{ text: "The app has no shortcuts", run: () => {} }], "Shortcuts");
  }

  #key(event, form) {
    const { field } = this;
    if (event.isComposing || this.completion.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    } else if (["ArrowUp", "ArrowDown"].includes(event.key)) {
      const sent = this.sent.get(this.place) ?? [];
      const isBrowsing = this.at >= 0 && field.value === sent[this.at];
      if (field.value && !isBrowsing) return;
      const next = isBrowsing ? this.at + (event.key === "ArrowUp" ? 1 : -1) : event.key === "ArrowUp" ? 0 : -1;
      if (next >= sent.length || (!isBrowsing && next < 0)) return;
      event.preventDefault();
      this.at = next;
      field.value = next < 0 ? "" : sent[next];
      this.#changed();
    } else if ((event.ctrlKey || event.metaKey) && !event.shiftKey && ["b", "i"].includes(event.key.toLowerCase())) {
      event.preventDefault();
      this.#wrap(event.key.toLowerCase() === "b" ? "*" : "_");
    }
  }

  async #send(send) {
    const { field, place } = this;
    const text = field.value.trim();
    if (!text) return;
    this.sent.set(place, [text, ...(this.sent.get(place) ?? [])].slice(0, MOST_SENT));
    this.at = -1;
    field.value = "";
    this.#changed();
    const problem = await send(text);
    if (!problem) return;
    toast(problem);
    if (this.place === place && !field.value) {
      field.value = text;
      this.#changed();
    }
  }
}

// What a person typed as Slack's client would send it: escaped, with people, groups and channels by their ids.
export function encoded(text, store) {
  let sent = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const swap = (sign, names) => {
    for (const [name, token] of names.sort((one, other) => other[0].length - one[0].length)) {
      const start = `${sign}${name}`;
      for (let at = sent.indexOf(start); at >= 0; at = sent.indexOf(start, at + token.length)) {
        const before = sent[at - 1] ?? " ";
        const after = sent[at + start.length] ?? " ";
        if (/[\w<]/.test(before) || /[\w-]/.test(after)) continue;
        sent = sent.slice(0, at) + token + sent.slice(at + start.length);
      }
    }
  };
  swap("@", [
    ...[...store.members.values()].map((one) => [one.name, `<@${one.id}>`]),
    ["opsbot", `<@${store.botUser}>`],
    ...[...store.groups.values()].map((one) => [one.handle.replace(/^@/, ""), `<!subteam^${one.id}>`]),
    ["here", "<!here>"], ["channel", "<!channel>"],
  ]);
  swap("#", [...store.channels.values()].map((one) => [one.name, `<#${one.id}|${one.name}>`]));
  return sent;
}
