// Moments as Slack writes them: the tokens of <!date^…>, the times of messages, the days between them.
import { el } from "./dom.js";

const TIME = { hour: "2-digit", minute: "2-digit" };
const LONG = { weekday: "long", year: "numeric", month: "long", day: "numeric" };
const MEDIUM = { year: "numeric", month: "long", day: "numeric" };
const SHORT = { year: "numeric", month: "short", day: "numeric" };

export const momentOf = (ts) => new Date(Number(ts) * 1000);
export const clock = (moment) => moment.toLocaleTimeString([], TIME);
export const full = (moment) => moment.toLocaleString([], { ...LONG, ...TIME, second: "2-digit" });
export const dayOf = (moment) => `${moment.getFullYear()}-${moment.getMonth()}-${moment.getDate()}`;

export function dayName(moment) {
  const near = relative(moment);
  return near ? near[0].toUpperCase() + near.slice(1) : moment.toLocaleDateString([], LONG);
}

export const timeTag = (ts) => {
  const moment = momentOf(ts);
  return el("time", { datetime: moment.toISOString(), title: full(moment) }, clock(moment));
};

// `format` holds tokens such as {date_short_pretty}; null where the moment is none.
export function formatted(seconds, format) {
  const moment = new Date(Number(seconds) * 1000);
  if (Number.isNaN(moment.getTime())) return null;
  const say = (options) => moment.toLocaleDateString([], options);
  const words = {
    date_num: () => `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`,
    date_slash: () => `${two(moment.getMonth() + 1)}/${two(moment.getDate())}/${moment.getFullYear()}`,
    date: () => say(MEDIUM),
    date_long: () => say(LONG),
    date_long_full: () => say(LONG),
    date_short: () => say(SHORT),
    date_pretty: () => relative(moment) || say(MEDIUM),
    date_long_pretty: () => relative(moment) || say(LONG),
    date_short_pretty: () => relative(moment) || say(SHORT),
    day_divider_pretty: () => relative(moment) || say(LONG),
    time: () => clock(moment),
    time_secs: () => moment.toLocaleTimeString([], { ...TIME, second: "2-digit" }),
    ago: () => ago(moment),
  };
  const text = (format || "{date}").replace(/\{(\w+)\}/g, (whole, name) => words[name]?.() ?? whole);
  return el("time", { datetime: moment.toISOString(), title: full(moment) }, text);
}

const two = (number) => String(number).padStart(2, "0");

function relative(moment) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.floor((moment - midnight) / 86400000);
  return { 0: "today", "-1": "yesterday", 1: "tomorrow" }[days] ?? "";
}

function ago(moment) {
  const seconds = Math.round((Date.now() - moment) / 1000);
  if (seconds < 0) return `in ${span(-seconds)}`;
  return seconds < 10 ? "just now" : `${span(seconds)} ago`;
}

function span(seconds) {
  if (seconds < 90) return `${seconds} seconds`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} hours`;
  return `${Math.round(seconds / 86400)} days`;
}
