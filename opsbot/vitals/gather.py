"""Puts the answers to `QUESTIONS` together by cluster: a pure function from elements to `Vitals`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opsbot.capacity.gather import clusters_at, hardware_of
from opsbot.capacity.grid import Element
from opsbot.capacity.hardware import Figures
from opsbot.capacity.usage import Cluster
from opsbot.vitals.figure import FIGURES
from opsbot.vitals.question import LABEL, WORK
from opsbot.vitals.vitals import Sight, Vitals

UNNAMED = "no cluster label"
"""What samples without the label `cluster` are shown as."""
_OF_HARDWARE = ("devices", "peak_flops", "peak_bytes", "caches")

Answers = Mapping[str, Sequence[Element]]
"""Elements by the question's name (`figure`)."""


def sorted_out(elements: Iterable[Element]) -> dict[str, list[Element]]:
    """The elements of joined questions, each with its own; what is not a number is left out."""
    found: dict[str, list[Element]] = {}
    for one in elements:
        if math.isfinite(one.value):
            found.setdefault(one.labels.get(LABEL, ""), []).append(one)
    return found


def vitals_of(answers: Answers, at_s: float, figures: Figures, configured: Iterable[str]) -> dict[str, Vitals]:
    """The vitals of every cluster that is *configured* or answered for, by name."""
    read = _Read(answers)
    names = sorted({*configured, *read.names})
    work = _work(answers, at_s, figures)
    return {name: _vitals(name, read, work.get(name, ()), figures) for name in names}


class _Read:
    """The single value of each question and cluster."""

    def __init__(self, answers: Answers) -> None:
        grouped = {key: own for key, own in answers.items() if key in FIGURES or key in _BY_CLUSTER}
        self._values = {
            (key, one.labels.get("cluster", UNNAMED)): one.value for key, own in grouped.items() for one in own
        }
        self.models: dict[str, set[str]] = {}
        for one in answers.get("models", ()):
            own = self.models.setdefault(one.labels.get("cluster", UNNAMED), set())
            own |= {one.labels["model_name"]} if "model_name" in one.labels else set()
        self.names = {name for _, name in self._values} | self.models.keys()

    def __call__(self, key: str, cluster: str) -> float | None:
        return self._values.get((key, cluster))


_BY_CLUSTER = frozenset({"limit", "engines", "open_leases", "compute", "ttft_mean", "targets", "up", "frozen"})


def _vitals(name: str, read: _Read, work: Sequence[Cluster], figures: Figures) -> Vitals:
    running, targets, up = read("running", name), read("targets", name), read("up", name)
    ttft, compute, engines = read("ttft", name), read("compute", name), read("engines", name)
    limit = read("limit", name)
    if limit is None and figures.max_num_seqs is not None and engines is not None:
        limit = figures.max_num_seqs * engines
    fullest = max((one for one in work if one.used_now is not None), key=lambda one: one.used_now or 0.0, default=None)
    found = Vitals(
        name,
        models=tuple(sorted(read.models.get(name, ()))),
        sight=_sight(running is not None, targets, up, read("frozen", name)),
        batch_limit=limit,
        used_ratio=fullest.used_now if fullest else None,
        bound=fullest.bound if fullest else None,
        is_compute_bound=None if compute is None else compute > 0,
        num_targets=None if targets is None else round(targets),
        num_up=None if up is None else round(up),
        # That there is none is certain; which there are is asked of the cluster itself.
        leases=() if read("open_leases", name) == 0 else None,
    )
    numbers: dict[str, Any] = {one.attribute: read(one.key, name) for one in FIGURES.values()}
    found = replace(found, **numbers)
    if ttft is None:
        mean = read("ttft_mean", name)
        found = replace(found, ttft_s=mean, ttft_is_mean=mean is not None)
    return found


def _sight(has_engine: bool, targets: float | None, up: float | None, frozen: float | None) -> Sight:
    if not has_engine or (targets and not up):
        return "blind"
    # One of several that stands still makes the sums wrong already.
    return "frozen" if frozen else "up"


def _work(answers: Answers, at_s: float, figures: Figures) -> dict[str, list[Cluster]]:
    """What `opsbot capacity` would say of each cluster's models now."""
    found: dict[str, list[Cluster]] = {}
    own = {key.removeprefix(WORK): elements for key, elements in answers.items() if key.startswith(WORK)}
    hardware = hardware_of(figures, *(own.get(key, ()) for key in _OF_HARDWARE))
    # Capacity calls them by their address instead.
    unnamed = {one.labels.get("instance", "") for each in own.values() for one in each if not one.labels.get("cluster")}
    for one in clusters_at(own, at_s, hardware):
        found.setdefault(UNNAMED if one.name in unnamed else one.name, []).append(one)
    return found
