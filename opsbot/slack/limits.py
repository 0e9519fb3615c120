"""Slack's limits on what we send, each with the page of docs.slack.dev that states it."""

from __future__ import annotations

MAX_BLOCKS = 50
"""Blocks in one message. Page "Blocks"."""
MAX_HEADER_TEXT = 150
"""Characters in a header. Page "Header block"."""
MAX_SECTION_TEXT = 3000
"""Characters in a section's text. Page "Section block"."""
MAX_ACTION_ELEMENTS = 25
"""Elements in one actions block. Page "Actions block"."""
MAX_BUTTON_TEXT = 75
"""Characters on a button. Page "Button element"."""
MAX_BUTTON_VALUE = 2000
"""Characters in a button's value. Page "Button element"."""
MAX_BLOCK_ID = 255
"""Characters in a block_id. Page "Blocks"."""
MAX_CONFIRM_TITLE = 100
"""Characters in a confirmation's title. Page "Confirmation dialog object"."""
MAX_CONFIRM_TEXT = 300
"""Characters in a confirmation's text. Page "Confirmation dialog object"."""
MAX_BLOCKS_TEXT = 12_000
"""Characters of all texts of a message's blocks together. Slack refuses about 13,200 with `msg_blocks_too_long`, and
states no number; what it counts beside texts has room in between."""
MAX_MESSAGE_TEXT = 4000
"""Characters in a message's `text` before Slack advises against it. Page "chat.postMessage"."""
MAX_OPTIONS = 100
"""Options of a select menu. Page "Select menu element"."""
MAX_OPTION_TEXT = 75
"""Characters of an option. Page "Option object"."""
MAX_HOME_BLOCKS = 100
"""Blocks in a Home tab. Page "Views"."""
EPHEMERAL_TEXT = 3000
"""Longest answer we give to one person; our own choice, so that a list stays readable."""
MAX_REASON = 500
"""Longest reason that a dialog takes; what the domain keeps of one."""
