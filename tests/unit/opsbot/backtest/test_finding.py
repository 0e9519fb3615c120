"""A backtest's totals, its words, its JSON and its picture."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opsbot.backtest.chart import MOST_APART, draw, lanes
from opsbot.backtest.finding import Backtest, Episode, Gap, RuleSight, Start, Stretch, totals
from opsbot.backtest.text import lines, short_labels
from opsbot.backtest.wire import to_json

DAY_S = 86_400.0
START_S = 1_790_000_000.0 // DAY_S * DAY_S
END_S = START_S + DAY_S


def episode(name: str, begins_s: float, ends_s: float | None, *, cluster: str = "eu-1", **more: object) -> Episode:
    """One firing, in seconds since the day began."""
    labels = {"alertname": name, "cluster": cluster, "severity": "high"}
    one = Episode(name, labels, "high", START_S + begins_s, None if ends_s is None else START_S + ends_s)
    return replace(one, **more)  # type: ignore[arg-type]  # fields of an episode


STARTED = Start(START_S + 60, "relieve", "auto")
HELD = Start(START_S + 7260, "relieve", "auto", "its cooldown on eu-1 ends in 2m")
FOUND = Backtest(
    since_s=START_S,
    until_s=END_S,
    source="watch's history x.sqlite",
    stretches=[Stretch(START_S, END_S, 60.0, 60.0)],
    gaps=[Gap(START_S + 36_000, START_S + 39_600)],
    episodes=[
        episode("Busy", 60, 660, incident=1, paged_at=START_S + 60, starts=(STARTED,)),
        episode("Full", 120, 300, hidden="hidden while Busy fires"),
        episode("Busy", 7260, None, incident=2, paged_at=START_S + 7260, starts=(HELD,), blind_s=3600.0),
    ],
    sights={
        "Busy": RuleSight(1440, 144),
        "Full": RuleSight(1440, 0),
        "Quiet": RuleSight(0, 0, "its windows are too short for samples that are 1m apart"),
        "Wrong": RuleSight(0, 0, "", "many-to-many"),
    },
    severities={"Quiet": "low", "Busy": "high", "Full": "high", "Wrong": "low"},
    num_incidents=2,
    notes=["a note"],
)


def test_totals_have_every_rule_the_noisiest_first() -> None:
    """What goes on is counted until the end."""
    rows = totals(FOUND)
    assert [row.name for row in rows] == ["Busy", "Full", "Quiet", "Wrong"]
    busy = rows[0]
    assert (busy.num_episodes, busy.num_pages, busy.num_starts, busy.num_held_back) == (2, 2, 1, 1)
    assert (busy.firing_s, busy.blind_s) == (600 + DAY_S - 7260, 3600.0)
    assert (rows[2].num_episodes, rows[2].firing_s) == (0, 0.0)


def test_it_reads_as_a_list_and_a_table() -> None:
    """With what is not known."""
    text = "\n".join(lines(FOUND))
    for said in (
        "4 rules over watch's history x.sqlite",
        "samples are 1m apart, evaluated every 1m",
        "nobody watched from",
        "(1h): nothing is known, that is not quiet",
        "note: a note",
        "hidden while Busy fires",
        "21h59m… (1h blind)",
        "relieve starts",
        "relieve held back: its cooldown on eu-1 ends in 2m",
        "3 episodes, 2 incidents, 2 pages, 1 run",
        "Quiet was evaluated not at all: its windows are too short",
        "Wrong could not be evaluated: many-to-many",
    ):
        assert said in text
    (row,) = (line for line in text.splitlines() if line.startswith("Busy "))
    assert row.split() == ["Busy", "high", "2", "2", "1", "1", "22h9m", "10%"]
    (row,) = (line for line in text.splitlines() if line.startswith("Quiet "))
    assert row.endswith("not evaluated")


def test_without_any_episode_it_says_so() -> None:
    """And still lists every rule."""
    text = "\n".join(lines(replace(FOUND, episodes=[], num_incidents=0)))
    assert "nothing would have fired" in text
    assert "0 episodes, 0 incidents, 0 pages, 0 runs" in text


def test_labels_are_short() -> None:
    """The cluster first, without what stands beside them."""
    assert short_labels({"alertname": "A", "severity": "high", "b": "1", "cluster": "eu", "a": "2"}) == (
        "cluster=eu a=2 b=1"
    )
    assert short_labels({"cluster": "x" * 100}).endswith("x…")


def test_as_json_it_has_all_of_it() -> None:
    """And is JSON."""
    body = json.loads(json.dumps(to_json(FOUND)))
    assert body["num_pages"] == 2
    assert [one["alert"] for one in body["episodes"]] == ["Busy", "Full", "Busy"]
    assert body["episodes"][2]["ends_at"] is None
    assert body["episodes"][2]["fired_s"] == DAY_S - 7260
    assert body["rules"][0]["sight"] == {
        "num_steps": 1440, "num_blind": 144, "unseen": "", "error": "", "unseen_at": [],
    }  # fmt: skip
    assert body["gaps"] == [
        {"begins_at": body["gaps"][0]["begins_at"], "ends_at": body["gaps"][0]["ends_at"], "source": ""}
    ]


def test_each_alert_has_a_lane_while_there_are_few() -> None:
    """What pages most is on top; many alerts of a rule share one."""
    assert [name for name, _ in lanes(FOUND.episodes)] == ["Busy  cluster=eu-1", "Full  cluster=eu-1"]
    many = [episode("Busy", 60, 120, cluster=f"c-{n}") for n in range(MOST_APART + 1)]
    ((name, own),) = lanes(many)
    assert (name, len(own)) == ("Busy", MOST_APART + 1)


@pytest.mark.parametrize("found", [FOUND, replace(FOUND, episodes=[], gaps=[])])
def test_it_is_drawn(found: Backtest) -> None:
    """Also where nothing fired; words are words in the SVG."""
    assert draw(found, "png").startswith(b"\x89PNG")
    picture = draw(found, "svg").decode()
    assert ("Busy  cluster=eu-1" in picture) is bool(found.episodes)
    assert ("nothing fired" in picture) is not bool(found.episodes)
    assert ("not known" in picture) is bool(found.gaps)
