// What stands in the fields of one surface: a message, a modal or a Home tab. It outlives every redrawing, and is sent
// in the form of Slack's state.values.

const FIELDS = {
  plain_text_input: ["value", "initial_value"],
  email_text_input: ["value", "initial_value"],
  url_text_input: ["value", "initial_value"],
  number_input: ["value", "initial_value"],
  rich_text_input: ["rich_text_value", "initial_value"],
  static_select: ["selected_option", "initial_option"],
  external_select: ["selected_option", "initial_option"],
  radio_buttons: ["selected_option", "initial_option"],
  multi_static_select: ["selected_options", "initial_options"],
  multi_external_select: ["selected_options", "initial_options"],
  checkboxes: ["selected_options", "initial_options"],
  users_select: ["selected_user", "initial_user"],
  multi_users_select: ["selected_users", "initial_users"],
  channels_select: ["selected_channel", "initial_channel"],
  multi_channels_select: ["selected_channels", "initial_channels"],
  conversations_select: ["selected_conversation", "initial_conversation"],
  multi_conversations_select: ["selected_conversations", "initial_conversations"],
  datepicker: ["selected_date", "initial_date"],
  timepicker: ["selected_time", "initial_time"],
  datetimepicker: ["selected_date_time", "initial_date_time"],
};
const MOST_SURFACES = 300;

export const isStateful = (type) => type in FIELDS;
export const isMany = (type) => Boolean(FIELDS[type]?.[0].match(/_(options|users|channels|conversations)$/));

const initial = (element) => element[FIELDS[element.type][1]] ?? (isMany(element.type) ? [] : null);

export const elementsOf = (block) =>
  block.type === "input" ? [block.element] : block.type === "section" ? [block.accessory].filter(Boolean) : block.type === "actions" ? block.elements : [];

export class Surface {
  // `place` names it to the server; `names` say who is who; `page.press` and `page.suggest` carry things out.
  constructor(place, names, page) {
    this.place = place;
    this.names = names;
    this.page = page;
    this.errors = {};
    this.blocks = [];
    this.values = new Map();
  }

  get(block, element) {
    const stored = this.values.get(key(block, element));
    return stored === undefined ? initial(element) : stored;
  }

  set(block, element, value) {
    this.values.set(key(block, element), value);
  }

  // What Slack would send for these blocks.
  state(blocks) {
    const found = {};
    for (const block of blocks ?? []) {
      for (const element of elementsOf(block)) {
        if (!isStateful(element.type)) continue;
        (found[block.block_id] ??= {})[element.action_id] = this.value(block, element);
      }
    }
    return found;
  }

  value(block, element) {
    const [field] = FIELDS[element.type];
    const value = this.get(block, element);
    return { type: element.type, [field]: value === "" ? null : value };
  }

  // Tells the bot that an element was used; `more` is what a stateless one carries.
  press(block, element, more = {}) {
    const value = isStateful(element.type) ? this.value(block, element) : {};
    const action = { type: element.type, action_id: element.action_id, ...value, ...more };
    return this.page.press(this, { block_id: block.block_id, action });
  }

  suggest(block, element, value) {
    return this.page.suggest(this, { block_id: block.block_id, action_id: element.action_id, value });
  }
}

const key = (block, element) => `${block.block_id}\n${element.action_id}`;

// Surfaces by name, the latest used last; the oldest go.
const surfaces = new Map();

export function surfaceOf(name, make) {
  const known = surfaces.get(name) ?? make();
  surfaces.delete(name);
  surfaces.set(name, known);
  if (surfaces.size > MOST_SURFACES) surfaces.delete(surfaces.keys().next().value);
  return known;
}
