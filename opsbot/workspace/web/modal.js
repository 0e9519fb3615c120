// Modals: the topmost view of a person's stack, drawn as Slack draws it. What was typed stays as long as the block and
// the action keep their names; Escape and the buttons tell the bot as Slack would.
import { drawBlock } from "./blocks.js";
import { checked } from "./check.js";
import { byId, el, sync } from "./dom.js";
import { icon } from "./icons.js";
import { textOf } from "./mrkdwn.js";
import { closePopup } from "./popup.js";
import { versionOf } from "./store.js";
import { Surface, surfaceOf } from "./surface.js";

const LOADING_MS = 150;

export class Modal {
  constructor(page) {
    this.page = page;
    this.dialog = byId("dialog");
    this.form = this.dialog.querySelector("form");
    this.shown = null;
    this.isBusy = false;
    this.opener = null;
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave(false);
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  get stack() {
    return this.page.store.views[this.page.me] ?? [];
  }

  surface(view) {
    const surface = surfaceOf(`view ${view.id}`, () => new Surface({ view_id: view.id }, this.page.names, this.page.surfaces));
    surface.blocks = view.blocks;
    return surface;
  }

  draw() {
    const view = this.stack.at(-1);
    if (!view) return this.#shut();
    const isOther = this.shown?.id !== view.id;
    if (isOther) this.form.replaceChildren(...this.#frame());
    if (isOther || this.shown !== view) {
      closePopup();
      this.#fill(view);
    }
    this.shown = view;
    if (!this.dialog.open) {
      this.opener = document.activeElement;
      this.dialog.showModal();
    }
    if (isOther) this.#focusFirst();
  }

  #frame() {
    this.title = el("h2", { id: "dialog-title" });
    this.body = el("div", { class: "modal-body" });
    this.problem = el("p", { class: "problem", role: "alert", hidden: true });
    this.foot = el("footer");
    this.back = el("button", { type: "button", class: "icon-button back", "aria-label": "Back", onclick: () => this.leave(false) }, icon("back"));
    const close = el("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => this.leave(true) }, icon("close"));
    return [el("header", {}, this.back, this.title, close), this.body, this.problem, this.foot];
  }

  #fill(view) {
    const surface = this.surface(view);
    this.title.replaceChildren(textOf(view.title, this.page.names));
    this.back.hidden = this.stack.length < 2;
    this.problem.hidden = true;
    this.#drawBody(view, surface);
    const submit = view.submit ? el("button", { type: "submit", class: "button primary", "data-focus-key": "submit" }, textOf(view.submit, this.page.names)) : null;
    const close = el("button", { type: "button", class: "button plain", "data-focus-key": "close", onclick: () => this.leave(false) }, textOf(view.close ?? { type: "plain_text", text: submit ? "Cancel" : "Close" }, this.page.names));
    this.foot.replaceChildren(close, ...(submit ? [submit] : []));
  }

  #drawBody(view, surface) {
    const items = (view.blocks ?? []).map((block, index) => ({
      key: block.block_id ?? `at ${index}`,
      block,
      version: `${JSON.stringify(block)} ${surface.errors[block.block_id] ?? ""}`,
    }));
    sync(this.body, items, ({ block }) => drawBlock(block, surface));
  }

  #focusFirst() {
    const wanted = this.body.querySelector("[autofocus]") ?? this.body.querySelector("input:not([type=hidden]), textarea, .select-field, .button") ?? this.foot.querySelector("button");
    wanted?.focus({ preventScroll: true });
    this.body.scrollTop = 0;
  }

  #shut() {
    if (!this.dialog.open) return;
    closePopup();
    this.dialog.close();
    this.shown = null;
    this.form.replaceChildren();
    this.#busy(false);
    if (this.opener?.isConnected) this.opener.focus({ preventScroll: true });
    else this.page.focusList();
    this.opener = null;
  }

  #busy(isBusy) {
    this.isBusy = isBusy;
    this.form.toggleAttribute("aria-busy", isBusy);
    this.form.querySelector("footer [type=submit]")?.toggleAttribute("disabled", isBusy);
  }

  async submit() {
    const view = this.shown;
    if (!view || this.isBusy) return;
    const surface = this.surface(view);
    const values = surface.state(view.blocks);
    surface.errors = checked(view.blocks, values);
    this.#drawBody(view, surface);
    if (Object.keys(surface.errors).length) return this.#toFirstError();
    const timer = setTimeout(() => this.#busy(true), LOADING_MS);
    this.isBusy = true;
    const answer = await this.page.ask("/ui/submit", { view_id: view.id, values });
    clearTimeout(timer);
    this.#busy(false);
    if (this.shown?.id !== view.id) return;
    surface.errors = answer.errors ?? {};
    if (!answer.ok && !answer.errors) this.#say(answer.error || "This did not work. Please try again.");
    else this.problem.hidden = true;
    this.#drawBody(this.shown, surface);
    if (answer.errors) this.#toFirstError();
  }

  #toFirstError() {
    const first = this.body.querySelector(".invalid");
    first?.scrollIntoView({ block: "nearest" });
    first?.querySelector("input, textarea, .select-field")?.focus();
  }

  #say(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  // Leaves the topmost view, or with `isAll` the whole stack.
  async leave(isAll) {
    const view = this.shown;
    if (!view) return;
    const answer = await this.page.ask("/ui/close", { view_id: view.id, is_cleared: isAll && this.stack.length > 1 });
    if (answer.ok) return;
    // The bot or the workspace is away: the person must get out all the same.
    this.page.store.views[this.page.me] = isAll ? [] : this.stack.filter((one) => one.id !== view.id);
    this.page.draw();
  }
}
