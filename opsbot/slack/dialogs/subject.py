"""What a dialog is about and where its answer goes, as the dialog itself carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from opsbot.errors import ConfigError
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.preview import VERBS, Ask, PreviewVerb

MAX_METADATA = 3000
"""Characters that a view may carry in `private_metadata`. Page "Views"."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a dialog is about, and where its answer goes.

    Args:
        verb: a verb of a look ahead, or `pause`, `skip`, `retry`, `hold`, `silence`.
        reference: the name of the run, approval, announcement, incident or runbook; empty where it is about none.
        channel, thread_ts: no channel on the Home tab.
        digest: of the plan that the dialog shows; empty while it shows none.
        request: of the verb `start`: runbook, request_id, cluster, inputs, incident.
        reason: what was typed before the dialog was opened.
    """

    verb: str
    reference: str = ""
    channel: str | None = None
    thread_ts: str | None = None
    digest: str = ""
    request: Mapping[str, Any] | None = None
    reason: str = ""

    def dump(self) -> str:
        """As a dialog carries it.

        Raises: ConfigError if a dialog cannot carry so much.
        """
        text = json.dumps({name: one for name, one in asdict(self).items() if one not in (None, "")})
        if len(text) > MAX_METADATA:
            raise ConfigError("these inputs are too long for a dialog; `opsbot run` at a terminal takes them")
        return text

    @classmethod
    def load(cls, text: str) -> Subject:
        """What a dialog carried; raises ValueError or TypeError if that is none of ours."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError("no subject")
        subject = cls(**found)
        if not subject.is_in_form:
            raise TypeError("no subject")
        return subject

    @property
    def is_in_form(self) -> bool:
        """Whether everything has its type: what a dialog carried has been at the client."""
        needed = (self.verb, self.reference, self.digest, self.reason)
        rest = (self.channel, self.thread_ts)
        return (
            all(isinstance(one, str) for one in needed)
            and all(one is None or isinstance(one, str) for one in rest)
            and (self.request is None or isinstance(self.request, Mapping))
        )

    @property
    def is_look_ahead(self) -> bool:
        """Whether there is a plan to be shown."""
        return self.verb in VERBS

    @property
    def ask(self) -> Ask:
        """The look ahead that belongs to it; raises ConfigError if there is none."""
        if not self.is_look_ahead:
            raise ConfigError(f"this dialog is of another version of the bot ({self.verb}); open it anew")
        return Ask(cast(PreviewVerb, self.verb), self.reference, None if self.request is None else self.run_request())

    def run_request(self) -> RunRequest:
        """The run that is asked for."""
        found = self.request or {}
        return RunRequest(
            str(found.get("runbook", self.reference)),
            str(found.get("request_id", "")),
            str(found.get("cluster", "")),
            found.get("inputs", {}),
            found.get("incident"),
        )


def start_subject(request: RunRequest, channel: str | None = None, thread_ts: str | None = None) -> Subject:
    """The dialog before *request* is carried out."""
    plain = {
        "runbook": request.runbook_id,
        "request_id": request.request_id,
        "cluster": request.cluster,
        "inputs": dict(request.inputs),
        "incident": request.incident_id,
    }
    return Subject("start", request.runbook_id, channel, thread_ts, request=plain)
