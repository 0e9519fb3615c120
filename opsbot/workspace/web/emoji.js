// Emoji by Slack's names, and the search over them. Skin tones are left out.
import { CATEGORIES } from "./emoji-names.js";
import { el } from "./dom.js";

const SIGN_AND_NAMES = /^([^a-z+-]*?[^\x00-\x7f#*0-9]|[#*0-9][^a-z]*[^\x00-\x7f])([a-z0-9_+,'&.!-]+)$/u;
const byName = new Map();

// [{ category, entries: [{ sign, names }] }], as the picker shows them.
export const groups = Object.entries(CATEGORIES).map(([category, text]) => ({
  category,
  entries: text.trim().split(/\s+/).map((one) => {
    const [, sign, names] = SIGN_AND_NAMES.exec(one) ?? [one, "", ""];
    const entry = { sign, names: names.split(",") };
    for (const name of entry.names) if (sign) byName.set(name, entry);
    return entry;
  }).filter((entry) => entry.sign),
}));

// Drawn by us, because not every machine has a font with these, and because they carry a meaning.
const LIGHTS = { "🔴": "red", "🟠": "orange", "🟡": "yellow", "🟢": "green" };
const DRAWN = /(🔴|🟠|🟡|🟢|✅)/u;

export const signOf = (name) => byName.get(name.replace(/::skin-tone-\d$/, ""))?.sign ?? "";

// The emoji of that name; the name itself between colons where there is none, as Slack shows it.
export function emoji(name) {
  const sign = signOf(name);
  return sign ? el("span", { class: "emoji", role: "img", title: `:${name}:`, "aria-label": name.replaceAll("_", " ") }, ...drawn(sign)) : `:${name}:`;
}

// Text in which the lights are drawn.
export function drawn(text) {
  return text.split(DRAWN).filter(Boolean).map((part) => {
    if (part === "✅") return el("span", { class: "done", role: "img", "aria-label": "done" }, "✓");
    const light = LIGHTS[part];
    return light ? el("span", { class: `light ${light}`, role: "img", "aria-label": light }) : part;
  });
}

export function found(query, limit) {
  const wanted = query.toLowerCase().replaceAll(/[\s-]/g, "_");
  const starts = [];
  const holds = [];
  for (const { entries } of groups) {
    for (const entry of entries) {
      if (entry.names.some((name) => name.startsWith(wanted))) starts.push(entry);
      else if (entry.names.some((name) => name.includes(wanted))) holds.push(entry);
    }
  }
  return [...starts.sort((one, other) => one.names[0].length - other.names[0].length), ...holds].slice(0, limit);
}
