// A list of messages that scrolls: it stays at its end when it was there, keeps its place when older ones are loaded,
// and offers the way back to the latest.
import { el, sync } from "./dom.js";
import { drawItem, itemsOf } from "./messages.js";
import { addToolbars } from "./toolbar.js";

export const FIRST = 200;
const NEAR_END = 90;
const NEAR_TOP = 400;

export class MessageList {
  // `onEnd()` is called when a person has come to the latest message, `onOlder()` when older ones are wanted.
  constructor(section, page, { inThread = false, latest = null, onEnd = () => {}, onOlder = () => {} } = {}) {
    this.section = section;
    this.page = page;
    this.latest = latest;
    this.isAtEnd = true;
    this.missed = 0;
    section.tabIndex = 0;
    addToolbars(section, page, inThread);
    section.addEventListener("scroll", () => {
      const wasAtEnd = this.isAtEnd;
      this.isAtEnd = section.scrollHeight - section.scrollTop - section.clientHeight < NEAR_END;
      if (this.isAtEnd && !wasAtEnd) {
        this.missed = 0;
        onEnd();
      }
      this.#offer();
      if (section.scrollTop < NEAR_TOP) onOlder();
    }, { passive: true });
    // Pictures that arrive late make the list longer; whoever was at its end stays there.
    section.addEventListener("load", () => this.isAtEnd && this.toEnd(), true);
    new ResizeObserver(() => this.isAtEnd && this.toEnd()).observe(section);
    latest?.addEventListener("click", () => {
      this.toEnd();
      section.focus({ preventScroll: true });
    });
  }

  draw(messages, given, empty) {
    const { section } = this;
    if (!messages.length) {
      section.replaceChildren(empty ?? "");
      return;
    }
    section.querySelector(":scope > .empty")?.remove();
    const anchor = this.isAtEnd ? null : this.#firstInSight();
    const before = anchor?.getBoundingClientRect().top;
    sync(section, itemsOf(messages, given), (item) => drawItem(item, this.page));
    if (this.isAtEnd) this.toEnd();
    else if (anchor) {
      const again = anchor.isConnected ? anchor : section.querySelector(`article[data-ts="${CSS.escape(anchor.dataset.ts)}"]`);
      if (again) section.scrollTop += again.getBoundingClientRect().top - before;
    }
    this.#offer();
  }

  #firstInSight() {
    const { top } = this.section.getBoundingClientRect();
    for (const child of this.section.querySelectorAll(":scope > article")) if (child.getBoundingClientRect().bottom > top) return child;
    return null;
  }

  toEnd() {
    this.section.scrollTop = this.section.scrollHeight;
    this.isAtEnd = true;
    this.missed = 0;
    this.#offer();
  }

  miss() {
    if (!this.isAtEnd) this.missed += 1;
  }

  #offer() {
    if (!this.latest) return;
    this.latest.hidden = this.isAtEnd;
    const text = this.missed ? `${this.missed} new ${this.missed === 1 ? "message" : "messages"}` : "Jump to latest";
    if (this.latest.lastElementChild.textContent !== text) {
      this.latest.lastElementChild.textContent = text;
      this.latest.setAttribute("aria-label", text);
      this.latest.classList.toggle("quiet", !this.missed);
    }
  }

  // Brings a message into sight and lets it light up for a moment; answers whether it is there.
  reveal(ts) {
    const found = this.section.querySelector(`article[data-ts="${CSS.escape(ts)}"]`);
    if (!found) return false;
    this.isAtEnd = false;
    found.scrollIntoView({ block: "center" });
    found.classList.add("lit");
    setTimeout(() => found.classList.remove("lit"), 2500);
    found.focus({ preventScroll: true });
    return true;
  }

  // The message that has the focus, or the one to which the keys go next.
  focused() {
    return document.activeElement?.closest?.("article.message") ?? null;
  }

  step(by) {
    const all = [...this.section.querySelectorAll(":scope > article.message")];
    const now = this.focused();
    const at = now ? all.indexOf(now) + by : by < 0 ? all.length - 1 : 0;
    const next = all[Math.max(0, Math.min(all.length - 1, at))];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }
}

export const emptyNote = (...text) => el("div", { class: "empty" }, ...text);
