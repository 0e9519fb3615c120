// The markdown block: common Markdown, as language models write it. No HTML is read.
import { el } from "./dom.js";
import { drawn, emoji } from "./emoji.js";
import { link } from "./mrkdwn.js";
import { drawTable } from "./table.js";

const INLINE = /`([^`]+)`|!?\[([^\]]*)\]\(([^()\s]+)(?:\s+"[^"]*")?\)|<(https?:\/\/[^<>\s]+)>|\*\*(.+?)\*\*|__(.+?)__|~~(.+?)~~|(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?!\w)|(?<!\w)_([^_\s](?:[^_]*[^_\s])?)_(?!\w)|:([a-z0-9_+'-]+):|(https?:\/\/[^\s<>`]*[^\s<>`.,:;!?)'"])|\\([\\`*_{}[\]()#+.!~|>-])/g;
const BULLET = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(?:\[([ xX])\]\s+)?(.*)$/;
const MOST_LINES = 2000;

export function markdown(text) {
  const shown = el("div", { class: "block markdown" });
  const lines = String(text).split("\n").slice(0, MOST_LINES);
  while (lines.length) {
    const line = lines[0];
    if (!line.trim()) lines.shift();
    else if (/^\s*(```|~~~)/.test(line)) shown.append(fence(lines));
    else if (/^#{1,6}\s/.test(line)) shown.append(heading(lines.shift()));
    else if (/^\s*([-*_])(?:\s*\1){2,}\s*$/.test(line)) { lines.shift(); shown.append(el("hr")); }
    else if (/^\s*>/.test(line)) shown.append(el("blockquote", {}, ...markdown(take(lines, /^\s*>/).map((one) => one.replace(/^\s*> ?/, "")).join("\n")).childNodes));
    else if (BULLET.test(line)) shown.append(list(lines, depthOf(line)));
    else if (line.includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[1] ?? "")) shown.append(table(lines));
    else shown.append(paragraph(lines));
  }
  return shown;
}

const depthOf = (line) => /^\s*/.exec(line)[0].length;

function take(lines, pattern) {
  const taken = [];
  while (lines.length && pattern.test(lines[0])) taken.push(lines.shift());
  return taken;
}

function fence(lines) {
  const mark = /^\s*(```|~~~)/.exec(lines.shift())[1];
  const inside = [];
  while (lines.length && !lines[0].trimStart().startsWith(mark)) inside.push(lines.shift());
  lines.shift();
  return el("pre", {}, inside.join("\n"));
}

function heading(line) {
  const [, marks, text] = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
  return el(`h${Math.min(6, marks.length + 1)}`, { class: `level${marks.length}` }, ...inline(text));
}

function list(lines, depth) {
  const [, , number] = BULLET.exec(lines[0]);
  const shown = number ? el("ol", { class: "list", start: number }) : el("ul", { class: "list" });
  while (lines.length) {
    const found = BULLET.exec(lines[0]);
    if (found && depthOf(lines[0]) > depth + 1) {
      (shown.lastElementChild ?? shown).append(list(lines, depthOf(lines[0])));
    } else if (found && depthOf(lines[0]) >= depth - 1 && Boolean(found[2]) === Boolean(number)) {
      lines.shift();
      const box = found[3] === undefined ? "" : found[3] === " " ? "☐ " : "☑ ";
      shown.append(el("li", {}, box, ...inline(found[4])));
    } else if (!found && lines[0].trim() && depthOf(lines[0]) > depth) {
      shown.lastElementChild.append(" ", ...inline(lines.shift().trim()));
    } else break;
  }
  return shown;
}

const cellsOf = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((one) => one.trim());

function table(lines) {
  const head = cellsOf(lines.shift());
  const settings = cellsOf(lines.shift()).map((one) => ({ align: one.endsWith(":") ? (one.startsWith(":") ? "center" : "right") : "left" }));
  const rows = take(lines, /\|/).map(cellsOf);
  return drawTable([head, ...rows], settings, (text) => inline(text));
}

function paragraph(lines) {
  const taken = [lines.shift()];
  while (lines.length && lines[0].trim() && !/^(\s*(```|~~~|>)|#{1,6}\s)/.test(lines[0]) && !BULLET.test(lines[0])) taken.push(lines.shift());
  return el("p", {}, ...taken.flatMap((line, index) => [index ? el("br") : "", ...inline(line.trimEnd())]));
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(...drawn(text.slice(from, found.index)));
    const [whole, code, label, target, bare, bold, strong, strike, italic, slanted, sign, url, escaped] = found;
    if (code !== undefined) nodes.push(el("code", {}, code));
    else if (target !== undefined) nodes.push(link(target, label || target));
    else if (bare ?? url) nodes.push(link(bare ?? url, bare ?? url));
    else if (bold ?? strong) nodes.push(el("b", {}, ...inline(bold ?? strong)));
    else if (strike !== undefined) nodes.push(el("s", {}, ...inline(strike)));
    else if (italic ?? slanted) nodes.push(el("i", {}, ...inline(italic ?? slanted)));
    else if (sign !== undefined) nodes.push(emoji(sign));
    else nodes.push(escaped);
    from = found.index + whole.length;
  }
  if (from < text.length) nodes.push(...drawn(text.slice(from)));
  return nodes;
}
