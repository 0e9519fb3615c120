"""What `opsbot capacity` and its `plan` say, as tables and sentences or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from opsbot.capacity.lognormal import LogNormal
from opsbot.clock import to_rfc3339

if TYPE_CHECKING:
    from opsbot.capacity.forecast import Forecast, Meeting
    from opsbot.capacity.plan import Plan
    from opsbot.capacity.usage import Cluster


MOST_NAMED = 4
"""Clusters that a note names."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A cluster with what is expected of it; None where too little is known.

    Args:
        sentence: the trend in words.
    """

    cluster: Cluster
    forecast: Forecast | None
    meets: Meeting | None
    sentence: str


def print_clusters(seen: Sequence[Seen], countries: dict[str, float], now_s: float, drawn: Sequence[str]) -> None:
    """A table, the sums, and a sentence for each cluster; *countries* has requests a minute."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from opsbot.capacity.text import percent, quantity
    from opsbot.capacity.usage import BOUNDS, totals

    console = Console(width=max(130, Console().width))
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("cluster", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("tok/min", "peak of day", "used", *BOUNDS, "KV free"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in seen:
        cluster, now = one.cluster, one.cluster.shares_now
        peak = cluster.peak(now_s)
        at = f"{quantity(peak[1])} at {to_rfc3339(peak[0])[11:16]}" if peak else "not known"
        free = cluster.headroom_bytes
        table.add_row(
            cluster.name,
            cluster.model,
            quantity(cluster.tokens_now),
            at,
            f"{percent(cluster.used_now)} {cluster.bound}" if cluster.bound else "not known",
            *(percent(now.get(bound), is_at_most=bound in cluster.at_most) for bound in BOUNDS),
            "not known" if free is None else f"{free / 1e9:.3g} GB",
        )
    console.print(table)
    clusters = [one.cluster for one in seen]
    for title, rows in (("model", totals(clusters, "model")), ("country", totals(clusters, "country"))):
        if len(rows) > 1 or any(row.num_clusters > 1 for row in rows):
            shown = "; ".join(f"{row.name} {quantity(row.tokens_now)}, {percent(row.used_now)} used" for row in rows)
            click.echo(f"tok/min by {title}: {shown}")
    if countries:
        most = sorted(countries.items(), key=lambda item: -item[1])[:8]
        click.echo("requests/min by country: " + ", ".join(f"{name} {quantity(rate)}" for name, rate in most))
    notes: dict[str, list[str]] = {}
    for one in seen:
        click.echo(f"{one.cluster.name} {one.cluster.model}: {one.sentence}")
        for note in _notes(one, now_s):
            notes.setdefault(note, []).append(one.cluster.name)
    for note, names in notes.items():
        few = ", ".join(dict.fromkeys(names[:MOST_NAMED])) + (" …" if len(names) > MOST_NAMED else "")
        click.echo(f"{'all' if len(names) == len(seen) > 1 else few}: {note}")
    for path in drawn:
        click.echo(f"wrote {path}")


def _notes(one: Seen, now_s: float) -> Iterator[str]:
    """What is to be known of a cluster's figures; of many clusters mostly the same."""
    from opsbot.capacity.text import history_sentence

    for note in (history_sentence(one.cluster, one.forecast), _ended(one.cluster, now_s)):
        if note:
            yield note
    for reason in dict.fromkeys(one.cluster.unknown.values()):
        bounds = [bound for bound in one.cluster.unknown if one.cluster.unknown[bound] == reason]
        yield f"{' and '.join(bounds)} not known: {reason}"


def _ended(cluster: Cluster, now_s: float) -> str | None:
    known = cluster.tokens.known()
    if not known or now_s - known[-1][0] > max(300.0, 2 * cluster.tokens.step_s):
        since = f"since {to_rfc3339(known[-1][0])}" if known else "in this time"
        return f"no readings {since}: what is shown as now is the last that was known"
    return None


def clusters_json(
    seen: Sequence[Seen], countries: dict[str, float], now_s: float, drawn: Sequence[str]
) -> dict[str, Any]:
    """The same for programs."""
    from opsbot.capacity.text import history_s
    from opsbot.capacity.usage import BOUNDS, totals

    def date(at_s: float | None) -> str | None:
        return None if at_s is None else to_rfc3339(at_s)

    rows = []
    for one in seen:
        cluster, peak, able = one.cluster, one.cluster.peak(now_s), one.cluster.capacity
        growth = one.forecast.growth_per_day if one.forecast else None
        rows.append(
            {
                "cluster": cluster.name,
                "model": cluster.model,
                "country": cluster.country,
                "tokens_per_min": cluster.tokens_now,
                "last_reading_at": date(cluster.tokens.known()[-1][0] if cluster.tokens.known() else None),
                "history_s": history_s(cluster),
                "peak_of_day": None if peak is None else {"at": date(peak[0]), "tokens_per_min": peak[1]},
                "bound": cluster.bound,
                "used_ratio": cluster.used_now,
                "bounds": {bound: cluster.shares_now.get(bound) for bound in BOUNDS},
                "at_most": sorted(cluster.at_most),
                "not_known": dict(cluster.unknown),
                "kv_headroom_bytes": cluster.headroom_bytes,
                "capacity_tokens_per_min": _band(able),
                "growth_factor_per_day": _band(growth),
                "meets": {
                    "earliest": date(one.meets.earliest if one.meets else None),
                    "likely": date(one.meets.likely if one.meets else None),
                    "latest": date(one.meets.latest if one.meets else None),
                },
                "sentence": one.sentence,
            }
        )
    clusters = [one.cluster for one in seen]
    sums = {
        by: [{"name": row.name, "tokens_per_min": row.tokens_now, "used_ratio": row.used_now} for row in rows_of]
        for by, rows_of in (("models", totals(clusters, "model")), ("countries", totals(clusters, "country")))
    }
    return {"at": date(now_s), "clusters": rows, **sums, "requests_per_min_by_country": countries, "charts": drawn}


def _band(value: LogNormal | None) -> dict[str, float] | None:
    return None if value is None else {"low": value.low, "middle": value.median, "high": value.high}


def plan_json(made: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "gpus": {name: made.whole(value) for name, value in (_band(made.gpus) or {}).items()},
        "gpus_per_replica": made.replica.num_gpus,
        "decided_by": made.rate.decided_by,
        "batch": made.rate.batch,
        "intensity_ops_per_byte": made.rate.intensity,
        "ridge_ops_per_byte": made.replica.ridge,
        "is_above_ridge": made.rate.is_above_ridge,
        "prefill_share": made.rate.prefill_share,
        "requests_per_min_of_replica_at_best": 60 * made.rate.requests_per_s,
        "widened_by": dict(made.spreads),
    }


def plan_text(made: Plan, demand: str) -> str:
    """A plan in sentences, with what it assumes."""
    from opsbot.capacity.plan import MEMORY_SHARE
    from opsbot.capacity.text import quantity

    replica, rate, asked = made.replica, made.rate, made.demand
    side = "above" if rate.is_above_ridge else "below"
    why = {
        "KV": f"only {rate.batch:.0f} sequences fit into the KV cache, so weights are shared by few",
        "bandwidth": f"a full batch of {rate.batch:.0f} waits for memory",
        "compute": "steps wait for arithmetic" if rate.is_above_ridge else "reading prompts takes most of the time",
    }[rate.decided_by]
    widened = ", ".join(f"{name} {spread:.2g}" for name, spread in made.spreads.items() if spread > 1.005)
    return "\n".join(
        (
            f"{made.whole(made.gpus.low)} to {made.whole(made.gpus.high)} {replica.device.name}, "
            f"{made.whole(made.gpus.median)} in the middle (8 of 10 cases), for {demand} of {replica.model.name}",
            f"decided by {rate.decided_by}: {why}",
            "",
            "assumes",
            f"  {replica.num_gpus} GPU a replica, {replica.number_format}; weights and KV take {MEMORY_SHARE:.0%} of "
            f"memory: room for {quantity(replica.kv_tokens)} KV tokens",
            f"  a step of {rate.batch:.0f} rows: {rate.intensity:.0f} operations a byte, {side} the ridge of "
            f"{replica.ridge:.0f}; {rate.prefill_share:.0%} of the time reads prompts; no prefix cache",
            f"  a replica at best: {quantity(60 * rate.requests_per_s)} requests/min",
            f"  prompt {_range(asked.prompt_tokens)}, answer {_range(asked.answer_tokens)} tokens; "
            f"peak to mean {_range(asked.peak_to_mean)}; efficiency {_range(made.efficiency)} of that",
            "  several GPUs of a replica act as one: links are not counted",
            f"widened by a factor of: {widened or 'nothing'}",
            f"figures: {replica.device.source}; {replica.model.source}",
        )
    )


def _range(value: LogNormal) -> str:
    return f"{value.low:.4g}" if value.sigma == 0 else f"{value.low:.4g} to {value.high:.4g}"
