"""How the front door is to behave: one YAML file, checked as a whole; what it leaves out is as without any file.

Paths in it are relative to the file's own folder. It holds no secret: those come from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.api.upstream_settings import UpstreamLimits
from serving_stub.frontdoor import pattern, prompt_library, signature
from serving_stub.frontdoor.enrich import EnrichSettings
from serving_stub.frontdoor.ramp import RampPlan
from serving_stub.frontdoor.request_log import LogSettings
from serving_stub.yamlfile import Duration, load

REQUEST_LOG_TOKEN_ENV = "SERVING_REQUEST_LOG_TOKEN"  # noqa: S105  (the name of the variable, not its value)
MODERATION_KEY_ENV = "SERVING_MODERATION_KEY"

_Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=500)]
_USUAL = RampPlan()
_Positive = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RampPart(_Part):
    """How leases that ramp come to their end."""

    steps: Annotated[int, Field(ge=1, le=100)] = _USUAL.num_steps
    step: Annotated[Duration, Field(ge=0.1, le=3600)] = _USUAL.step_s

    def plan(self) -> RampPlan:
        """As the desk takes it."""
        return RampPlan(self.steps, self.step)


class RequestLogPart(_Part):
    """Where request events go.

    Args:
        to: the URL of a door for events, or a file of JSON lines.
        counts_only: for a sink whose table has the twelve fields of counts and no others.
        text: whether prompts and answers are written too.
    """

    to: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    counts_only: bool = False
    text: bool = False
    buffer: LogSettings = LogSettings()

    @property
    def is_url(self) -> bool:
        return self.to.startswith(("http://", "https://"))


class ModerationPart(_Part):
    """An endpoint in the shape of OpenAI's; it gets the text of prompts."""

    url: _Url
    path: Annotated[str, StringConstraints(pattern=r"^/\S*$")] = "/v1/moderations"
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    timeout: Annotated[Duration, Field(gt=0, le=60)] = 2.0
    most_in_flight: _Positive = 8


class DoorSettings(_Part):
    """The whole file.

    Args:
        cluster: which server this is, in request events.
        appeal_url: where whoever is throttled or blocked can object.
        max_in_flight: most requests served at a time, streams included; None leaves it to the server.
        prompts, patterns, signatures: folders of YAML files in place of those shipped.
        hash_secret: file of the secret behind the request log's hashes.
        classifier: whether prompts get hazard scores from the local model.
        accounts: file in which sign-ups are kept.
    """

    cluster: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    appeal_url: _Url | None = None
    max_in_flight: _Positive | None = None
    ramp: RampPart = RampPart()
    prompts: Path = prompt_library.SHIPPED
    patterns: Path = pattern.SHIPPED
    signatures: Path = signature.SHIPPED
    enrich: EnrichSettings = EnrichSettings()
    hash_secret: Path | None = None
    classifier: bool = True
    moderation: ModerationPart | None = None
    accounts: Path | None = None
    request_log: RequestLogPart | None = None
    upstream: UpstreamLimits = UpstreamLimits()


def load_door(path: Path | None) -> DoorSettings:
    """The settings in the file at *path*, its paths made whole; the usual ones without a file.

    Raises: FileError.
    """
    if path is None:
        return DoorSettings()
    read = load(path, DoorSettings)
    root = path.parent
    enrich = read.enrich.model_copy(
        update={
            "databases": tuple(root / one for one in read.enrich.databases),
            "networks": root / read.enrich.networks,
        }
    )
    changes: dict[str, object] = {"enrich": enrich}
    for name in ("prompts", "patterns", "signatures", "hash_secret", "accounts"):
        one = getattr(read, name)
        if one is not None:
            changes[name] = root / one  # an absolute path stays as it is
    log = read.request_log
    if log is not None and not log.is_url:
        changes["request_log"] = log.model_copy(update={"to": str(root / log.to)})
    return read.model_copy(update=changes)
