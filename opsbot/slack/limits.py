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
MAX_MESSAGE_TEXT = 4000
"""Characters in a message's `text` before Slack advises against it. Page "chat.postMessage"."""
MAX_HOME_BLOCKS = 100
"""Blocks in a Home tab. Page "Views"."""
EPHEMERAL_TEXT = 3000
"""Longest answer we give to one person; our own choice, so that a list stays readable."""
