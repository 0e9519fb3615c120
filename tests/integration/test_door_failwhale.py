"""The failwhale as its callers meet it on a running server, and what goes on regardless."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.support.door import ask, code_of, counted, door_file, fly, grant, is_whole, lease_of, leased
from tests.support.serving_server import CONTROL, ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

CALLERS = [f"192.0.2.{number}" for number in range(1, 101)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server with the tiny model, whose ramps are quick."""
    folder = tmp_path_factory.mktemp("failwhale")
    with serving(folder / "leases.jsonl", "--door", door_file(folder)) as running:
        yield running


def served(server: ServingServer) -> set[str]:
    """Those callers who are served now."""
    answers = {caller: ask(server, address=caller).status_code for caller in CALLERS}
    assert set(answers.values()) <= {200, 503}
    return {caller for caller, status in answers.items() if status == 200}


def test_the_official_client_gets_its_own_error(server: ServingServer) -> None:
    """An InternalServerError with the code, and the header that the client waits by."""
    with (
        leased(server, "failwhale", {"message": "Back soon.", "retry_after_s": 45}),
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hello"}])
        with pytest.raises(openai.InternalServerError) as of_stream:
            client.completions.create(model="tiny", prompt="Hello", stream=True)
    for error in (raised.value, of_stream.value):
        assert (error.status_code, error.code) == (503, "failwhale")
        assert error.response.headers["retry-after"] == "45"
        assert "Back soon." in error.message


def test_the_official_client_comes_back_by_itself(server: ServingServer) -> None:
    """With its usual retries a caller is served as soon as the failwhale is down."""
    granted = grant(server, "failwhale", {"retry_after_s": 1}, ttl_s=1, on_end="release")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=3) as client:
        answer = client.completions.create(model="tiny", prompt="Hello", max_tokens=1)
    assert answer.choices[0].finish_reason == "length"
    assert lease_of(server, granted["lease_id"])["end_reason"] == "expired"


def test_curl_gets_json(server: ServingServer) -> None:
    """It accepts anything, so it is a program."""
    with leased(server, "failwhale", {"retry_after_s": 45}):
        said = subprocess.run(
            ["curl", "--noproxy", "*", "-si", f"{server.url}/v1/models"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    head, _, body = said.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.lower().split("\n")
    assert "503" in status
    assert {"retry-after: 45", "content-type: application/json", "cache-control: no-store"} <= set(headers)
    assert json.loads(body)["error"]["code"] == "failwhale"


def test_observers_and_operators_are_not_turned_away(server: ServingServer) -> None:
    """Health, metrics and control answer, also to a browser."""
    page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    with leased(server, "failwhale", {}), httpx.Client(base_url=server.url, headers=page, trust_env=False) as browser:
        assert browser.get("/").status_code == 503
        for path in ("/health", "/metrics", "/version", "/openapi.json"):
            assert browser.get(path).status_code == 200, path
        for path in ("/control", "/control/v1/knobs", "/control/v1/leases?state=live"):
            assert browser.get(path, headers=CONTROL).status_code == 200, path
        assert "failwhale" in browser.get("/control", headers=CONTROL).text
        assert counted(server, "frontdoor_failwhale_up") == 1
    assert counted(server, "frontdoor_failwhale_up") == 0


def test_a_stream_in_flight_finishes(server: ServingServer) -> None:
    """It began before, so it ends as it would have."""
    flight = fly(server, 600)
    with leased(server, "failwhale", {}):
        assert code_of(ask(server)) == "failwhale"
        assert is_whole(flight)


def test_users_turned_away_are_counted_once(server: ServingServer) -> None:
    """Each caller once, each request of theirs by reason; a new failwhale counts anew."""
    before = counted(server, "frontdoor_requests_shed_total", reason="failwhale")
    with leased(server, "failwhale", {}):
        for caller in (*CALLERS[:3], *CALLERS[:3]):
            assert code_of(ask(server, address=caller)) == "failwhale"
        page = httpx.get(server.url, headers={"accept": "text/html", "x-forwarded-for": CALLERS[3]}, trust_env=False)
        assert page.status_code == 503
        assert counted(server, "frontdoor_users_turned_away") == 4
        assert counted(server, "frontdoor_requests_shed_total", reason="failwhale") == before + 7
    assert counted(server, "frontdoor_users_turned_away") == 0
    with leased(server, "failwhale", {}):
        ask(server, address=CALLERS[0])
        assert counted(server, "frontdoor_users_turned_away") == 1


def test_the_probe_lets_the_same_callers_in(server: ServingServer) -> None:
    """About the share of them, again and again the same, and more as the share grows."""
    with leased(server, "failwhale", {"probe_share": 0.2}):
        few = served(server)
        assert served(server) == few
    assert 8 <= len(few) <= 34
    with leased(server, "failwhale", {"probe_share": 0.5}):
        assert few < served(server)


def test_only_those_meant_are_turned_away(server: ServingServer) -> None:
    """A selector by network leaves the rest alone."""
    with leased(server, "failwhale", {"selector": {"network": ["192.0.2.0/24"]}}):
        assert ask(server, address="192.0.2.7").status_code == 503
        assert ask(server, address="198.51.100.7").status_code == 200


def test_lowering_it_ramps(server: ServingServer) -> None:
    """It gives way in steps, and nobody who was let in is put out again."""
    granted = grant(server, "failwhale", {}, ttl_s=60)
    assert granted["on_end"] == "ramp"
    assert not served(server)
    url = f"{server.url}/control/v1/leases/{granted['lease_id']}"
    assert httpx.delete(url, headers=CONTROL, trust_env=False).json()["state"] == "ramping"
    strengths = {1.0}
    let_in: set[str] = set()
    while (lease := lease_of(server, granted["lease_id"]))["state"] == "ramping":
        strengths.add(lease["strength"])
        now_in = {caller for caller in CALLERS[::10] if ask(server, address=caller).status_code == 200}
        assert let_in <= now_in
        let_in = now_in
    assert (lease["state"], lease["end_reason"], lease["strength"]) == ("ended", "released", 0.0)
    assert strengths <= {1.0, 0.8, 0.6, 0.4, 0.2}
    assert len(strengths) >= 3
    until_sync(lambda: len(served(server)) == len(CALLERS))
