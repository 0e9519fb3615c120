// A small panel at a control: above everything, inside the window, closed by Escape, by a press elsewhere, by scrolling.
import { el, isPhone, settle } from "./dom.js";

const MOVED_PX = 6;

let open = null;

export function closePopup() {
  open?.close();
}

export const isPopupOpen = () => Boolean(open);

// Shows `content` at `anchor`; answers how to close it. `onClose(isEscape)` is called once.
export function showPopup(anchor, content, { className = "", onClose = () => {}, isMenu = false, at = null } = {}) {
  closePopup();
  const home = anchor.closest("dialog") ?? document.body;
  const box = el("div", { class: `popup ${className}`, popover: "manual" }, content);
  home.append(box);
  box.showPopover();
  if (isMenu && isPhone()) box.classList.add("sheet");
  else {
    if (!isMenu) box.style.minWidth = `${anchor.getBoundingClientRect().width}px`;
    place(box, at ?? anchor.getBoundingClientRect());
  }

  const shown = { close };
  open = shown;
  const { top, left } = anchor.getBoundingClientRect();
  // What scrolled just before is told of only now: it counts whether the control has moved since.
  const hasMoved = () => {
    const now = anchor.getBoundingClientRect();
    return Math.abs(now.top - top) + Math.abs(now.left - left) > MOVED_PX;
  };

  function close(isEscape = false) {
    if (open !== shown) return;
    open = null;
    for (const [target, kind, listener] of listeners) target.removeEventListener(kind, listener, true);
    box.remove();
    onClose(isEscape);
    settle();
  }

  const listeners = [
    [document, "pointerdown", (event) => { if (!box.contains(event.target) && !anchor.contains(event.target)) close(); }],
    [document, "keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close(true);
      anchor.isConnected && anchor.focus?.();
    }],
    [document, "scroll", (event) => { if (!box.contains(event.target) && !box.classList.contains("sheet") && hasMoved()) close(); }],
    [window, "resize", () => { if (!isPhone()) close(); }],
  ];
  for (const [target, kind, listener] of listeners) target.addEventListener(kind, listener, true);
  return { close, box, place: () => box.classList.contains("sheet") || place(box, at ?? anchor.getBoundingClientRect()) };
}

function place(box, rect) {
  const gap = 4;
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.max(8, Math.min(rect.left, innerWidth - width - 8));
  const fitsBelow = rect.bottom + gap + height <= innerHeight - 8;
  const top = fitsBelow ? rect.bottom + gap : Math.max(8, rect.top - gap - height);
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
}

// A menu of entries {text, icon?, run, className?, hint?}; arrow keys move, Escape closes.
export function showMenu(anchor, entries, label, at = null) {
  const list = el("div", { class: "menu", role: "menu", "aria-label": label });
  let shown = null;
  for (const entry of entries) {
    if (!entry) {
      list.append(el("hr"));
      continue;
    }
    list.append(el(
      "button",
      { type: "button", role: "menuitem", class: entry.className ?? "", onclick: () => { shown.close(); entry.run(); } },
      entry.icon ?? null, el("span", {}, entry.text), entry.hint ? el("kbd", {}, entry.hint) : null,
    ));
  }
  arrows(list, "[role=menuitem]");
  anchor.setAttribute("aria-expanded", "true");
  shown = showPopup(anchor, list, { isMenu: true, at, onClose: () => anchor.setAttribute("aria-expanded", "false") });
  list.querySelector("[role=menuitem]")?.focus();
  return shown;
}

// Arrow keys, Home and End move the focus among what `selector` finds.
export function arrows(box, selector) {
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...box.querySelectorAll(selector)];
    const at = all.indexOf(document.activeElement);
    all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
  });
}
