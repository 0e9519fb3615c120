// Builds elements. Text always goes in as text nodes: nothing that anybody wrote is ever read as HTML.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// Makes `parent` show exactly `items`, in order, and touches only what changed: an item is drawn anew when its `version`
// differs. Focus survives that. A part in which a menu stands open waits until it is closed.
export function sync(parent, items, draw) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    let element = known.get(item.key);
    known.delete(item.key);
    if (!element || (element.version !== item.version && !isBusy(element))) {
      const fresh = draw(item);
      fresh.dataset.key = item.key;
      fresh.version = item.version;
      if (element) {
        const focus = focusIn(element);
        if (before === element) before = fresh;
        element.replaceWith(fresh);
        focus?.(fresh);
      }
      element = fresh;
    }
    if (element === before) before = element.nextElementSibling;
    else parent.insertBefore(element, before);
  }
  for (const element of known.values()) element.remove();
}

const isBusy = (element) => Boolean(element.querySelector("details[open], [aria-expanded='true'], select:focus"));

// To be called when a menu was closed: what waited for that is drawn now.
export const settle = () => document.dispatchEvent(new Event("settled"));

function focusIn(element) {
  const focused = document.activeElement;
  if (!element.contains(focused)) return null;
  if (focused === element) return (fresh) => fresh.focus({ preventScroll: true });
  const { actionId, value, focusKey } = focused.dataset;
  if (!actionId && !focusKey) return null;
  const caret = focused.matches("textarea, input:not([type=number], [type=email], [type=date], [type=time], [type=datetime-local], [type=checkbox], [type=radio])")
    ? [focused.selectionStart, focused.selectionEnd] : null;
  return (fresh) => {
    const again = [...fresh.querySelectorAll("[data-action-id], [data-focus-key]")].find(
      (one) => one.dataset.actionId === actionId && one.dataset.value === value && one.dataset.focusKey === focusKey,
    );
    again?.focus({ preventScroll: true });
    if (again && caret) again.setSelectionRange(...caret);
  };
}

export function toast(text) {
  const box = el("div", { class: "toast" }, el("span", {}, text));
  box.append(el("button", { type: "button", "aria-label": "Dismiss", onclick: () => box.remove() }, "×"));
  const stack = byId("toasts");
  while (stack.children.length > 3) stack.firstElementChild.remove();
  stack.append(box);
  if (stack.matches(":popover-open")) stack.hidePopover();
  stack.showPopover();
  setTimeout(() => box.remove(), 12000);
}

export function remembered(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

export function remember(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch { /* a private window: then it is chosen again next time */ }
}

export const isTyping = (element) => Boolean(element?.closest?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])"));

export const isPhone = () => matchMedia("(max-width: 40rem)").matches;
