// Where the page stands, in its address: #/CHANNEL or #/CHANNEL/MESSAGE, so that links and the way back work.

const ARCHIVE = /^\/archives\/([A-Z0-9]+)(?:\/p(\d{10})(\d{6}))?$/;

export const addressOf = (channel, ts) => `#/${channel}${ts ? `/${ts}` : ""}`;

export function placeOf(hash) {
  const [, channel, ts] = /^#\/?([A-Za-z0-9]+)(?:\/([\d.]+))?$/.exec(hash) ?? [];
  return { channel: channel ?? "", ts: ts ?? "" };
}

// The place that a link of this workspace names, also one such as chat.getPermalink answers; null for all others.
export function placeOfLink(href) {
  const url = new URL(href, location.href);
  if (url.origin !== location.origin) return null;
  const [, channel, seconds, rest] = ARCHIVE.exec(url.pathname) ?? [];
  if (channel) return { channel, ts: seconds ? `${seconds}.${rest}` : "" };
  return url.pathname === "/" && /^#\/?\w/.test(url.hash) ? placeOf(url.hash) : null;
}

export function goTo(address) {
  if (location.hash !== address) history.pushState(null, "", address);
}
