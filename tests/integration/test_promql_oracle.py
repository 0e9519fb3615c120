"""Our PromQL against a real Prometheus: the same raw samples, the same instant, the same answers."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.promql.evaluate import query
from opsbot.promql.labelset import NAME, freeze
from opsbot.promql.samples import SampleStore
from opsbot.promql.syntax import QueryError
from tests.support.ports import free_port
from tests.support.watching import put

pytestmark = pytest.mark.integration

QUERIES = """
m_gauge
m_gauge{cluster="a"}
m_gauge{cluster!="a"}
m_gauge{cluster=~"a|b"}
m_gauge{cluster!~"a.*"}
m_gauge offset 3s
-m_gauge
rate(m_total[10s])
increase(m_total[10s])
irate(m_total[10s])
delta(m_gauge[10s])
idelta(m_gauge[10s])
deriv(m_gauge[10s])
rate(m_reset_total[12s])
increase(m_reset_total[12s] offset 2s)
resets(m_reset_total[12s])
changes(m_gauge[10s])
avg_over_time(m_gauge[8s])
min_over_time(m_gauge[8s])
max_over_time(m_gauge[8s])
sum_over_time(m_gauge[8s])
count_over_time(m_gauge[8s])
last_over_time(m_gauge[8s])
present_over_time(m_gauge[8s])
stddev_over_time(m_gauge[8s])
stdvar_over_time(m_gauge[8s])
quantile_over_time(0.9, m_gauge[8s])
abs(m_gauge - 5)
ceil(m_gauge)
floor(m_gauge)
round(m_gauge)
round(m_gauge, 0.5)
exp(m_gauge / 10)
ln(m_gauge + 1)
sqrt(m_gauge)
clamp(m_gauge, 2, 6)
clamp_min(m_gauge, 4)
clamp_max(m_gauge, 4)
histogram_quantile(0.5, m_bucket)
histogram_quantile(0.95, rate(m_bucket[10s]))
histogram_quantile(0.9, sum by (le) (rate(m_bucket[10s])))
absent(m_missing)
absent(m_missing{cluster="z"})
absent(m_gauge)
absent_over_time(m_missing{cluster="z"}[5s])
scalar(sum(m_gauge))
scalar(m_gauge)
vector(3)
label_replace(m_gauge, "zone", "z-$1", "cluster", "(.*)")
sum(m_gauge)
sum by (cluster) (m_gauge)
sum without (cluster) (m_gauge)
avg(m_gauge)
min(m_gauge)
max(m_gauge)
count(m_gauge)
group(m_gauge)
stddev(m_gauge)
stdvar(m_gauge)
quantile(0.5, m_gauge)
topk(2, m_gauge)
bottomk(1, m_gauge)
m_gauge + 1
2 * m_gauge
m_gauge / 0
m_gauge % 3
m_gauge ^ 2
m_gauge + m_gauge
m_gauge > 4
4 < m_gauge
m_gauge > bool 4
m_gauge == m_gauge
m_gauge * on(cluster) group_left(tier) m_info
m_gauge * on(cluster) m_info
m_gauge and m_info
m_gauge and on(cluster) m_info
m_gauge unless on(cluster) m_info
m_gauge or m_info
m_gauge > 2 and rate(m_total[10s]) > 0
sum(rate(m_total[5s])) == 0
1 + 2 * 3
1 > bool 2
(m_gauge)
rate((m_total[10s]))
m_gauge * on(cluster) group_left m_info
m_info * on(cluster) group_right m_gauge
m_gauge < on(cluster) group_left(tier) (m_info * 5)
m_gauge ^ -0.5
clamp(m_gauge - m_gauge / 0 * 0, 2, 6)
exp(m_gauge * 300)
round(m_gauge, 0)
min_over_time(m_odd[10s])
max_over_time(m_odd[10s])
sum_over_time(m_odd[10s])
avg_over_time(m_odd[10s])
changes(m_odd[10s])
quantile_over_time(0.5, m_odd[10s])
sum(m_odd)
min(m_odd)
max(m_odd)
avg(m_odd)
quantile(0.5, m_odd)
topk(1, m_gauge) by (cluster)
histogram_quantile(0, m_bucket)
histogram_quantile(1, m_bucket)
histogram_quantile(-1, m_gauge)
histogram_quantile(0.5, m_gauge)
absent(m_missing{cluster="z",cluster!="y"})
absent(sum(m_missing))
label_replace(m_gauge, "zone", "${1}$$x$9", "cluster", "(a|b)")
label_replace(m_gauge, "cluster", "", "cluster", "a")
m_gone
m_gone offset 6s
count_over_time(m_gone[1m])
sum by (cluster, missing) (m_gauge)
scalar(m_missing) > bool 1
stddev(m_odd)
{__name__=~"m_g.*"}
m_gauge{cluster=""}
m_gauge{missing=""}
deriv(m_reset_total[9s])
idelta(m_reset_total[9s])
sort(m_gauge)
sort_desc(m_gauge)
time() - time()
sum(m_gauge) by (cluster) > 3 unless on() absent(m_total)
""".strip().splitlines()
NAMES = ("m_gauge", "m_total", "m_reset_total", "m_bucket", "m_info", "m_odd", "m_gone")
SCRAPES = 16


class _Exposition:
    """A real exposition whose values move with a seeded walk."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._totals = {"a": 5.0, "b": 100.0, "c": 0.0}
        self._resetting = {"a": 0.0, "b": 3.0, "c": 9.0}
        self._scrapes = 0
        self._buckets = [0.0, 0.0, 0.0, 0.0]

    def text(self) -> str:
        lines = []
        for cluster in self._totals:
            lines.append(f'm_gauge{{cluster="{cluster}"}} {self._random.uniform(0, 10):.3f}')
            self._totals[cluster] += self._random.choice([0, 1, 2.5])
            lines.append(f'm_total{{cluster="{cluster}"}} {self._totals[cluster]}')
            self._resetting[cluster] += 2
            if self._random.random() < 0.25:
                self._resetting[cluster] = 1.0
            lines.append(f'm_reset_total{{cluster="{cluster}"}} {self._resetting[cluster]}')
        for cluster, tier in (("a", "gold"), ("b", "free")):
            lines.append(f'm_info{{cluster="{cluster}",tier="{tier}"}} 1')
            odd = self._random.choice(["NaN", "+Inf", "-Inf", "1", "2"])
            lines.append(f'm_odd{{cluster="{cluster}"}} {odd}')
        self._scrapes += 1
        if self._scrapes < SCRAPES - 4:
            lines.append("m_gone 1")
        for index in range(4):
            self._buckets[index] += self._random.randint(0, 3)
        total = 0.0
        for bound, count in zip(("0.1", "0.5", "2", "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'm_bucket{{le="{bound}"}} {total}')
        return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus that has scraped the exposition for a while; yields its base URL."""
    binary = shutil.which("prometheus")
    assert binary is not None, "Prometheus is not installed: run `make setup`, or install Debian's package prometheus"
    exposition = _Exposition()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: t\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{server.server_port}']\n"
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        _wait_for_scrapes(url, folder)
        yield url
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        server.shutdown()
        server.server_close()


def _wait_for_scrapes(url: str, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = _ask(url, "count_over_time(m_total[1m])", time.time())["result"]
        except httpx.HTTPError:
            found = []
        if found and float(found[0]["value"][1]) >= SCRAPES:
            return
        time.sleep(0.5)
    raise AssertionError(f"Prometheus did not scrape in time:\n{(folder / 'log').read_text()[-2000:]}")


def _ask(url: str, text: str, time_s: float) -> Any:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": text, "time": f"{time_s:.3f}"}, trust_env=False)
    answer.raise_for_status()
    return answer.json()["data"]


REFUSED = """
m_gauge + on() m_gauge
m_info * on(tier) group_left m_gauge
rate({__name__=~"m_total|m_reset_total"}[10s])
""".strip().splitlines()


@pytest.fixture(scope="module")
def same_samples(prometheus: str) -> tuple[SampleStore, float]:
    """A store with the very samples that Prometheus holds, and the instant to ask about."""
    at_s = round(time.time() - 0.5, 3)
    store = SampleStore()
    for name in NAMES:
        for series in _ask(prometheus, f"{name}[2m]", at_s)["result"]:
            labels = {key: value for key, value in series["metric"].items() if key != NAME}
            points: list[tuple[float, float | None]] = [(float(at), float(value)) for at, value in series["values"]]
            if name == "m_gone":
                # The API does not show stale marks: the series left at the next scrape.
                points.append((points[-1][0] + 1.0, None))
            put(store, name, labels, *points)
    return store, at_s


@pytest.mark.parametrize("text", QUERIES)
def test_our_answer_is_prometheus_answer(text: str, prometheus: str, same_samples: tuple[SampleStore, float]) -> None:
    """Every supported selector, function, aggregation and operator yields what Prometheus yields."""
    store, at_s = same_samples
    theirs = _ask(prometheus, text, at_s)
    ours = query(text, store, at_s)
    if theirs["resultType"] == "scalar":
        assert isinstance(ours, float)
        assert _same(ours, float(theirs["result"][1]))
        return
    assert isinstance(ours, list)
    if text.startswith("sort"):
        assert [dict(e.labels) for e in ours] == [e["metric"] for e in theirs["result"]]
    expected = {freeze(e["metric"]): float(e["value"][1]) for e in theirs["result"]}
    actual = {freeze(e.labels): e.value for e in ours}
    assert actual.keys() == expected.keys()
    for labels, value in expected.items():
        assert _same(actual[labels], value), f"{dict(labels)}: ours {actual[labels]}, theirs {value}"


@pytest.mark.parametrize("text", REFUSED)
def test_we_refuse_what_prometheus_refuses(text: str, prometheus: str, same_samples: tuple[SampleStore, float]) -> None:
    """A match of many to many, or two series that end up with the same labels, is an error on both sides."""
    store, at_s = same_samples
    with pytest.raises(httpx.HTTPStatusError):
        _ask(prometheus, text, at_s)
    with pytest.raises(QueryError):
        query(text, store, at_s)


def _same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
