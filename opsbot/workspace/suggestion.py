"""What an app answers to a menu that asks for its options, checked as Slack would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsbot.workspace.blocks_problems import problems
from opsbot.workspace.blocks_text import Option, OptionGroup

MAX_OPTIONS = 100
REFUSED = "Slack would show no options for the bot's answer: "
NO_OPTIONS = "The bot answered no options."


class _Suggestion(BaseModel):
    model_config = ConfigDict(extra="ignore")

    options: Annotated[list[Option], Field(max_length=MAX_OPTIONS)] | None = None
    option_groups: Annotated[list[OptionGroup], Field(max_length=MAX_OPTIONS)] | None = None


def options_for_page(answered: Mapping[str, Any]) -> dict[str, Any]:
    """What the page is told: the options, or why there are none."""
    try:
        _Suggestion.model_validate(answered)
    except ValidationError as error:
        return {"ok": False, "error": REFUSED + "; ".join(problems(error, answered, ""))}
    for name in ("options", "option_groups"):
        if answered.get(name) is not None:
            return {"ok": True, name: answered[name]}
    return {"ok": False, "error": NO_OPTIONS}
