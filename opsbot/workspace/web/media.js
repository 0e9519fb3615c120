// Pictures, files and videos. A picture opens large when it is pressed.
import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { plain, safeUrl, textOf } from "./mrkdwn.js";

const UNITS = ["bytes", "KB", "MB", "GB"];

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

// A picture's address if it is this workspace's own, by whatever name of this machine: the page loads no others.
function ownUrl(url) {
  if (typeof url !== "string" || !URL.canParse(url, location.href)) return null;
  const { origin, hostname, pathname, search } = new URL(url, location.href);
  const isOwn = origin === location.origin || (LOOPBACK.test(hostname) && LOOPBACK.test(location.hostname) && pathname.startsWith("/files/"));
  return isOwn ? `${pathname}${search}` : null;
}

function sourceOf(given, names) {
  if (given.image_url) return ownUrl(given.image_url);
  const file = given.slack_file ?? {};
  const known = file.id ? names.file(file.id) : null;
  if (known) return local(known);
  return file.id ? `/files/${encodeURIComponent(file.id)}/image` : ownUrl(file.url);
}

// The page reads files of this workspace at its own address, where its cookie counts.
function local(file) {
  return `/files/${encodeURIComponent(file.id)}/${encodeURIComponent(file.name || "file")}`;
}

// `size` is small (in context), thumb (beside a section) or large (a block, a file).
export function picture(given, names, size) {
  const alt = given.alt_text ?? "";
  const source = sourceOf(given, names);
  if (!source) return elsewhere(given, alt, size, names);
  const image = el("img", { src: source, alt, loading: "lazy", decoding: "async", title: size === "large" ? null : alt });
  image.addEventListener("error", () => image.replaceWith(missing(alt)), { once: true });
  if (size === "small") return el("span", { class: "picture small" }, image);
  const opener = el("button", { type: "button", class: "enlarge", "aria-label": `Enlarge: ${alt || "picture"}`, onclick: () => enlarge(source, alt, given.title) }, image);
  if (size === "thumb") return el("div", { class: "picture thumb" }, opener);
  return el("figure", { class: "block picture large" }, given.title ? el("figcaption", {}, textOf(given.title, names)) : null, opener);
}

const missing = (alt) => el("span", { class: "no-picture", role: "img", "aria-label": alt }, `🖼 ${alt || "picture"}`);

// A picture that stands on another server: its words, and a link to it.
function elsewhere(given, alt, size, names) {
  const href = safeUrl(given.image_url);
  const shown = href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, missing(alt)) : missing(alt);
  if (size !== "large") return el("span", { class: `picture ${size}` }, shown);
  return el("figure", { class: "block picture large" }, given.title ? el("figcaption", {}, textOf(given.title, names)) : null, shown);
}

function enlarge(source, alt, title) {
  const box = byId("lightbox");
  box.replaceChildren(
    el("header", {}, el("h2", {}, title?.text ?? alt), el("a", { href: source, target: "_blank", rel: "noopener noreferrer" }, "Open"), el("button", { type: "button", "aria-label": "Close", onclick: () => box.close() }, icon("close"))),
    el("img", { src: source, alt }),
  );
  box.showModal();
}

export function fileOf(file, names) {
  if (String(file.mimetype ?? "").startsWith("image/")) {
    return picture({ slack_file: { id: file.id }, alt_text: file.alt_txt || file.title || file.name, title: { type: "plain_text", text: file.title || file.name } }, { ...names, file: () => file }, "large");
  }
  return el(
    "a",
    { class: "file", href: local(file), target: "_blank", rel: "noopener noreferrer" },
    icon("file"),
    el("span", {}, el("b", {}, file.title || file.name), el("small", {}, `${String(file.filetype ?? "file").toUpperCase()} · ${sizeOf(file.size)}`)),
  );
}

export function fileBlock(block, names) {
  const known = block.file_id ? names.file(block.file_id) : null;
  return el("div", { class: "block" }, known ? fileOf(known, names) : el("span", { class: "file" }, icon("file"), el("span", {}, el("b", {}, "A file kept elsewhere"), el("small", {}, block.external_id ?? ""))));
}

export function video(block, names) {
  const href = safeUrl(block.title_url) ?? safeUrl(block.video_url);
  const title = el("b", {}, textOf(block.title, names));
  return el(
    "div",
    { class: "block video" },
    el("small", {}, [block.provider_name, block.author_name].filter(Boolean).join(" · ")),
    href ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, title) : title,
    block.description ? el("p", {}, textOf(block.description, names)) : null,
    el("a", { class: "cover", href: safeUrl(block.video_url) ?? href, target: "_blank", rel: "noopener noreferrer", "aria-label": `Play: ${block.alt_text ?? ""}` },
      ownUrl(block.thumbnail_url) ? el("img", { src: ownUrl(block.thumbnail_url), alt: block.alt_text ?? "", loading: "lazy" }) : null, icon("play")),
  );
}

function sizeOf(bytes) {
  let size = Number(bytes) || 0;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${unit ? size.toFixed(1) : size} ${UNITS[unit]}`;
}

// Old-style attachments: a coloured bar, a title, text, fields, or blocks.
export function attachmentOf(given, surface, drawBlocks) {
  const { names } = surface;
  const named = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };
  const colour = named[given.color] ?? (/^#?[0-9a-f]{6}$/i.test(given.color ?? "") ? `#${given.color.replace("#", "")}` : "");
  const text = (one) => el("p", { class: "prose" }, textOf({ type: "mrkdwn", text: one }, names));
  const url = safeUrl(given.title_link);
  const parts = given.blocks?.length ? drawBlocks(given.blocks, surface) : [
    given.pretext ? text(given.pretext) : null,
    given.author_name ? el("small", {}, ...plain(given.author_name)) : null,
    given.title ? el("p", {}, el("b", {}, url ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, given.title) : given.title)) : null,
    given.text ? text(given.text) : given.title || given.fields ? null : text(given.fallback ?? ""),
    given.fields ? el("div", { class: "fields" }, ...given.fields.map((one) => el("div", {}, el("b", {}, one.title ?? ""), text(one.value ?? "")))) : null,
    given.image_url ? picture({ image_url: given.image_url, alt_text: given.fallback ?? "" }, names, "large") : null,
    given.footer ? el("small", {}, ...plain(given.footer)) : null,
  ];
  const shown = el("div", { class: "attachment" }, ...parts);
  if (colour) shown.style.borderLeftColor = colour;
  return shown;
}
