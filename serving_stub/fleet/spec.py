"""A fleet as its file states it: clusters with all their sizes, the router's settings, limits, timed events.

A fleet that cannot be is refused whole, with every problem at its place; what `load_fleet` returns can run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving_stub.fleet.cluster_spec import ClusterSpec, size_cluster
from serving_stub.fleet.fleet_file import MOST_CLUSTERS, EventRow, FleetFile, Sizes
from serving_stub.fleet.outage_limits import OutageLimits
from serving_stub.fleet.router_settings import RouterSettings
from serving_stub.frontdoor.faults import fault_knobs
from serving_stub.roofline.catalogue import Catalogue, load_catalogue
from serving_stub.yamlfile import Location, load, suggest

LAUNCH_DAY = Path(__file__).with_name("launch_day.yaml")
"""The shipped fleet: 24 clusters in six regions."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The clusters are gone at once: nothing of them answers, and what ran on them is lost.

    Args:
        at_s: seconds after the fleet's start.
    """

    at_s: float
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """Clusters that were lost are back, empty."""

    at_s: float
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Faulted:
    """The clusters have a fault, as a lease of *knob* over *for_s* seconds would make it."""

    at_s: float
    clusters: tuple[str, ...]
    knob: str
    value: int
    for_s: float


FleetEvent = Lost | Restored | Faulted


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet that can run.

    Args:
        clusters: in the file's order, counts written out; names differ.
        events: by time; of one time, in the file's order.
    """

    name: str
    clusters: tuple[ClusterSpec, ...]
    router: RouterSettings
    limits: OutageLimits
    events: tuple[FleetEvent, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """In order of first mention."""
        return tuple(dict.fromkeys(cluster.region for cluster in self.clusters))

    @property
    def models(self) -> tuple[str, ...]:
        """In order of first mention."""
        return tuple(dict.fromkeys(cluster.model.name for cluster in self.clusters))

    def requests_per_s(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Of all clusters together; see `ClusterSpec.requests_per_s`."""
        return sum(cluster.requests_per_s(prompt_tokens, answer_tokens) for cluster in self.clusters)

    def cluster(self, name: str) -> ClusterSpec:
        """Raises: KeyError."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        raise KeyError(name)

    def named(self, name: str) -> tuple[str, ...]:
        """The clusters that *name* means: one, or all of a region; empty if it means none."""
        return tuple(cluster.name for cluster in self.clusters if name in (cluster.name, cluster.region))


def load_fleet(path: Path, catalogue: Catalogue | None = None) -> FleetSpec:
    """Read the fleet in the file at *path*.

    Args:
        catalogue: of devices and models; the shipped one unless given.
    Raises: FileError listing every problem as `file:line:column: message`.
    """
    known = catalogue or load_catalogue()
    file = load(path, FleetFile, lambda whole: _problems(whole, known, path))
    clusters = tuple(
        ClusterSpec(
            name=name,
            region=row.region,
            countries=row.countries,
            sizes=sized.sizes,
            door=_beside(path, row.door or file.defaults.door),
            tenants=_beside(path, row.tenants or file.defaults.tenants),
        )
        for row in file.clusters
        for sized in [size_cluster(row, file.defaults, known)]
        if sized.sizes is not None
        for name in row.names
    )
    events = tuple(sorted((_event(row, clusters) for row in file.events), key=lambda event: event.at_s))
    return FleetSpec(file.name, clusters, file.router, file.limits, events)


def _beside(path: Path, named: Path | None) -> Path | None:
    """What the file at *path* names: relative to its folder, unless it is absolute."""
    return None if named is None else path.parent / named


def _event(row: EventRow, clusters: tuple[ClusterSpec, ...]) -> FleetEvent:
    target = row.lose or row.restore or (row.fault.where if row.fault else "")
    meant = tuple(one.name for one in clusters if target in (one.name, one.region))
    if row.fault is not None:
        return Faulted(row.at, meant, row.fault.knob, row.fault.value, row.fault.for_s)
    return Lost(row.at, meant) if row.lose is not None else Restored(row.at, meant)


def _problems(file: FleetFile, catalogue: Catalogue, path: Path) -> Iterator[tuple[Location, str]]:
    yield from _name_problems(file)
    yield from _path_problems(file, path)
    sized = [size_cluster(row, file.defaults, catalogue) for row in file.clusters]
    for number, one in enumerate(sized):
        row = file.clusters[number]
        for field, message in one.problems:
            is_own = field in row.model_fields_set or field not in file.defaults.model_fields_set
            place: Location = ("clusters", number, field) if is_own else ("defaults", field)
            yield place, message
    weights: dict[str, float] = {}
    for one in sized:
        if one.sizes is not None:
            model = one.sizes.model.name
            weights[model] = weights.get(model, 0.0) + one.sizes.weight
    for model, weight in weights.items():
        if weight == 0:
            yield ("clusters",), f"every cluster that serves {model!r} has weight 0; give one of them a weight above 0"
    yield from _limit_problems(file, weights)
    yield from _event_problems(file, [None if one.sizes is None else one.sizes.num_blocks for one in sized])


def _path_problems(file: FleetFile, path: Path) -> Iterator[tuple[Location, str]]:
    places: list[tuple[Location, Sizes]] = [(("defaults",), file.defaults)]
    places += [(("clusters", number), row) for number, row in enumerate(file.clusters)]
    for place, sizes in places:
        for field in ("door", "tenants"):
            named = _beside(path, getattr(sizes, field))
            if named is not None and not named.is_file():
                yield (
                    (*place, field),
                    f"{field}: no file {str(named)!r}; a path is relative to this file's folder",
                )


def _name_problems(file: FleetFile) -> Iterator[tuple[Location, str]]:
    regions = {row.region for row in file.clusters}
    seen: set[str] = set()
    for number, row in enumerate(file.clusters):
        for name in row.names:
            if name in seen:
                yield ("clusters", number, "name"), f"name: there is a cluster {name!r} already"
            elif name in regions:
                yield ("clusters", number, "name"), f"name: {name!r} is a region too, and events name either"
            seen.add(name)
    if len(seen) > MOST_CLUSTERS:
        yield ("clusters",), f"these are {len(seen)} clusters, at most {MOST_CLUSTERS} can run in one process"


def _limit_problems(file: FleetFile, models: dict[str, float]) -> Iterator[tuple[Location, str]]:
    regions = {row.region for row in file.clusters}
    for region in file.limits.regions:
        if region not in regions:
            yield ("limits", "regions", region), f"no cluster is in region {region!r}{suggest(region, regions)}"
    for model in file.limits.models:
        if model not in models:
            yield ("limits", "models", model), f"no cluster serves {model!r}{suggest(model, models)}"


def _event_problems(file: FleetFile, num_blocks: list[int | None]) -> Iterator[tuple[Location, str]]:
    lost: set[str] = set()
    for number, row in sorted(enumerate(file.events), key=lambda one: one[1].at):
        field = "lose" if row.lose is not None else "restore" if row.restore is not None else "fault"
        place: Location = ("events", number, field)
        target = row.lose or row.restore or ""
        if row.fault is not None:
            place, target = (*place, "where"), row.fault.where
        rows = [(at, one) for at, one in enumerate(file.clusters) if target == one.region or target in one.names]
        if not rows:
            known = {name for one in file.clusters for name in (*one.names, one.region)}
            yield place, f"{place[-1]}: there is no cluster or region {target!r}{suggest(target, known)}"
            continue
        meant = {name for _, one in rows for name in one.names if target in (name, one.region)}
        if row.lose is not None:
            lost |= meant
        elif row.restore is not None:
            if not meant <= lost:
                yield place, f"restore: {', '.join(sorted(meant - lost))} is not lost at that time"
            lost -= meant
        elif row.fault is not None:
            blocks = min((num_blocks[at] or 2 for at, _ in rows), default=2)
            low, high = _range_of(row.fault.knob, blocks)
            if not low <= row.fault.value <= high:
                yield (
                    ("events", number, "fault", "value"),
                    f"value: {row.fault.knob} is {row.fault.value}, expected {low} to {high}",
                )


def _range_of(knob: str, num_blocks: int) -> tuple[int, int]:
    found = next(one for one in fault_knobs(num_blocks) if one.name == knob)
    return found.minimum, found.maximum
