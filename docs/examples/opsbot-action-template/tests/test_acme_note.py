"""acme.note appends once for each key."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_opsbot import NoteArguments, actions

from opsbot.action.plugin import ActionParts
from opsbot.clock import SystemClock
from opsbot.runbook.action import ActionContext

CONTEXT = ActionContext("run:1", "run:1:note:1", "INC-1: Note", incident_id="INC-1")


async def test_a_line_is_appended_once(tmp_path: Path) -> None:
    """The same key again changes nothing and answers the same."""
    (note,) = actions(ActionParts(SystemClock(), {"file": str(tmp_path / "notices")}))
    arguments = NoteArguments(text="east is drained")
    assert await note.find(arguments, CONTEXT.idempotency_key) is None
    first = await note.act(arguments, CONTEXT)
    assert await note.act(arguments, CONTEXT) == first
    assert first.outputs == {"lines": 1}
    assert "which has 1 now" in note.describe(arguments, await note.prior(arguments), None).will_do


def test_a_missing_setting_says_what_to_set() -> None:
    """`opsbot check` shows it."""
    with pytest.raises(ValueError, match=r"actions\.plugins\.acme\.file"):
        actions(ActionParts(SystemClock()))
