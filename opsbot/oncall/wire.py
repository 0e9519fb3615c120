"""The shape of `oncall.yaml`."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from opsbot.alert.alert import Severity
from opsbot.alert_settings import LabelMatchers
from opsbot.yamlfile import Duration, suggest

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[ T]([01]\d|2[0-3]):[0-5]\d")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _day(text: str) -> str:
    if _DAY.fullmatch(text):
        try:
            date.fromisoformat(text)
            return text
        except ValueError:
            pass
    raise ValueError(f"a day such as 2026-01-05 is needed, not {text!r}")


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"a time of day such as 09:00 is needed, not {text!r}")
    return text


def _local(text: str) -> str:
    if _LOCAL.fullmatch(text):
        try:
            datetime.fromisoformat(text)
            return text
        except ValueError:
            pass
    raise ValueError(f"a local time such as 2026-01-05 18:00 is needed, not {text!r}")


def _zone(text: str) -> str:
    known = available_timezones()
    if text not in known:
        raise ValueError(
            f"there is no time zone {text!r}{suggest(text, known)}; they are called as Europe/Berlin or UTC"
        )
    ZoneInfo(text)
    return text


def _form(pattern: str, needed: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Text of a form; what is wrong with other text is said in words, and editors get the pattern."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"{needed}, not {text!r}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


_NAME = r"[a-z][a-z0-9._-]{0,62}"

Name = Annotated[str, *_form(_NAME, "a name in small letters such as anna is needed (`people` gives each a user id)")]
UserId = Annotated[str, *_form(r"[UW][A-Z0-9]{2,31}", "a Slack user id such as U0ANNA is needed")]
Day = Annotated[str, AfterValidator(_day)]
Clock = Annotated[str, AfterValidator(_clock)]
LocalTime = Annotated[str, AfterValidator(_local)]
Zone = Annotated[str, AfterValidator(_zone)]
Shift = Annotated[str, *_form(r"[1-9][0-9]?[dw]", "a number of days or weeks such as 1d or 2w is needed")]
TargetText = Annotated[
    str, *_form(rf"(schedule|person):{_NAME}", "`schedule:` or `person:` with a name, such as person:anna, is needed")
]


class HoursWire(_Part):
    """When a rotation counts, in the schedule's local time."""

    weekdays: tuple[Weekday, ...] = Field(default=WEEKDAYS, min_length=1, description="Days on which its hours begin.")
    begin: Clock = Field(default="00:00", alias="from", description="Time of day at which it begins to count.")
    end: Clock = Field(
        default="00:00", alias="to", description="Time of day at which it ends; not after `from`: on the next day."
    )


class RotationWire(_Part):
    """People who take turns."""

    people: tuple[Name, ...] = Field(min_length=1, max_length=100, description="Who takes turns, in this order.")
    start: Day = Field(description="Local day of the first handoff; the first of `people` begins then.")
    shift: Shift = Field(default="1w", description="Length of a turn in days or weeks: 1d, 1w, 2w.")
    handoff: Clock = Field(default="09:00", description="Local time of each handoff.")
    restrict: HoursWire | None = Field(default=None, description="Count on these days and at these hours only.")


class OverrideWire(_Part):
    """One person instead of whoever would be on call."""

    person: Name = Field(description="Who is on call instead.")
    begin: LocalTime = Field(alias="from", description="Local time at which it begins.")
    end: LocalTime = Field(alias="to", description="Local time at which it ends.")


class ScheduleWire(_Part):
    """Who is on call when: overrides first, then the first rotation that counts."""

    id: Name = Field(description="Its name in `schedule:…`.")
    time_zone: Zone = Field(description="Time zone of all its times, as Europe/Berlin or UTC.")
    rotations: tuple[RotationWire, ...] = Field(
        min_length=1, max_length=20, description="The first that counts at a moment says who is on call."
    )
    overrides: tuple[OverrideWire, ...] = Field(default=(), max_length=500, description="Exceptions, such as holidays.")


class LevelWire(_Part):
    """Who is asked together."""

    notify: tuple[TargetText, ...] = Field(
        min_length=1, max_length=10, description="`schedule:ID` for whoever is on call then, or `person:NAME`."
    )
    after: Duration = Field(
        default=300.0, ge=1, le=86_400, description="How long they have before the next level is woken."
    )


class PolicyWire(_Part):
    """Whom an incident wakes, and in which order."""

    id: Name = Field(description="Its name on the timeline.")
    match: LabelMatchers | None = Field(
        default=None, description="Matchers of the labels that the incident's alerts share; all must hold."
    )
    severities: tuple[Severity, ...] = Field(default=(), description="Severities that it is about; none named is all.")
    levels: tuple[LevelWire, ...] = Field(min_length=1, max_length=10, description="Asked one after another.")
    repeat: int = Field(default=0, ge=0, le=9, description="How often it begins again after its last level.")


class RotaWire(_Part):
    """The whole of `oncall.yaml`."""

    version: Literal[1] = Field(description="Version of this file's format.")
    people: dict[Name, UserId] = Field(
        min_length=1, max_length=500, description="Everybody's name in this file, and their Slack user id."
    )
    schedules: tuple[ScheduleWire, ...] = Field(default=(), max_length=100, description="Who is on call when.")
    policies: tuple[PolicyWire, ...] = Field(
        default=(), max_length=100, description="Whom an incident wakes; the first that matches counts."
    )


def to_clock(text: str) -> time:
    """`09:00` as a time of day."""
    return time.fromisoformat(text)
