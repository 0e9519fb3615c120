// Slack's mrkdwn to DOM nodes: bold, italic, strike, code, quotes, lists, links, mentions, dates and emoji.
// Source: docs.slack.dev, page "Formatting message text".
import { formatted } from "./dates.js";
import { el } from "./dom.js";
import { drawn, emoji } from "./emoji.js";

const MARKED = (sign) => `(?<![\\w${sign}])\\${sign}([^\\s${sign}](?:[^${sign}\\n]*[^\\s${sign}])?)\\${sign}(?![\\w${sign}])`;
const INLINE = new RegExp(
  ["`([^`\\n]+)`", "<([^<>\\n]+)>", MARKED("*"), MARKED("_"), MARKED("~"), ":([a-z0-9_+'-]+(?:::skin-tone-\\d)?):", "(https?://[^\\s<>|`]*[^\\s<>|`.,:;!?)'\"])"].join("|"),
  "g",
);
const FENCE = /```\n?([\s\S]*?)\n?```/g;
const ITEM = /^(\s*)([•◦▪-]|\d{1,3}\.) (.*)$/;
const SAFE = /^(https?:\/\/|mailto:)/i;

export const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export const safeUrl = (url) => (typeof url === "string" && SAFE.test(url) ? url : null);

// Plain text: only the emoji's names are read, and those only where the text allows it.
export function plain(text, hasEmoji = true) {
  if (!hasEmoji) return [text];
  return text.split(/(:[a-z0-9_+'-]+(?:::skin-tone-\d)?:)/).flatMap((part) => {
    const name = /^:(.+):$/.exec(part)?.[1];
    return name ? [emoji(name)] : drawn(part);
  });
}

export function mrkdwn(text, names) {
  const shown = document.createDocumentFragment();
  let from = 0;
  for (const found of text.matchAll(FENCE)) {
    shown.append(...lines(text.slice(from, found.index).replace(/\n$/, ""), names));
    shown.append(el("pre", {}, ...literal(found[1], names)));
    from = found.index + found[0].length;
    if (text[from] === "\n") from += 1;
  }
  shown.append(...lines(text.slice(from), names));
  return shown;
}

// mrkdwn or plain_text, as the object says.
export function textOf(given, names) {
  if (!given) return document.createDocumentFragment();
  if (given.type === "mrkdwn") return mrkdwn(String(given.text ?? ""), names);
  const shown = document.createDocumentFragment();
  shown.append(...plain(decode(String(given.text ?? "")), given.emoji !== false));
  return shown;
}

function lines(text, names) {
  if (!text) return [];
  const nodes = [];
  let quote = null;
  let isInline = false;
  let isRest = false;
  for (let line of text.split("\n")) {
    const quoted = isRest ? [line, line] : /^(?:&gt;|>)(?!(?:&gt;|>)) ?(.*)$/.exec(line);
    const rest = /^(?:(?:&gt;){3}|>>>) ?(.*)$/.exec(line);
    if (quoted || rest) {
      isRest ||= Boolean(rest);
      line = (rest ?? quoted)[1];
      if (quote) quote.append(el("br"));
      else nodes.push((quote = el("blockquote")));
      quote.append(...inline(line, names));
      isInline = false;
      continue;
    }
    quote = null;
    const item = ITEM.exec(line);
    if (item) {
      nodes.push(el("span", { class: "item" }, `${item[1]}${item[2]} `, ...inline(item[3], names)));
      isInline = false;
      continue;
    }
    if (isInline) nodes.push(el("br"));
    nodes.push(...(line ? inline(line, names) : [isInline ? "" : el("br")]));
    // An empty line below a list is one line, not two.
    isInline ||= line !== "";
  }
  return nodes;
}

function inline(text, names) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(...drawn(decode(text.slice(from, found.index))));
    const [whole, code, entity, bold, italic, strike, sign, url] = found;
    if (code !== undefined) nodes.push(el("code", {}, ...literal(code, names)));
    else if (entity !== undefined) nodes.push(reference(entity, names));
    else if (bold !== undefined) nodes.push(el("b", {}, ...inline(bold, names)));
    else if (italic !== undefined) nodes.push(el("i", {}, ...inline(italic, names)));
    else if (strike !== undefined) nodes.push(el("s", {}, ...inline(strike, names)));
    else if (sign !== undefined) nodes.push(emoji(sign));
    else nodes.push(link(decode(url), decode(url)));
    from = found.index + whole.length;
  }
  if (from < text.length) nodes.push(...drawn(decode(text.slice(from))));
  return nodes;
}

// Inside code only the links and mentions count; a link's label is what is read.
function literal(text, names) {
  return text.split(/<([^<>\n]+)>/).map((part, index) => (index % 2 ? reference(part, names) : decode(part)));
}

export function link(url, label) {
  const href = safeUrl(url);
  return href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label) : document.createTextNode(label);
}

export function reference(entity, names) {
  const [target, label] = split(entity, "|");
  if (target.startsWith("!date^")) return date(target, decode(label));
  if (target.startsWith("!subteam^")) return names.groupTag(target.slice(9), decode(label));
  if (/^@[UWB]/.test(target)) return names.memberTag(target.slice(1), decode(label));
  if (/^#[CGD]/.test(target)) return names.channelTag(target.slice(1), decode(label));
  if (/^!(here|channel|everyone)$/.test(target)) return el("span", { class: "mention me" }, `@${target.slice(1)}`);
  if (target.startsWith("!")) return el("span", { class: "mention" }, `@${decode(label || target.slice(1))}`);
  return link(decode(target), decode(label || target.replace(/^mailto:/, "")));
}

function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

// <!date^1392734382^{date_short_pretty} at {time}^link|fallback>
function date(target, fallback) {
  const [, seconds, format, ...more] = target.split("^");
  const time = formatted(seconds, decode(format ?? ""));
  if (!time) return document.createTextNode(fallback);
  const href = safeUrl(decode(more.join("^")));
  return href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, time) : time;
}
