"""Names for templates: what a label calls the requests that fill in the same text."""

from __future__ import annotations

import hashlib


def template_id(text: str) -> str:
    """The same for the same template."""
    return "template-" + hashlib.blake2b(" ".join(text.split()).encode(), digest_size=6).hexdigest()
