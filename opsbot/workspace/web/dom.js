// Builds elements. Text always goes in as text nodes: nothing that anybody wrote is ever read as HTML.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const byId = (id) => document.getElementById(id);

// Makes `parent` show exactly `items`, in order, and touches only what changed. `key` names an item, `draw` makes its
// element; an element is drawn anew when its item's fingerprint differs. Focus on a button survives that.
export function sync(parent, items, key, draw) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const fingerprint = JSON.stringify(item);
    let element = known.get(name);
    known.delete(name);
    if (!element || element.fingerprint !== fingerprint) {
      const fresh = draw(item);
      fresh.dataset.key = name;
      fresh.fingerprint = fingerprint;
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

function focusIn(element) {
  const focused = document.activeElement;
  if (!element.contains(focused) || !focused.dataset.actionId) return null;
  const { actionId, value } = focused.dataset;
  return (fresh) => {
    for (const button of fresh.querySelectorAll("[data-action-id]")) {
      if (button.dataset.actionId === actionId && button.dataset.value === value) button.focus();
    }
  };
}

export function toast(text) {
  const box = el("div", { class: "toast" }, el("span", {}, text));
  box.append(el("button", { type: "button", "aria-label": "Dismiss", onclick: () => box.remove() }, "×"));
  byId("toasts").append(box);
  setTimeout(() => box.remove(), 12000);
}
