"""The section `utilisation` of opsbot.yaml: where, when and of which clusters is told what the fleet carries."""

from __future__ import annotations

from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from opsbot.chart.picture import Theme
from opsbot.utilisation.slots import LEAST_EVERY_S, cron_of
from opsbot.yamlfile import Duration


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _cron(text: str) -> str:
    cron_of(text, ZoneInfo("UTC"))
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin, or UTC") from None
    return name


class WhenSection(_Section):
    """When something is told: by `cron`, or `every` so often."""

    cron: Annotated[str, AfterValidator(_cron)] | None = Field(
        default=None,
        description='Minute, hour, day, month, day of the week by name: `"0 9 * * mon-fri"`, in `timezone`.',
    )
    every: Duration | None = Field(
        default=None, ge=LEAST_EVERY_S, le=7 * 86_400, description="So often, counted from midnight UTC of 1970-01-01."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("say either `cron` or `every`")
        return self


class UtilisationSection(_Section):
    """What is told of the fleet's load in a channel of its own, and of load tests."""

    channel: str = Field(
        default="ops-utilisation", min_length=1, description="Channel name or id where all of it is posted."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="In which `cron` and all times in the posts are meant."
    )
    theme: Theme = Field(default="light", description="Of the charts: `light` or `dark`.")
    clusters: tuple[str, ...] = Field(default=(), description="Of these alone; of all unless named.")
    post: WhenSection | None = Field(
        default=None, description="When tok/min, the share of capacity and the trend are posted; never unless set."
    )
    peak: WhenSection | None = Field(
        default=None, description="When the peak of the last 24 hours is posted; never unless set."
    )
    traffic: WhenSection | None = Field(
        default=None, description="When traffic by country is posted; never unless set."
    )
    load_test_grace: Duration = Field(
        default=600.0, ge=30, le=86_400, description="After its end a load test that nobody closed is closed then."
    )

    @property
    def zone(self) -> ZoneInfo:
        """`timezone`."""
        return ZoneInfo(self.timezone)
