"""The section `paging` of opsbot.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.alert.alert import Severity
from opsbot.yamlfile import Duration

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PagerDutySection(_Section):
    """One service of PagerDuty."""

    routing_key_env: EnvName = Field(description="Environment variable of the Events API v2 integration's key.")
    severities: tuple[Severity, ...] = Field(
        default=("critical", "high"), min_length=1, description="Severities that page; the others stay in Slack."
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https://",
        description="Base URL of the Events API, such as https://events.eu.pagerduty.com; PagerDuty's own without it.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificate authority of a proxy on the way, in PEM; the system's without it.",
    )
    late_after: Duration = Field(
        default=60.0, description="How long a page may not be taken before the incident's channel is told."
    )
    slack_late_after: Duration = Field(
        default=300.0,
        description="How long Slack may not take what must be heard of an incident before that is a page of its own.",
    )
    webhook_secret_env: tuple[EnvName, ...] = Field(
        default=(), max_length=8, description="Environment variables of the webhook's secrets; several to rotate."
    )


class PagingSection(_Section):
    """Who is woken, beside Slack."""

    pagerduty: PagerDutySection | None = Field(default=None, description="Page through PagerDuty.")
