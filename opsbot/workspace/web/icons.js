// Small line drawings, drawn here so that they look alike on every machine.

const PATHS = {
  hash: "M8 3 6 17M14 3l-2 14M4 7.5h13M3 12.5h13",
  lock: "M5 9h10v8H5zM7 9V6.5a3 3 0 0 1 6 0V9",
  smile: "M10 2.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15M7 12c1.6 2 4.4 2 6 0M7.5 7.5v1M12.5 7.5v1",
  thread: "M10 3c4.4 0 7.5 2.6 7.5 6s-3 6-7.5 6c-.9 0-1.800-.1-2.600-.3L4 17l.7-3.300C3.300 12.600 2.500 11 2.500 9c0-3.400 3.100-6 7.500-6M7 9h6",
  dots: "M10 4.500v.1M10 10v.1M10 15.500v.1",
  pin: "M7 2.500h6M8 2.500v5L5.500 11v1h9v-1L12 7.500v-5M10 12v5.500",
  back: "M12.500 4 6.500 10l6 6",
  close: "M5 5l10 10M15 5 5 15",
  send: "M3 10 17 3.500 13 17l-3.500-5.500zM9.500 11.500 17 3.500",
  down: "M5 8l5 5 5-5",
  bolt: "M11 2.500 4.500 11.500H10L9 17.500l6.500-9H10z",
  theme: "M10 2.500a7.500 7.500 0 1 0 7.500 8.500A5.500 5.500 0 0 1 10 2.500",
  search: "M8.500 3a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11M12.500 12.500 17 17",
  help: "M10 2.500a7.500 7.500 0 1 1 0 15 7.500 7.500 0 0 1 0-15M7.800 7.800c.3-2.800 4.600-2.500 4.300.1-.2 1.500-2.100 1.600-2.100 3.300M10 14v.1",
  link: "M8.500 11.500a3 3 0 0 0 4.300.2l2.500-2.500a3 3 0 0 0-4.300-4.300l-1 1M11.500 8.500a3 3 0 0 0-4.300-.2l-2.500 2.500a3 3 0 0 0 4.300 4.300l1-1",
  bold: "M6 3.500h4.500a3.200 3.200 0 0 1 0 6.400H6zM6 9.900h5.200a3.300 3.300 0 0 1 0 6.600H6z",
  italic: "M8 3.500h6M6 16.500h6M11.500 3.500l-3 13",
  strike: "M3 10h14M13.500 6c-.6-3-7-3-7 .3 0 1.600 1.300 2.300 2.500 2.700M6 13.500c.5 3.800 8 3.800 8 .2 0-.9-.3-1.500-.8-2",
  code: "M7 6l-4 4 4 4M13 6l4 4-4 4",
  people: "M7.500 4a2.700 2.700 0 1 1 0 5.400 2.700 2.700 0 0 1 0-5.400M2.500 16c0-6 10-6 10 0M13 4.500a2.500 2.500 0 0 1 0 4.800M14.500 11c2 .5 3 2.300 3 5",
  pencil: "M4 16l.8-3.500L13.500 4 16 6.500 7.500 15.200z",
  file: "M5 2.500h6.500L15 6v11.500H5zM11.500 2.500V6H15",
  play: "M6.500 4v12l9.500-6z",
};

const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const shown = document.createElementNS(SVG, "svg");
  shown.setAttribute("viewBox", "0 0 20 20");
  shown.setAttribute("class", `icon icon-${name}`);
  shown.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  shown.append(path);
  return shown;
}
