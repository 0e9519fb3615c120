// The Home tab of the app: its view, full width.
import { drawBlock } from "./blocks.js";
import { byId, sync } from "./dom.js";
import { emptyNote } from "./list.js";
import { Surface, surfaceOf } from "./surface.js";

export function drawHome(page) {
  const view = page.store.home(page.me);
  const section = byId("home");
  if (!view) {
    section.replaceChildren(emptyNote(page.store.isBotConnected ? "One moment …" : "The bot is not connected."));
    return;
  }
  section.querySelector(":scope > .empty")?.remove();
  const surface = surfaceOf(`home ${page.me}`, () => new Surface({}, page.names, page.surfaces));
  surface.place = { view_id: view.id };
  surface.blocks = view.blocks;
  const items = view.blocks.map((block, index) => ({ key: block.block_id ?? `at ${index}`, block, version: JSON.stringify(block) }));
  sync(section, items, ({ block }) => drawBlock(block, surface));
}
