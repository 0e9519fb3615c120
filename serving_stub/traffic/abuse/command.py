"""`traffic events`, `shapes`, `tenants`: evaluation sets without a server, and what a server needs for a live one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import yaml

from serving_stub.traffic.abuse.background import invented_keys
from serving_stub.traffic.abuse.evaluation import START, events, known_line
from serving_stub.traffic.abuse.event import encode
from serving_stub.traffic.abuse.move import Member, Move
from serving_stub.traffic.abuse.shapes import SHAPES, plan_of
from serving_stub.traffic.choice import Named
from serving_stub.traffic.persona import key_digest

_shape = click.option(
    "--shape", "shape_ids", type=Named("shape", SHAPES), multiple=True, help="May be repeated; `shapes` lists them."
)
_seed = click.option("--seed", type=int, default=0, show_default=True)
_strength = click.option("--strength", type=click.FloatRange(0.01, 20), default=1.0, show_default=True)


@click.command()
def shapes() -> None:
    """List the shapes: id, what it is, and what an honest one looks like."""
    width = max(map(len, SHAPES))
    for shape in SHAPES.values():
        like = f" (looks like {', '.join(shape.looks_like)})" if shape.looks_like else ""
        click.echo(f"{shape.id:<{width}}  {shape.title}{like}")


@click.command("events")
@_shape
@_seed
@_strength
@click.option(
    "--background",
    "background_rate",
    type=click.FloatRange(0, 1000),
    default=0.2,
    show_default=True,
    help="Ordinary requests per second when the world is busiest.",
)
@click.option("--start", type=float, default=START, show_default=True, help="Seconds since the epoch.")
def events_command(
    shape_ids: tuple[str, ...], seed: int, strength: float, background_rate: float, start: float
) -> None:
    """Write labelled request events as JSON lines; announced windows and exemptions come first."""
    # The server's own definition of nearness, imported when it is wanted: it needs numpy.
    from serving_stub.frontdoor.simhash import simhash

    plans = [plan_of(shape_id, seed, strength) for shape_id in shape_ids]
    for plan in plans:
        for known in plan.known:
            click.echo(json.dumps(known_line(known, start), separators=(",", ":")))
    for row in events(plans, seed, background_rate, start, simhash):
        click.echo(encode(row))


@click.command()
@_shape
@_seed
@_strength
def tenants(shape_ids: tuple[str, ...], seed: int, strength: float) -> None:
    """Write the tenants file of a server that is to take a run with these shapes and this seed."""
    click.echo(yaml.safe_dump(tenants_file(shape_ids, seed, strength), sort_keys=False), nl=False)


def tenants_file(shape_ids: tuple[str, ...], seed: int, strength: float) -> dict[str, object]:
    """The file's content: every key of the plan but the dead ones, by its hash."""
    rows: dict[str, dict[str, object]] = {}
    keys: dict[str, dict[str, dict[str, object]]] = {}
    for entry in invented_keys(seed):
        rows.setdefault(entry.tenant, {"id": entry.tenant, "class": entry.service_class or "free"})
        digest = key_digest(entry.key)
        keys.setdefault(entry.tenant, {})[digest] = {
            "id": f"k-{digest[:8]}",
            "sha256": digest,
            "account": entry.account,
        }
    for member in _members(shape_ids, seed, strength):
        who = member.persona
        assert who.key is not None
        tenant = rows.setdefault(who.tenant, {"id": who.tenant, "class": "free"})
        if member.requests_per_min is not None:
            tenant["limits"] = {"requests_per_min": member.requests_per_min}
        digest = key_digest(who.key)
        keys.setdefault(who.tenant, {})[digest] = {"id": f"k-{digest[:8]}", "sha256": digest, "account": who.account}
    classes = [{"name": "paid", "priority": 0}, {"name": "free", "priority": 1}]
    return {"classes": classes, "tenants": [{**row, "keys": list(keys[name].values())} for name, row in rows.items()]}


def _members(shape_ids: tuple[str, ...], seed: int, strength: float) -> Iterator[Member]:
    for shape_id in shape_ids:
        for move in plan_of(shape_id, seed, strength).moves:
            senders = (move.who, *move.relays) if isinstance(move, Move) else (move.who,)
            yield from (member for member in senders if not member.is_key_dead)
