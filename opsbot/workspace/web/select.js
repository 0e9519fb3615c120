// Selects of every source, one or many: a field that opens a list with a search, and on a touch screen, where the list
// is fixed and one is chosen, the telephone's own picker.
import { el, settle } from "./dom.js";
import { icon } from "./icons.js";
import { textOf } from "./mrkdwn.js";
import { showPopup } from "./popup.js";
import { isMany } from "./surface.js";

const PAUSE_MS = 150;
const LONGEST_LIST = 200;
// One list is open at a time, so one name does.
const LIST = "select-options";

export function select(block, element, surface, given, change) {
  const many = isMany(element.type);
  const source = sourceOf(block, element, surface);
  const chosen = () => [surface.get(block, element)].flat().filter((one) => one !== null);
  const placeholder = element.placeholder?.text ?? (many ? "Choose some" : "Choose one");
  const label = el("span", { class: "chosen" });
  const opener = el(
    "button",
    { type: "button", id: given.id, class: "select-field", role: "combobox", "aria-haspopup": "listbox", "aria-expanded": "false",
      "aria-label": given.id ? null : placeholder, "data-action-id": element.action_id, "data-value": "" },
    label, icon("down"),
  );
  const shown = el("div", { class: `select${many ? " many" : ""}` }, opener);
  const native = !many && source.fixed ? nativeSelect() : null;
  if (native) shown.append(native);
  draw();

  function draw() {
    const now = chosen();
    label.classList.toggle("nothing", !now.length);
    label.replaceChildren(...(now.length ? now.map((one) => (many ? chip(one) : source.show(one))) : [placeholder]));
    if (native) native.value = now[0]?.value ?? "";
  }

  function chip(one) {
    return el("span", { class: "chip" }, source.show(one), el("span", {
      class: "remove", role: "button", "aria-label": "Remove",
      onclick: (event) => { event.stopPropagation(); store(chosen().filter((other) => idOf(other) !== idOf(one)), true); },
    }, "×"));
  }

  async function store(value, isFinal) {
    const before = surface.get(block, element);
    if (many && !isFinal) surface.set(block, element, value);
    else if (!(await change(value))) surface.set(block, element, before);
    draw();
  }

  // The same choice as the list's, for touch; it also keeps a form's own ways of filling it in.
  function nativeSelect() {
    const field = el("select", { class: "native", tabindex: "-1", "aria-hidden": "true", "data-for": element.action_id });
    field.append(el("option", { value: "", hidden: true }, placeholder));
    for (const group of source.fixed) {
      const home = group.label ? el("optgroup", { label: group.label.text }) : field;
      for (const option of group.options) home.append(el("option", { value: option.value }, option.text.text));
      if (home !== field) field.append(home);
    }
    field.addEventListener("change", () => {
      store(source.fixed.flatMap((group) => group.options).find((one) => one.value === field.value) ?? null, true);
      field.blur();
    });
    field.addEventListener("blur", settle);
    return field;
  }

  opener.addEventListener("click", () => (opener.getAttribute("aria-expanded") === "true" ? null : openList()));
  opener.addEventListener("keydown", (event) => {
    if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      event.stopPropagation();
      openList();
    } else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      openList(event.key);
    }
  });

  function openList(typed = "") {
    const start = many ? chosen() : null;
    const search = el("input", { class: "search", type: "text", role: "combobox", "aria-label": "Search", "aria-expanded": "true", "aria-controls": LIST, "aria-autocomplete": "list", autocomplete: "off", placeholder: "Search …", value: typed });
    const list = el("ul", { id: LIST, role: "listbox", "aria-label": placeholder, "aria-multiselectable": many || null });
    let at = 0;
    let options = [];
    let asked = 0;
    opener.setAttribute("aria-expanded", "true");
    opener.setAttribute("aria-controls", LIST);
    const popup = showPopup(opener, [search, list], {
      className: "select-list",
      onClose: () => {
        opener.setAttribute("aria-expanded", "false");
        clearTimeout(timer);
        if (many && given.dispatches && JSON.stringify(start) !== JSON.stringify(chosen())) store(chosen(), true);
      },
    });
    let timer = 0;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      if (source.fixed || source.known) ask();
      else timer = setTimeout(ask, PAUSE_MS);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Tab") popup.close();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) mark(at + step);
      else if (event.key === "Enter") pick(options[at]);
      else if (event.key === "Backspace" && many && !search.value) store(chosen().slice(0, -1), false).then(() => fill(null));
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    search.focus();
    ask();

    async function ask() {
      const number = (asked += 1);
      const query = search.value.trim();
      if (!source.fixed && !source.known && query.length < (element.min_query_length ?? 3)) {
        return note(`Type ${element.min_query_length ?? 3} or more letters`);
      }
      if (!source.fixed && !source.known) note("Asking the bot …");
      const answer = await source.find(query);
      if (number !== asked || !list.isConnected) return;
      if (answer.error) note(answer.error);
      else fill(answer.groups);
    }

    function note(text) {
      options = [];
      list.replaceChildren(el("li", { class: "note", role: "presentation" }, text));
      popup.place();
    }

    let last = [];
    function fill(groups) {
      if (groups) last = groups;
      options = [];
      const rows = [];
      for (const group of last) {
        if (group.label && group.options.length) rows.push(el("li", { class: "group", role: "presentation" }, textOf(group.label, surface.names)));
        for (const option of group.options.slice(0, LONGEST_LIST - options.length)) rows.push(row(option));
      }
      if (!rows.length) return note("Nothing found");
      list.replaceChildren(...rows);
      const isChosen = options.findIndex((one) => chosen().some((other) => idOf(other) === idOf(one)));
      mark(groups && isChosen > 0 && !search.value ? isChosen : Math.min(at, options.length - 1));
      popup.place();
    }

    function row(option) {
      const index = options.push(option) - 1;
      const isOn = chosen().some((one) => idOf(one) === idOf(option));
      return el(
        "li",
        { role: "option", id: `option-${index}`, "aria-selected": String(isOn), "data-value": idOf(option), onclick: () => pick(option), onpointermove: () => at !== index && mark(index) },
        source.show(option), option.description ? el("small", {}, textOf(option.description, surface.names)) : null,
      );
    }

    function mark(index) {
      at = Math.max(0, Math.min(options.length - 1, index));
      for (const one of list.querySelectorAll(".at")) one.classList.remove("at");
      const shownRow = list.querySelector(`#option-${at}`);
      shownRow?.classList.add("at");
      shownRow?.scrollIntoView({ block: "nearest" });
      search.setAttribute("aria-activedescendant", `option-${at}`);
    }

    async function pick(option) {
      if (option === undefined) return;
      if (!many) {
        popup.close();
        opener.focus();
        return void store(option, true);
      }
      const now = chosen();
      const isOn = now.some((one) => idOf(one) === idOf(option));
      if (!isOn && element.max_selected_items && now.length >= element.max_selected_items) return;
      await store(isOn ? now.filter((one) => idOf(one) !== idOf(option)) : [...now, option], false);
      fill(null);
    }
  }
  return shown;
}

const idOf = (option) => (typeof option === "string" ? option : option.value);

// Where the options come from: `fixed` groups, `known` people and channels, or else the bot.
function sourceOf(block, element, surface) {
  const { names } = surface;
  const kind = element.type.replace(/^multi_/, "");
  const matches = (text, query) => text.toLowerCase().includes(query.toLowerCase());
  if (kind === "static_select") {
    const fixed = element.option_groups ?? [{ options: element.options ?? [] }];
    const find = (query) => ({ groups: fixed.map((group) => ({ ...group, options: group.options.filter((one) => matches(one.text.text, query)) })) });
    return { fixed, find, show: (one) => el("span", {}, textOf(one.text, names)) };
  }
  if (kind === "external_select") {
    const find = async (query) => {
      const answer = await surface.suggest(block, element, query);
      if (!answer.ok) return { error: answer.error };
      return { groups: answer.option_groups ?? [{ options: answer.options ?? [] }] };
    };
    return { find, show: (one) => el("span", {}, textOf(one.text, names)) };
  }
  const all = { users_select: () => names.people(), channels_select: () => names.channels(false), conversations_select: () => [...names.channels(true), ...names.people()] }[kind];
  const allowed = (id) => !element.filter?.include || element.filter.include.includes(names.kindOf(id));
  const find = (query) => ({ groups: [{ options: all().filter((one) => allowed(one.id) && matches(one.name, query)).map((one) => one.id) }] });
  return { known: true, find, show: (id) => el("span", {}, names.label(id)) };
}
