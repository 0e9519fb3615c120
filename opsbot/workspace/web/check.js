// What Slack's own client checks before it sends a modal: what is required, lengths, numbers, addresses.
import { isMany, isStateful } from "./surface.js";

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

// {block_id: what is wrong}
export function checked(blocks, values) {
  const errors = {};
  for (const block of blocks ?? []) {
    if (block.type !== "input" || !isStateful(block.element.type)) continue;
    const { type, ...rest } = values[block.block_id]?.[block.element.action_id] ?? {};
    const error = problem(block, block.element, Object.values(rest)[0] ?? null);
    if (error) errors[block.block_id] = error;
  }
  return errors;
}

function problem(block, element, value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) {
    return block.optional ? null : isMany(element.type) ? "Please choose at least one." : "Please complete this required field.";
  }
  if (typeof value !== "string") return null;
  switch (element.type) {
    case "plain_text_input":
      if (element.min_length && value.length < element.min_length) return `Must be at least ${element.min_length} characters.`;
      return element.max_length && value.length > element.max_length ? `Must be at most ${element.max_length} characters.` : null;
    case "email_text_input":
      return EMAIL.test(value) ? null : "Please enter a valid email address.";
    case "url_text_input":
      return URL.canParse(value) && /^https?:/i.test(value) ? null : "Please enter a valid address, such as https://example.org.";
    case "number_input":
      return number(element, value);
    default:
      return null;
  }
}

function number(element, text) {
  const value = Number(text);
  if (!text.trim() || !Number.isFinite(value)) return "Please enter a number.";
  if (!element.is_decimal_allowed && !Number.isInteger(value)) return "Please enter a whole number.";
  if (element.min_value !== undefined && value < Number(element.min_value)) return `Must be at least ${element.min_value}.`;
  if (element.max_value !== undefined && value > Number(element.max_value)) return `Must be at most ${element.max_value}.`;
  return null;
}
