// Slack's mrkdwn to DOM nodes: bold, italic, strike, code, quotes, lists, links, mentions and dates.
// Source: docs.slack.dev, page "Formatting message text".
import { el } from "./dom.js";

// Drawn by us, because not every machine has a font with these.
const LIGHTS = { "🔴": "red", "🟠": "orange", "🟡": "yellow", "🟢": "green" };

const INLINE = /`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])|(?<![\w_])_([^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])|(?<![\w~])~([^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])/g;

export const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function plain(text) {
  const parts = decode(text).split(/(🔴|🟠|🟡|🟢|✅)/u).filter(Boolean);
  return parts.map((part) => {
    if (part === "✅") return el("span", { class: "done", role: "img", "aria-label": "done" }, "✓");
    const light = LIGHTS[part];
    return light ? el("span", { class: `light ${light}`, role: "img", "aria-label": light }) : part;
  });
}

export function mrkdwn(text, names) {
  const shown = document.createDocumentFragment();
  text.split(/```\n?/).forEach((part, index) => {
    if (index % 2) shown.append(el("pre", {}, decode(part.replace(/\n$/, ""))));
    else shown.append(...lines(part, names));
  });
  return shown;
}

function lines(text, names) {
  const nodes = [];
  let quote = null;
  text.split("\n").forEach((line, index, all) => {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      if (quote) quote.append(el("br"));
      else nodes.push((quote = el("blockquote")));
      quote.append(...inline(quoted[1], names));
      return;
    }
    if (index && !quote) nodes.push(el("br"));
    quote = null;
    if (line || index < all.length - 1) nodes.push(...inline(line, names));
  });
  return nodes;
}

function inline(text, names) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(...plain(text.slice(from, found.index)));
    const [whole, code, entity, bold, italic, strike] = found;
    if (code !== undefined) nodes.push(el("code", {}, decode(code)));
    else if (entity !== undefined) nodes.push(reference(entity, names));
    else if (bold !== undefined) nodes.push(el("b", {}, ...inline(bold, names)));
    else if (italic !== undefined) nodes.push(el("i", {}, ...inline(italic, names)));
    else nodes.push(el("s", {}, ...inline(strike, names)));
    from = found.index + whole.length;
  }
  if (from < text.length) nodes.push(...plain(text.slice(from)));
  return nodes;
}

function reference(entity, names) {
  const [target, label] = split(entity, "|");
  if (target.startsWith("!date^")) return date(target, label);
  if (/^@[UW]/.test(target)) return el("span", { class: "mention" }, `@${names.member(target.slice(1))}`);
  if (/^#C/.test(target)) return el("span", { class: "mention" }, `#${label || names.channel(target.slice(1))}`);
  if (target.startsWith("!")) return el("span", { class: "mention" }, `@${label || target.slice(1)}`);
  if (/^https?:\/\//.test(target)) {
    return el("a", { href: decode(target), target: "_blank", rel: "noopener noreferrer" }, decode(label || target));
  }
  return document.createTextNode(decode(label || target));
}

function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

// <!date^1392734382^{date_short_pretty} at {time}^link|fallback>
function date(target, fallback) {
  const [, seconds, format] = target.split("^");
  const moment = new Date(Number(seconds) * 1000);
  if (Number.isNaN(moment.getTime())) return document.createTextNode(decode(fallback));
  const say = (options) => moment.toLocaleString([], options);
  const long = { weekday: "long", year: "numeric", month: "long", day: "numeric" };
  const short = { year: "numeric", month: "short", day: "numeric" };
  const words = {
    date_num: () => `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`,
    date: () => say({ year: "numeric", month: "long", day: "numeric" }),
    date_long: () => say(long),
    date_short: () => say(short),
    date_pretty: () => near(moment) || words.date(),
    date_long_pretty: () => near(moment) || words.date_long(),
    date_short_pretty: () => near(moment) || words.date_short(),
    time: () => say({ hour: "2-digit", minute: "2-digit" }),
    time_secs: () => say({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    ago: () => ago(moment),
  };
  const text = (format || "{date}").replace(/\{(\w+)\}/g, (whole, name) => words[name]?.() ?? whole);
  return el("time", { datetime: moment.toISOString(), title: moment.toLocaleString() }, text);
}

const two = (number) => String(number).padStart(2, "0");

function near(moment) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.floor((moment - midnight) / 86400000);
  return { 0: "today", "-1": "yesterday", 1: "tomorrow" }[days];
}

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - moment) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
