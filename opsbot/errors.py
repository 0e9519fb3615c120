"""Every error that opsbot raises on purpose.

```
OpsbotError                 base; `retryable` and `retry_after_s` say whether trying again can help
├── ConfigError             a setting or a YAML file is wrong (carries `problems`)
├── SourceError             a metrics source did not answer, or not with what was asked
├── ActionError             a change to the fleet failed; `outcome_unknown` when it may have happened
├── ApprovalError           an approval or refusal cannot be accepted
│   └── MissingRole         the person has none of the roles that it takes (carries `roles`)
├── InvalidTransition       a state machine was asked for a step it does not have
├── NotFoundError           no incident, run, approval … with that id
└── NotifyError             a message could not be delivered
```
"""

from __future__ import annotations


class OpsbotError(Exception):
    """Base of every error opsbot raises on purpose.

    Args:
        message: what is wrong with which thing, and what to do next.
        retryable: whether the same call may succeed later.
        retry_after_s: seconds to wait before that, when the other side said so.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ConfigError(OpsbotError):
    """A setting or a file is wrong; `problems` are ready to print, one a line."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message if not problems else "\n".join((message, *problems)))
        self.problems = problems


class SourceError(OpsbotError):
    """A metrics source did not answer, or not with what was asked."""


class ActionError(OpsbotError):
    """A change to the fleet failed; with `outcome_unknown` it may have happened and must be probed."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)
        self.outcome_unknown = outcome_unknown


class ApprovalError(OpsbotError):
    """An approval or refusal cannot be accepted: expired, already decided, or the person lacks the right."""


class MissingRole(ApprovalError):
    """The person has none of the roles that it takes; whoever has one of *roles* may do it instead.

    Args:
        what: the sentence without where roles are given, for whoever says who may.
    """

    def __init__(self, what: str, roles: tuple[str, ...]) -> None:
        super().__init__(f"{what}. Roles are given in opsbot.yaml under `people`")
        self.what = what
        self.roles = roles


class InvalidTransition(OpsbotError):
    """A state machine was asked for a step that its TRANSITIONS table does not have."""


class NotFoundError(OpsbotError):
    """No incident, run, approval or lease has that id."""


class NotifyError(OpsbotError):
    """A message could not be delivered."""
