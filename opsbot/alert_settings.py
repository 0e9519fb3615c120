"""The section `alerting` of opsbot.yaml: which alerts share an incident, which hide others, how silences end."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsbot.alert.matching import label_match
from opsbot.alert.policy import GROUP_BY, AlertPolicy, FlapDamping, Grouping, Inhibition, Storm
from opsbot.errors import ConfigError
from opsbot.yamlfile import Duration

_DAMPING = FlapDamping()
_POLICY = AlertPolicy()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _readable(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        label_match(texts)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return texts


LabelMatchers = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_readable)]
"""Label matchers as in Prometheus, such as `alertname="TargetDown"`; all must hold."""


class GroupingSection(_Section):
    """Alerts that share an incident in a way of their own."""

    matchers: LabelMatchers = Field(description="Which alerts; the first grouping that matches counts.")
    group_by: tuple[str, ...] = Field(
        default=GROUP_BY, min_length=1, description="Labels whose values an incident's alerts share; `...` is all."
    )
    group_wait: Duration = Field(
        default=0.0, description="How long a new group collects alerts before its incident opens and pages."
    )


class InhibitSection(_Section):
    """While a source alert fires, matching target alerts open nothing."""

    source_matchers: LabelMatchers = Field(description="Alerts that hide others while they fire.")
    target_matchers: LabelMatchers = Field(description="Alerts that are hidden.")
    equal: tuple[str, ...] = Field(default=(), description="Labels that must have the same value in both.")


class FlappingSection(_Section):
    """An alert that comes and goes keeps its incident open."""

    count: int = Field(default=_DAMPING.count, ge=2, description="Firings within `window` from which it flaps.")
    window: Duration = Field(default=_DAMPING.window_s, description="The time in which firings are counted.")
    quiet: Duration = Field(default=_DAMPING.quiet_s, description="How long it must be quiet before it is over.")


class StormSection(_Section):
    """Many incidents of one alert name at once become one."""

    count: int = Field(
        default=_POLICY.storm.count, ge=1, description="Incidents of one alert name within `window` that stand alone."
    )
    window: Duration = Field(default=_POLICY.storm.window_s, description="The time in which they are counted.")


DOWN_GROUPING = GroupingSection(matchers=('alertname="MetricsSourceDown"',), group_by=("alertname",), group_wait=5.0)
"""A region that goes dark is one incident, not one for each cluster."""


SLO_GROUPING = GroupingSection(matchers=('slo!=""',), group_by=("slo", "cluster"))
"""An objective that is missed quickly is missed slowly too: all burn rates of one are one incident."""


class AlertingSection(_Section):
    """From alerts to incidents."""

    group_by: tuple[str, ...] = Field(
        default=GROUP_BY, min_length=1, description="Labels whose values an incident's alerts share; `...` is all."
    )
    group_wait: Duration = Field(
        default=0.0, description="How long a new group collects alerts before its incident opens and pages."
    )
    groupings: tuple[GroupingSection, ...] = Field(
        default=(DOWN_GROUPING, SLO_GROUPING),
        description="Groupings of some alerts; the first that matches counts.",
    )
    inhibit_rules: tuple[InhibitSection, ...] = Field(
        default=(), description="Which alerts hide others while they fire, as in Alertmanager."
    )
    flapping: FlappingSection = FlappingSection()
    storm: StormSection = StormSection()
    max_silence: Duration = Field(default=_POLICY.max_silence_s, description="The longest that a silence may last.")
    silence_warning: Duration = Field(
        default=_POLICY.silence_warning_s,
        description="How long before its end a silence that hides something is called out.",
    )

    def policy(self) -> AlertPolicy:
        """The section as the domain's value."""
        return AlertPolicy(
            default=Grouping(None, self.group_by, self.group_wait),
            groupings=tuple(
                Grouping(label_match(one.matchers), one.group_by, one.group_wait) for one in self.groupings
            ),
            inhibitions=tuple(
                Inhibition(label_match(one.source_matchers), label_match(one.target_matchers), one.equal)
                for one in self.inhibit_rules
            ),
            flapping=FlapDamping(self.flapping.count, self.flapping.window, self.flapping.quiet),
            storm=Storm(self.storm.count, self.storm.window),
            max_silence_s=self.max_silence,
            silence_warning_s=self.silence_warning,
        )
