"""What is wrong with a serving step is said when its file is loaded, and what it would do is said in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.action.control import ControlClient
from opsbot.action.selector import Selector, words_of
from tests.support.lease_actions import LEASES, NOTICE, action_named
from tests.support.runbooks import problems_of, registry

RUNBOOK = """version: 1
id: example
name: An example
owner: tests
mode: suggest
triggers: [{{type: manual}}]
inputs: {{share: {{type: number, default: 0.5}}}}
steps:
  - id: one
    name: One
    uses: {uses}
    with: {arguments}
    {lease}
"""


def problems(uses: str, arguments: str, lease: str = "lease: 60s") -> list[str]:
    """Messages of a runbook with that step."""
    found = problems_of(RUNBOOK.format(uses=uses, arguments=arguments, lease=lease))
    return [one.split(": ", 1)[1] for one in found]


@pytest.mark.parametrize(
    ("uses", "arguments", "says"),
    [
        ("serving.shed", "{fraction: 1.5}", "fraction: at most 1 is allowed, not 1.5"),
        ("serving.shed", "{fraction: 0.5, selector: {tier: [free]}}", "serving.shed takes no argument 'tier'"),
        ("serving.shed", "{fraction: 0.5, on_end: later}", "on_end: 'later' is none of 'ramp' or 'release'"),
        ("serving.shed", "{fraction: 0.5, selector: {country: [Japan]}}", "0: string should match pattern"),
        ("serving.shed", "{fraction: 0.5, selector: {network: [here]}}", "network: 'here' does not appear to be"),
        ("serving.failwhale", "{back_at: soon}", "back_at: 'soon' is no time such as 2026-01-31T12:00:00Z"),
        ("serving.failwhale", "{probe_share: 1}", "probe_share: less than 1 is allowed, not 1"),
        (
            "serving.throttle",
            "{selector: {}, requests_per_min: 6, reason_class: capacity}",
            "a throttle names whom it concerns, and serving.shed is for everybody",
        ),
        (
            "serving.throttle",
            "{selector: {tenant: [a]}, reason_class: capacity}",
            "one of requests_per_min and tokens_per_min is needed",
        ),
        (
            "serving.throttle",
            "{selector: {country: [JP]}, requests_per_min: 6, reason_class: payment}",
            "country is a reason for nothing but capacity",
        ),
        (
            "serving.block",
            "{selector: {network: [192.0.2.0/24]}, reason_class: payment}",
            "a block needs one of tenant, key, account, client, client_known, a network alone is many",
        ),
        (
            "serving.block",
            "{selector: {tenant: [a], country: [JP]}, reason_class: payment}",
            "country is no reason to block",
        ),
        ("serving.block", "{selector: {tenant: [a]}, reason_class: bad}", "reason_class: 'bad' is none of"),
        (
            "serving.fallback_prompt",
            f"{{selector: {{}}, mode: notice, prompt: notice, prompt_sha256: {NOTICE}}}",
            "a fallback prompt is never for everybody",
        ),
        (
            "serving.fallback_prompt",
            f"{{selector: {{client_known: [known]}}, mode: persona, prompt: cat, prompt_sha256: {NOTICE}}}",
            "a customer's own client never meets a persona",
        ),
        (
            "serving.fallback_prompt",
            "{selector: {tenant: [a]}, mode: notice, prompt: notice, prompt_sha256: abc}",
            "prompt_sha256: string should match pattern",
        ),
        ("serving.set_token_budget", "{limit: 8}", "limit: at least 16 is needed, not 8"),
        ("serving.set_batch", "{limit: 8, on_end: hold_unhealthy}", "'hold_unhealthy' is none of 'release' or 'ramp'"),
        ("serving.drain", "{on_end: ramp}", "'ramp' is none of 'hold_unhealthy' or 'release'"),
        ("serving.route", "{factor: 0}", "serving.route needs the argument 'where'"),
        ("fault.error_percent", "{value: 101}", "value: at most 100 is allowed, not 101"),
        ("fault.stall", "{value: 1}", "fault.stall takes no argument 'value'"),
        ("fault.latency_ms", "{value: '5'}", "value: a whole number is needed"),
    ],
)
def test_a_mistake_is_said_at_load(uses: str, arguments: str, says: str) -> None:
    """With the server's own reason, and before anything runs."""
    (found,) = problems(uses, arguments)
    assert says in found


@pytest.mark.parametrize(
    ("uses", "arguments", "says"),
    [
        ("serving.restart", "{drain_timeout: 11m}", "drain_timeout: at most 600 is allowed, not 660.0"),
        ("serving.readmit", "{whose: mine}", "whose: 'mine' is none of 'run', 'opsbot' or 'everybody'"),
        ("serving.release_all", "{knobs: []}", "knobs: at least one is needed"),
    ],
)
def test_a_mistake_in_a_command_is_said_at_load(uses: str, arguments: str, says: str) -> None:
    """Commands take no lease."""
    (found,) = problems(uses, arguments, lease="")
    assert says in found


def test_what_an_expression_will_yield_is_left_to_the_run() -> None:
    """A share from an input is no mistake at load."""
    assert problems("serving.shed", "{fraction: '${{ inputs.share }}', selector: {class: [free]}}") == []


@pytest.mark.parametrize("name", LEASES)
def test_every_action_locks_the_knob_it_turns(name: str) -> None:
    """Two runs must not turn the same knob of a cluster at once."""
    action = action_named(ControlClient({}), name)
    arguments = action.arguments.model_validate({**LEASES[name], "cluster": "east"})
    assert action.locks(arguments) == (f"east/{action.knob}",)  # type: ignore[attr-defined]
    assert action.cluster(arguments) == "east"


def test_faults_are_for_drills_and_the_rest_is_not() -> None:
    """The engine refuses what is for drills outside of them."""
    for_drills = {action.name for action in registry() if action.is_for_drills}
    assert for_drills == {action.name for action in registry() if action.name.startswith("fault.")}
    assert len(for_drills) == 10


LAYER = {"value": {"fraction": 0.4, "selector": {}}, "strength": 0.5}


@pytest.mark.parametrize(
    ("name", "more", "prior", "will_do"),
    [
        (
            "serving.shed",
            {},
            {"layers": [], "num_leases": 0},
            "turn away 50% of callers of class free on east (429, try again in 30 to 60 s) for 1m at a time, renewed "
            "while the incident is open; now nobody is shed there",
        ),
        (
            "serving.shed",
            {"selector": {}},
            {"layers": [LAYER], "num_leases": 1},
            "turn away 50% of all requests, lowest class first, on east (429, try again in 30 to 60 s) for 1m at a "
            "time, renewed while the incident is open; now up to 20% are turned away there by one lease",
        ),
        (
            "serving.failwhale",
            {"probe_share": 0.1, "selector": {}, "back_at": "2026-01-31T12:00:00Z"},
            {"layers": [], "num_leases": 0},
            "put the failwhale up on east while running streams finish: 90% of everybody get no answer, and are told "
            "that service is back at 2026-01-31T12:00:00Z, for 1m at a time, renewed while the incident is "
            "open; now it is not up there",
        ),
        (
            "serving.throttle",
            {"tokens_per_min": 100, "per": "cohort"},
            {"layers": [], "num_leases": 2},
            "leave callers of tenant acme on east 6 requests and 100 tokens a minute together, for key sharing (else "
            "429, with a way to appeal) for 1m at a time, renewed while the incident is open; now 2 other leases are "
            "in force beside it",
        ),
        (
            "serving.drain",
            {},
            {"in_force": False, "base": None, "num_leases": 0},
            "drain east: it takes no new requests (503 draining), and what runs finishes, for 1m at a time, renewed "
            "while the incident is open; now it takes work as usual",
        ),
        (
            "fault.stall",
            {},
            {"in_force": 0, "base": 0, "num_leases": 0},
            "break east on purpose, so that no token comes out while /health stays green, for 1m at a time, renewed "
            "while the incident is open; now it is whole",
        ),
    ],
)
def test_an_approval_reads_plainly(name: str, more: dict[str, Any], prior: dict[str, Any], will_do: str) -> None:
    """What changes, for whom, how long, and what is so now."""
    action = action_named(ControlClient({}), name)
    arguments = action.arguments.model_validate({**LEASES[name], **more, "cluster": "east"})
    assert action.describe(arguments, prior, 60.0).will_do == will_do


@pytest.mark.parametrize(
    ("on_end", "undo"),
    [
        ("release", "ends by itself 1m after the last renewal; Undo takes it back at once"),
        (
            "hold_unhealthy",
            "ends by itself 1m after the last renewal, but not before the server is healthy; the same goes for Undo",
        ),
    ],
)
def test_an_approval_says_how_it_ends(on_end: str, undo: str) -> None:
    """At once, in steps, or not before the server is well."""
    action = action_named(ControlClient({}), "serving.fence")
    arguments = action.arguments.model_validate({"on_end": on_end, "cluster": "east"})
    assert action.describe(arguments, {"in_force": False, "base": None, "num_leases": 0}, 60.0).undo == undo


def test_networks_are_counted_and_not_shown() -> None:
    """A prefix can be one person's address, which has no place in a channel."""
    assert words_of({"network": ["192.0.2.7/32", "198.51.100.0/24"], "class": ["free"]}) == (
        "callers of 2 networks, class free"
    )
    assert words_of({"key": [f"k{number}" for number in range(9)]}) == (
        "callers of API key k0 or k1 or k2 or k3 or k4 or 4 more"
    )
    assert Selector().words() == "everybody"


def test_what_hits_people_needs_a_second_person() -> None:
    """Whoever asked for a block or another prompt does not approve it; a prompt is for trust and safety to judge."""
    risky = {action.name for action in registry() if action.is_risky}
    assert risky == {"serving.block", "serving.fallback_prompt", "process.run"}
    assert {action.name: action.role for action in registry() if action.role != "responder"} == {
        "serving.fallback_prompt": "trust_and_safety",
        "process.run": "commander",
        "loadtest.run": "commander",
        **{action.name: "commander" for action in registry() if action.is_for_drills},
    }
