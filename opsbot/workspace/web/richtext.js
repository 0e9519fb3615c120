// Rich text blocks: sections, lists, preformatted text, quotes, and what stands in them.
import { formatted } from "./dates.js";
import { el } from "./dom.js";
import { drawn, emoji, signOf } from "./emoji.js";
import { link, safeUrl } from "./mrkdwn.js";

export function richText(block, names) {
  return el("div", { class: "block rich-text" }, ...(block.elements ?? []).map((part) => piece(part, names)));
}

function piece(part, names) {
  switch (part.type) {
    case "rich_text_section":
      return el("div", {}, ...inner(part, names));
    case "rich_text_preformatted":
      return el("pre", {}, ...inner(part, names));
    case "rich_text_quote":
      return el("blockquote", {}, ...inner(part, names));
    case "rich_text_list": {
      const items = (part.elements ?? []).map((one) => el("li", {}, ...inner(one, names)));
      const depth = Math.max(0, Math.min(8, Number(part.indent) || 0));
      if (part.style !== "ordered") return el("ul", { class: `list depth${depth}` }, ...items);
      const kinds = ["1", "a", "i"];
      return el("ol", { class: `list depth${depth}`, type: kinds[depth % 3], start: (Number(part.offset) || 0) + 1 }, ...items);
    }
    default:
      return el("p", { class: "unknown" }, `(a ${part.type} part, which this page does not show)`);
  }
}

const inner = (part, names) => (part.elements ?? []).map((one) => styled(leaf(one, names), one.style));

function leaf(one, names) {
  switch (one.type) {
    case "text":
      return el("span", {}, ...broken(String(one.text ?? "")));
    case "link":
      return link(one.url, one.text || one.url);
    case "user":
      return names.memberTag(one.user_id, "");
    case "usergroup":
      return names.groupTag(one.usergroup_id, "");
    case "channel":
      return names.channelTag(one.channel_id, "");
    case "broadcast":
      return el("span", { class: "mention me" }, `@${one.range}`);
    case "team":
      return el("span", { class: "mention" }, `@${one.team_id}`);
    case "color":
      return el("span", {}, String(one.value));
    case "emoji":
      return el("span", {}, signOf(one.name) ? emoji(one.name) : fromUnicode(one.unicode) || `:${one.name}:`);
    case "date": {
      const time = formatted(one.timestamp, one.format) ?? document.createTextNode(one.fallback ?? "");
      const href = safeUrl(one.url);
      return href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, time) : time;
    }
    default:
      return el("span", { class: "unknown" }, `(${one.type})`);
  }
}

const broken = (text) => text.split("\n").flatMap((line, index) => [index ? el("br") : "", ...drawn(line)]);

function fromUnicode(text) {
  const points = String(text ?? "").split("-").map((one) => parseInt(one, 16));
  return points.length && points.every((one) => one > 0 && one <= 0x10ffff) ? String.fromCodePoint(...points) : "";
}

const STYLES = [["bold", "b"], ["italic", "i"], ["strike", "s"], ["code", "code"], ["underline", "u"]];

function styled(node, style) {
  let shown = node;
  for (const [name, tag] of STYLES) if (style?.[name]) shown = el(tag, {}, shown);
  return shown;
}
