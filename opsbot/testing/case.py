"""One test, ready to be performed: the file's and the test's own parts put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsbot.alert.matching import LabelMatch
from opsbot.runbook.model import Runbook
from opsbot.testing.notation import NotationError, Series, labels_of, series
from opsbot.testing.wire import AlertField, CallField, SeriesField, TestField, TestFile

DEFAULT_LABELS: Mapping[str, str] = {"alertname": "Test"}


@dataclass(frozen=True, slots=True)
class Case:
    """A test.

    Args:
        labels: of the alert.
        rules: a file of alert rules that fire it instead; None if the test gives it.
        place: `file:line` of the test.
    """

    test: TestField
    file: TestFile
    runbook: Runbook
    alert: AlertField
    labels: Mapping[str, str]
    series: tuple[Series, ...]
    mocks: Mapping[str, Sequence[CallField]]
    clusters: tuple[str, ...]
    rules: Path | None
    place: str

    @property
    def name(self) -> str:
        """What it shows."""
        return self.test.name


def case_of(file: TestFile, test: TestField, runbook: Runbook, folder: Path, place: str) -> Case:
    """The test with what its file says for every test."""
    alert = test.alert or file.alert
    labels = alert.labels if alert.labels is not None else trigger_labels(runbook)
    by_name = {one.labels: one for one in map(_series, (*file.input_series, *test.input_series))}
    mocks = {**file.mock, **test.mock}
    cluster = labels.get("cluster")
    return Case(
        test,
        file,
        runbook,
        alert,
        labels,
        tuple(by_name.values()),
        {step: one.calls for step, one in mocks.items()},
        tuple(file.clusters) or ((cluster,) if cluster else ()),
        None if test.rules is None else folder / test.rules,
        place,
    )


def trigger_labels(runbook: Runbook) -> Mapping[str, str]:
    """Labels that the runbook's first trigger for alerts matches, as far as they can be told."""
    for trigger in runbook.triggers:
        if trigger.match is not None or trigger.matchers is not None:
            return {**DEFAULT_LABELS, **_equal(trigger.matchers), **(trigger.match or {})}
    return DEFAULT_LABELS


def _equal(match: LabelMatch | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in () if match is None else match.texts:
        try:
            found |= labels_of(f"x{{{text}}}").without_name()
        except NotationError:
            # It leaves a choice, which is the test's.
            continue
    return found


def _series(field: SeriesField) -> Series:
    return series(field.series, field.values)
