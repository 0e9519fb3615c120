"""`opsbot capacity` as its users run it: a real server, a real Prometheus that scrapes it, the command as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.serving_server import ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = [pytest.mark.integration, pytest.mark.long]

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n"
SETTINGS = """\
version: 1
data_dir: {folder}/data
serving: [{{cluster: here, url: "{server}"}}]
prometheus: {{url: "{prometheus}"}}
capacity: {{catalogue: {root}/serving_stub/roofline/catalogue.yaml, device: h100}}
"""


def ask(server: ServingServer) -> None:
    """One chat request."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 16}
    with server.client(token=False) as http:
        http.post("/v1/chat/completions", json=body).raise_for_status()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The settings of a fleet of one that is asked all the time, once Prometheus knows 90 scrapes of it.

    The first minute makes no trend.
    """
    folder = tmp_path_factory.mktemp("capacity")
    is_over = threading.Event()
    with serving(folder / "journal") as server, ThreadPoolExecutor(1) as pool:

        def load() -> None:
            while not is_over.is_set():
                ask(server)

        asking = pool.submit(load)
        config, port = folder / "prometheus.yml", free_port()
        target = server.url.removeprefix("http://")
        config.write_text(
            "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: serving\n  static_configs:\n"
            f"  - {{targets: ['{target}'], labels: {{cluster: here, country: DE}}}}\n"
        )
        with (folder / "log").open("wb") as log:
            prometheus = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
            )  # fmt: skip
            url = f"http://127.0.0.1:{port}"

            def is_known() -> bool:
                query = {"query": "count_over_time(vllm:generation_tokens_total[5m])"}
                try:
                    found = httpx.get(f"{url}/api/v1/query", params=query, trust_env=False).json()["data"]["result"]
                except (httpx.HTTPError, ValueError):
                    return False
                return bool(found) and float(found[0]["value"][1]) >= 90

            try:
                until_sync(is_known, 150.0)
                path = folder / "opsbot.yaml"
                path.write_text(SETTINGS.format(folder=folder, server=server.url, prometheus=url, root=ROOT))
                yield path
            finally:
                is_over.set()
                asking.result()
                prometheus.terminate()
                prometheus.wait(10)


def opsbot(*arguments: str | Path, status: int = 0) -> str:
    """What the command prints, on the stream that fits its exit status."""
    done = subprocess.run([sys.executable, "-m", "opsbot", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_a_fleet_is_shown_forecast_and_drawn(settings: Path, tmp_path: Path) -> None:
    """JSON has what the server did; a chart with a mark lies where it was asked for; the forecast is kept."""
    assert "load test" in opsbot("capacity", "mark", "load test", "--config", settings)
    told = opsbot("capacity", "--config", settings, "--window", "2m", "--charts", tmp_path, "--json")
    found: dict[str, Any] = json.loads(told)
    (cluster,) = found["clusters"]
    assert (cluster["cluster"], cluster["model"], cluster["country"]) == ("here", "tiny", "DE")
    assert cluster["tokens_per_min"] > 0
    assert cluster["peak_of_day"]["tokens_per_min"] >= cluster["tokens_per_min"]
    assert 0 < cluster["bounds"]["batch"] < 1
    assert min(cluster["bounds"]["bandwidth"], cluster["bounds"]["compute"]) > 0
    assert cluster["at_most"] == ["bandwidth"]
    assert cluster["not_known"] == {}
    assert cluster["sentence"].startswith("tok/min ")
    assert found["countries"][0]["name"] == "DE"
    assert (tmp_path / "here-tiny.png").read_bytes().startswith(PNG)
    assert "lie ahead" in opsbot("capacity", "score", "--config", settings)


def test_people_get_a_table_and_one_sentence(settings: Path) -> None:
    """Each bound has its column, the trend its sentence."""
    told = opsbot("capacity", "--config", settings, "--window", "2m", "--no-record")
    header = next(line for line in told.splitlines() if "KV free" in line)
    assert header.split()[0] == "cluster"
    assert all(word in header for word in ("KV", "batch", "bandwidth", "compute"))
    assert "here tiny: tok/min " in told


def test_a_source_that_knows_no_server_says_so(settings: Path) -> None:
    """A time in which there was none, and an address where nobody listens: one line each, and exit status 1."""
    silent = settings.with_name("silent.yaml")
    silent.write_text(
        settings.read_text().replace("prometheus: {url: ", f"prometheus: {{url: 'http://127.0.0.1:{free_port()}'}} #")
    )
    told = opsbot("capacity", "--config", silent, status=1)
    assert "does not answer" in told
    assert "start that Prometheus, or correct prometheus.url" in told
    assert len(told.splitlines()) == 1


def test_a_plan_is_a_band_with_its_assumptions(settings: Path) -> None:
    """What decides, and what widens the band, stand beside the number."""
    asked = ("--demand", "600 requests/min", "--model", "llama-3.1-8b", "--device", "h100", "--config", settings)
    told = opsbot("capacity", "plan", *asked)
    assert told.splitlines()[0].startswith("1 to 5 h100, 2 in the middle")
    assert "below the ridge of 295" in told
    assert "widened by a factor of: prompt length" in told
    assert json.loads(opsbot("capacity", "plan", *asked, "--json"))["gpus"] == {"low": 1, "middle": 2, "high": 5}


@pytest.mark.parametrize(
    ("changed", "said"),
    [(("--demand", "many"), '--demand needs "2M tokens/min"'), (("--device", "h10"), "did you mean 'h100'"),
     (("--model", "gpt"), "known: llama-2-7b")],
    ids=["demand", "device", "model"],
)  # fmt: skip
def test_a_wrong_plan_is_one_line(settings: Path, changed: tuple[str, str], said: str) -> None:
    """It names the value, and what would be right."""
    asked = ["--demand", "1k req/min", "--model", "llama-3.1-8b", "--device", "h100", "--config", str(settings)]
    told = opsbot("capacity", "plan", *asked, *changed, status=1)
    assert said in told
    assert len(told.splitlines()) == 1
