"""Tenants at a running door: who is shed, throttled, blocked, limited or left to wait, and what each is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.door import (
    SHORT,
    TEXT,
    ask,
    code_of,
    counted,
    door_file,
    fly,
    id_of,
    is_whole,
    leased,
    tenants_file,
    until_idle,
)
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

PAID = [f"sk-paid-{number}" for number in range(20)]
FREE = [f"sk-free-{number}" for number in range(20)]
LIMITED = "sk-paid-limited"
FEW_TOKENS = "sk-paid-few-tokens"
HASTY = "sk-hasty"
APPEAL = "https://example.com/appeal"
CLASSES = (
    {"name": "paid", "priority": 0, "queue": 4, "deadline": "30s"},
    {"name": "free", "priority": 10, "queue": 2, "deadline": "30s"},
    {"name": "hasty", "priority": 20, "queue": 2, "deadline": "300ms"},
)
LIMITS = {LIMITED: {"requests_per_min": 2}, FEW_TOKENS: {"tokens_per_min": 100}}


@contextmanager
def door_of_tenants(folder: Path) -> Iterator[ServingServer]:
    """Two requests at a time, so that two streams keep everybody else waiting."""
    keys = dict.fromkeys((*PAID, LIMITED, FEW_TOKENS), "paid") | dict.fromkeys(FREE, "free") | {HASTY: "hasty"}
    tenants = tenants_file(folder, keys, classes=CLASSES, limits=LIMITS)
    door = door_file(folder, appeal_url=APPEAL, max_in_flight=2)
    with serving(folder / "l.jsonl", "--door", door, "--tenants", tenants, "--max-num-seqs", "2") as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The door that these tests share."""
    with door_of_tenants(tmp_path_factory.mktemp("tenants")) as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ServingServer]:
    """A door that has seen nobody: how much traffic each class has is up to the test."""
    with door_of_tenants(tmp_path) as running:
        yield running


@pytest.fixture
def slowly(server: ServingServer) -> Iterator[None]:
    """Each token takes 5 ms more, so a stream of 300 lasts a second and a half."""
    until_idle(server)
    with leased(server, "fault.slow_step_ms", 5):
        yield


def shed_of(server: ServingServer, keys: list[str]) -> set[str]:
    """Those of *keys* who are shed now."""
    answers = {key: ask(server, key=key) for key in keys}
    assert {answer.status_code for answer in answers.values()} <= {200, 429}
    return {key for key, answer in answers.items() if answer.status_code == 429 and code_of(answer) == "shed"}


def test_nobody_is_served_without_a_key(server: ServingServer) -> None:
    """No key and a wrong one are told apart, in OpenAI's shape, and counted so."""
    assert (ask(server).status_code, code_of(ask(server))) == (401, "missing_api_key")
    wrong = ask(server, key="sk-nobody")
    assert (wrong.status_code, code_of(wrong)) == (401, "invalid_api_key")
    assert "sk-nobody" not in wrong.text
    assert counted(server, "frontdoor_requests_shed_total", reason="missing_api_key") == 2


def test_the_worst_class_is_shed_first_and_the_same_callers_stay_shed(fresh: ServingServer) -> None:
    """A quarter of all is about half of the free class; nobody who pays is touched."""
    for key in (*PAID, *FREE):
        assert ask(fresh, key=key).status_code == 200
    before = counted(fresh, "frontdoor_requests_shed_total", reason="shed")
    with leased(fresh, "shed", {"fraction": 0.25}):
        few = shed_of(fresh, FREE)
        assert shed_of(fresh, PAID) == set()
        assert shed_of(fresh, FREE) == few
    assert 4 <= len(few) <= 16
    shed = "frontdoor_requests_shed_total"
    assert counted(fresh, shed, reason="shed") == counted(fresh, shed, reason="shed", **{"class": "free"})
    assert counted(fresh, shed, reason="shed") == before + 2 * len(few)
    with leased(fresh, "shed", {"fraction": 0.8}):
        assert shed_of(fresh, FREE) == set(FREE)
        assert 0 < len(shed_of(fresh, PAID)) < len(PAID)


def test_the_shed_of_a_selector_grows_by_adding(server: ServingServer) -> None:
    """Who is shed at 0.3 is shed at 0.6, and is told to come back in half a minute to a minute."""
    with leased(server, "shed", {"fraction": 0.3, "selector": {"class": ["paid"]}}):
        few = shed_of(server, PAID)
        assert shed_of(server, FREE) == set()
        answer = ask(server, key=min(few))
    with leased(server, "shed", {"fraction": 0.6, "selector": {"class": ["paid"]}}):
        assert few < shed_of(server, PAID)
    assert 30 <= int(answer.headers["retry-after"]) <= 60


def test_a_block_names_its_reason_and_where_to_appeal(server: ServingServer) -> None:
    """403, to that key alone."""
    value = {"selector": {"key": [id_of(FREE[0])]}, "reason_class": "leaked_key"}
    with leased(server, "block", value):
        answer = ask(server, key=FREE[0])
        assert ask(server, key=FREE[1]).status_code == 200
    assert (answer.status_code, code_of(answer)) == (403, "blocked")
    assert answer.headers["x-reason-class"] == "leaked_key"
    assert answer.headers["x-appeal-url"] == APPEAL
    assert APPEAL in answer.json()["error"]["message"]
    assert "retry-after" not in answer.headers
    assert ask(server, key=FREE[0]).status_code == 200


def test_a_throttle_names_its_reason_and_where_to_appeal(server: ServingServer) -> None:
    """Each caller of the cohort has the limit for itself."""
    value = {"selector": {"class": ["free"]}, "requests_per_min": 2, "reason_class": "automated_abuse"}
    with leased(server, "throttle", value):
        first, second, third = (ask(server, key=FREE[2]) for _ in range(3))
        assert ask(server, key=FREE[3]).status_code == 200
        assert ask(server, key=PAID[2]).status_code == 200
    assert (first.status_code, second.status_code) == (200, 200)
    assert (third.status_code, code_of(third)) == (429, "throttled")
    assert third.headers["x-reason-class"] == "automated_abuse"
    assert third.headers["x-appeal-url"] == APPEAL
    assert int(third.headers["retry-after"]) >= 1


def test_limits_are_told_in_every_answer(server: ServingServer) -> None:
    """OpenAI's headers count down, and the refusal says when the request would fit."""
    first, second, third = (ask(server, key=LIMITED) for _ in range(3))
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in (first, second, third)]
    assert left == ["1", "0", "0"]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert (third.status_code, code_of(third)) == (429, "rate_limit_exceeded")
    assert int(third.headers["retry-after"]) >= 1


def test_tokens_are_charged_as_generated(server: ServingServer) -> None:
    """What was reserved and not used is given back; more than a minute's worth is never worth another try."""
    used = ask(server, {**SHORT, "max_tokens": 80, "stop": ["e", "a", "t", "o"]}, key=FEW_TOKENS)
    tokens = used.json()["usage"]["total_tokens"]
    again = ask(server, SHORT, key=FEW_TOKENS)
    left = int(again.headers["x-ratelimit-remaining-tokens"])
    assert 0 <= 100 - tokens - left <= 40
    too_many = ask(server, {**SHORT, "max_tokens": 200}, key=FEW_TOKENS)
    assert (too_many.status_code, code_of(too_many)) == (429, "rate_limit_exceeded")
    assert too_many.headers["x-should-retry"] == "false"


@pytest.mark.usefixtures("slowly")
def test_a_full_queue_refuses_at_once(server: ServingServer) -> None:
    """Two are served, two of the class wait, the next is told to come later; all others are served."""
    flights = [fly(server, 300, key=PAID[0]) for _ in range(2)]
    answers: list[httpx.Response] = []
    waiting = [threading.Thread(target=lambda: answers.append(ask(server, key=FREE[0]))) for _ in range(2)]
    for thread in waiting:
        thread.start()
    until_sync(lambda: counted(server, "frontdoor_queue_depth", **{"class": "free"}) == 2)
    refused = ask(server, key=FREE[1])
    assert (refused.status_code, code_of(refused)) == (429, "queue_full")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert all(map(is_whole, flights))
    for thread in waiting:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.usefixtures("slowly")
def test_who_cannot_be_served_in_time_is_not_served_late(server: ServingServer) -> None:
    """A class that waits 300 ms at most is refused by then, while streams run on."""
    flights = [fly(server, 300, key=PAID[0]) for _ in range(2)]
    refused = ask(server, key=HASTY)
    assert refused.status_code == 429
    assert code_of(refused) in {"deadline", "too_late"}
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.elapsed.total_seconds() < 1.0
    assert all(map(is_whole, flights))


@pytest.mark.usefixtures("slowly")
def test_who_hangs_up_leaves_the_queue(server: ServingServer) -> None:
    """The place in it is free again at once, and the engine never hears of the request."""
    flights = [fly(server, 300, key=PAID[0]) for _ in range(2)]
    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=0.4) as impatient,
        pytest.raises(httpx.ReadTimeout),
    ):
        impatient.post(TEXT, json=SHORT, headers={"authorization": f"Bearer {FREE[0]}"})
    until_sync(lambda: counted(server, "frontdoor_queue_depth") == 0, limit_s=1.0)
    assert counted(server, "frontdoor_in_flight") == 2
    assert all(map(is_whole, flights))
    until_idle(server)


@pytest.mark.usefixtures("slowly")
def test_a_better_class_goes_first_whatever_a_client_calls_itself(server: ServingServer) -> None:
    """Of two who wait, the one who pays is served first, though the other came first with a priority of its own."""
    flights = [fly(server, 300, key=PAID[0]) for _ in range(2)]
    order: list[str] = []

    def wait_for(key: str) -> None:
        body = {**SHORT, "max_tokens": 100, "priority": -100}
        assert ask(server, body, key=key).status_code == 200
        order.append(key)

    threads = []
    for number, key in enumerate((FREE[0], PAID[1], PAID[2]), 1):
        threads.append(threading.Thread(target=wait_for, args=(key,)))
        threads[-1].start()
        until_sync(lambda wanted=number: counted(server, "frontdoor_queue_depth") == wanted)  # type: ignore[misc]
    assert all(map(is_whole, flights))
    for thread in threads:
        thread.join()
    assert order[-1] == FREE[0]
