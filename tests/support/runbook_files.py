"""Runbook files that are right, in every shape that the language has: for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from opsbot.people import Role
from opsbot.yamlfile import parse_duration

ROLES: tuple[Role, ...] = ("viewer", "responder", "commander", "trust_and_safety", "author")
DURATIONS = st.sampled_from(["500ms", "5s", "30s", "1m", "1h30m", "1d"])
SENTENCES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=30)
WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of *keys*."""
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """One input with a default that fits it."""
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    found: dict[str, Any] = {"type": kind}
    match kind:
        case "integer" | "number":
            found["default"] = draw(st.integers(1, 100))
            found |= draw(_some(min=st.just(1), max=st.just(100)))
        case "string":
            found["default"] = draw(SENTENCES)
            found |= draw(_some(pattern=st.just(".+"), enum=st.just([found["default"], "other"])))
        case _:
            found["default"] = draw(st.booleans())
    return found | draw(_some(description=SENTENCES, immutable=st.booleans()))


@st.composite
def approvals(draw: st.DrawFn) -> dict[str, Any]:
    """One approval; nobody's silence stands for several."""
    several = st.lists(st.sampled_from(ROLES), min_size=1, max_size=3, unique=True)
    found = {"from": draw(st.sampled_from(ROLES) | several)}
    found |= draw(_some(timeout=DURATIONS, reason=SENTENCES, exclude_requester=st.booleans()))
    found |= draw(st.one_of(_some(count=st.integers(1, 5)), _some(on_timeout=st.just("proceed"))))
    return found


def _verify() -> st.SearchStrategy[dict[str, Any]]:
    exprs = st.sampled_from(
        ["up == 1", 'up{cluster="${{ alert.labels.cluster }}"} == 1', 'up{cluster=~"${{ fleet.clusters }}"} == 1']
    )
    return st.fixed_dictionaries(
        {"expr": exprs, "timeout": st.just("1m")}, optional={"for": st.just("3s"), "means": SENTENCES}
    )


@st.composite
def steps(draw: st.DrawFn, step_id: str, earlier: list[str]) -> dict[str, Any]:
    """One step that may name *earlier* ones."""
    common: dict[str, st.SearchStrategy[Any]] = {
        "timeout": DURATIONS,
        "continue_on_error": st.booleans(),
        "locks": st.lists(st.sampled_from(["router", "fleet/weights"]), max_size=2, unique=True),
        "retry": _some(
            attempts=st.integers(1, 10),
            delay=DURATIONS,
            max_delay=DURATIONS,
            backoff=st.integers(1, 10) | st.just(1.5),
            on=st.lists(st.sampled_from(["unreachable", "unknown", "failed"]), min_size=1, unique=True),
        ),
        "if": st.sampled_from(
            ["alert.value > 0.5", "alert.severity == 'high'", *(f"steps.{one}.state != 'failed'" for one in earlier)]
        ),
    }  # fmt: skip
    found: dict[str, Any] = {"id": step_id, "name": draw(SENTENCES)}
    if draw(st.booleans()):
        queries = st.sampled_from(["max(up)", 'sum(up{cluster="${{ alert.labels.cluster }}"})'])
        found |= {"uses": "prometheus.query", "with": {"query": draw(queries)}}
        return found | draw(_some(**common, outputs=st.just({"twice": "result.value * 2.0"})))
    found |= {"uses": "serving.set_batch", "lease": draw(st.sampled_from(["5s", "60s", "1h"]))}
    found["with"] = {"limit": draw(st.integers(1, 64))} | draw(_some(mode=st.sampled_from(["finish", "preempt"])))
    found |= draw(
        _some(
            **common,
            approval=approvals(),
            verify=_verify(),
            on_verify_failed=st.sampled_from(["continue", "undo", "stop"]),
            announce=st.fixed_dictionaries(
                {"message": SENTENCES},
                optional={
                    "for": DURATIONS,
                    "on_objection": st.sampled_from(["stop", "skip"]),
                    "call_for_capacity": st.booleans(),
                },
            ),
        )
    )
    if draw(st.booleans()):
        found["foreach"] = "fleet.clusters"
        found["with"]["cluster"] = "${{ item }}"
        found |= draw(_some(stages=st.sampled_from([["100%"], [1, "25%", "100%"], [1, 2, "50%", "100%"]])))
    return found


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """The data of a whole file."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 5)))]
    match = st.dictionaries(WORDS, SENTENCES, min_size=1, max_size=3)
    matchers = st.lists(st.sampled_from(['severity=~"high|critical"', 'cluster!="eu-1"']), min_size=1, max_size=16)
    alert = st.fixed_dictionaries({"type": st.just("alert"), "match": match}, optional={"matchers": matchers})
    found: dict[str, Any] = {
        "version": 1,
        "id": draw(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)),
        "name": draw(SENTENCES),
        "owner": draw(SENTENCES),
        "mode": draw(st.sampled_from(["observe", "suggest", "auto"])),
        "triggers": draw(st.lists(alert | st.just({"type": "manual"}), min_size=1, max_size=3)),
        "inputs": draw(st.dictionaries(WORDS, inputs(), max_size=3)),
        "steps": [draw(steps(name, names[:index])) for index, name in enumerate(names)],
    }
    return found | draw(
        _some(
            description=SENTENCES,
            enabled=st.booleans(),
            timeout=DURATIONS,
            cooldown=DURATIONS,
            on_failure=st.sampled_from(["rollback", "stop"]),
            on_resolve=st.sampled_from(["release", "keep"]),
            hold=DURATIONS.filter(lambda text: 5 <= parse_duration(text) <= 24 * 3600),
            max_runs=_some(count=st.integers(1, 1000), per=DURATIONS),
            concurrency=_some(
                group=st.sampled_from(["fleet", "${{ alert.name }}"]),
                on_conflict=st.sampled_from(["queue", "skip", "replace"]),
            ),
            limits=_some(targets=st.integers(1, 9), percent=st.integers(1, 100)),
            **{
                "finally": st.just(
                    [{"id": "last", "name": "Look", "uses": "prometheus.query", "with": {"query": "up"}}]
                )
            },
        )
    )
