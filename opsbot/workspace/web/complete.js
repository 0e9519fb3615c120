// Completion while writing: commands after /, people and groups after @, channels after #, emoji after a colon.
import { el } from "./dom.js";
import { emoji, found } from "./emoji.js";

const MOST = 8;
const AT_CARET = /(^|[\s(])([@#:])([^\s@#:]*)$/;
const LEAST_EMOJI = 2;

export class Completion {
  constructor(field, form, page, hasCommands) {
    this.field = field;
    this.page = page;
    this.hasCommands = hasCommands;
    this.list = el("ul", { class: "completion", role: "listbox", "aria-label": "Suggestions", hidden: true });
    form.prepend(this.list);
    this.options = [];
    this.at = 0;
    field.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  close() {
    this.list.hidden = true;
    this.options = [];
    this.field.removeAttribute("aria-activedescendant");
  }

  update() {
    const { field } = this;
    const before = field.value.slice(0, field.selectionStart);
    this.options = document.activeElement === field ? this.#find(before).slice(0, MOST) : [];
    if (!this.options.length) return this.close();
    this.at = Math.min(this.at, this.options.length - 1);
    this.list.hidden = false;
    this.#draw();
  }

  #find(before) {
    if (this.hasCommands && before.startsWith("/") && !before.includes("\n")) return this.#commands(before);
    const [, , sign, typed] = AT_CARET.exec(before) ?? [];
    if (!sign || (sign === ":" && typed.length < LEAST_EMOJI)) return [];
    const start = before.length - typed.length - 1;
    const wanted = typed.toLowerCase();
    const option = (text, shown, about) => ({ text: `${text} `, start, shown, about });
    const { store, names } = this.page;
    if (sign === ":") return found(wanted, MOST).map((one) => option(`:${one.names[0]}:`, [emoji(one.names[0]), ` :${one.names[0]}:`], ""));
    if (sign === "#") return names.channels(true).filter((one) => one.name.includes(wanted)).map((one) => option(`#${one.name}`, names.channelMark(one), one.topic ?? ""));
    return [
      ...names.people().map((one) => ({ name: one.name, title: one.title, mark: names.avatar(one.id, "tiny") })),
      ...[...store.groups.values()].map((one) => ({ name: one.handle.replace(/^@/, ""), title: one.name, mark: "" })),
      { name: "here", title: "Tell everyone here", mark: "" }, { name: "channel", title: "Tell everyone in this channel", mark: "" },
    ].filter((one) => one.name.toLowerCase().includes(wanted)).map((one) => option(`@${one.name}`, [one.mark, el("b", {}, one.name)], one.title ?? ""));
  }

  // The command itself while it is typed; after it, its usage stands there to be read.
  #commands(before) {
    const [word, ...rest] = before.split(" ");
    return this.page.store.commands
      .filter((one) => (rest.length ? one.command === word : one.command.startsWith(word)))
      .map((one) => ({ text: rest.length ? null : `${one.command} `, start: 0, shown: [el("b", {}, one.command), ` ${one.usage_hint ?? ""}`], about: one.description ?? "" }));
  }

  #draw() {
    this.list.replaceChildren(...this.options.map((option, index) => el(
      "li",
      { role: "option", id: `complete-${index}`, "aria-selected": String(index === this.at), class: option.text ? "" : "usage", onpointerdown: (event) => { event.preventDefault(); this.take(index); } },
      el("span", { class: "shown" }, ...option.shown), option.about ? el("small", {}, option.about) : null,
    )));
    this.field.setAttribute("aria-activedescendant", `complete-${this.at}`);
  }

  take(index) {
    const option = this.options[index];
    if (!option?.text) return;
    const { field } = this;
    field.setRangeText(option.text, option.start, field.selectionStart, "end");
    this.close();
    field.dispatchEvent(new Event("input"));
  }

  // Whether the key was for the list.
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return false;
    if (!this.isOpen || !this.options.some((one) => one.text)) {
      if (this.isOpen && event.key === "Escape") {
        event.stopPropagation();
        this.close();
        return true;
      }
      return false;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.at = (this.at + step + this.options.length) % this.options.length;
      this.#draw();
    } else if (event.key === "Tab" || (event.key === "Enter" && !this.#isWhole())) this.take(this.at);
    else if (event.key === "Escape") this.close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  // Enter sends what needs no completion.
  #isWhole() {
    const { value } = this.field;
    return this.options.some((one) => one.text?.trim() === value.trim());
  }
}
