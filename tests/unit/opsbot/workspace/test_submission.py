"""What an app may answer a submission with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.submission import TROUBLE, Submission, answer_to
from opsbot.workspace.trigger import Triggers
from opsbot.workspace.views import Views
from tests.support.page_user import field, modal, workspace_settings

USER = "U0ONCALL"


def opened() -> tuple[Views, Submission]:
    """A person's dialog with one input, `reason`, and a text, `said`."""
    triggers = Triggers(3.0, lambda: 0.0)
    views = Views(WorkspaceState(workspace_settings()), triggers)
    said = {"type": "section", "block_id": "said", "text": {"type": "mrkdwn", "text": "x"}}
    view = views.open(triggers.issue(USER), modal(field("reason"), said))
    return views, Submission(USER, view)


def test_errors_are_shown_at_their_inputs() -> None:
    """And the dialog stays."""
    views, submission = opened()
    answered = {"response_action": "errors", "errors": {"reason": "Say more"}}
    assert answer_to(views, submission, answered) == {"ok": False, "errors": {"reason": "Say more"}}
    assert len(views.stacks[USER]) == 1


@pytest.mark.parametrize(
    ("answered", "named"),
    [
        ({"response_action": "errors", "errors": {"said": "x"}}, "said"),
        ({"response_action": "errors", "errors": {}}, "at least one"),
        ({"response_action": "errors", "errors": ["reason"]}, "at least one"),
        ({"response_action": "errors"}, "at least one"),
        ({"response_action": "replace"}, "'replace'"),
        ({"response_action": "update"}, "view"),
        ({"response_action": "push", "view": {"type": "home", "blocks": []}}, "modal"),
    ],
)
def test_what_slack_would_refuse_is_named(answered: Mapping[str, Any], named: str) -> None:
    """And the dialog stays."""
    views, submission = opened()
    told = answer_to(views, submission, answered)
    assert told["error"].startswith(TROUBLE)
    assert named in told["error"]
    assert len(views.stacks[USER]) == 1


def test_a_third_push_is_refused() -> None:
    """As by views.push."""
    views, submission = opened()
    push = {"response_action": "push", "view": modal()}
    assert answer_to(views, submission, push) == answer_to(views, submission, push) == {"ok": True}
    assert "push_limit_reached" in answer_to(views, submission, push)["error"]


def test_an_answer_after_the_dialog_was_closed_is_told() -> None:
    """There is nothing to update any more; that it was taken needs no dialog."""
    views, submission = opened()
    views.close(USER, submission.view["id"], is_cleared=False)
    assert "not_found" in answer_to(views, submission, {"response_action": "update", "view": modal()})["error"]
    assert "not_found" in answer_to(views, submission, {"response_action": "push", "view": modal()})["error"]
    assert answer_to(views, submission, {}) == {"ok": True}
