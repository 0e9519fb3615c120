"""A run is killed at every commit of either database, right before it and right after, and always ends the same way.

`OPSBOT_KILLS=all` makes every case, as `make fault` and `make test-all` do, in about four minutes; otherwise it is a
number of cases (12), drawn with a seed that changes with the date and is printed; `OPSBOT_KILLS_SEED` names one.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving_server import serving

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]

NUM_WORKERS = 2
DEFAULT_KILLS = 12
DONE = ["do once", "do a", "do b", "undo b", "undo a", "undo once", "do last"]
TEXTS = {
    "Batch limit of local set from 4 to 3",
    "Verified: well (held for 0s)",
    "Batch limit of local set from 3 to 2",
    "Verified: better (held for 0s)",
    "Broken failed: says no",
    "Undone: undo b",
    "Undone: undo a",
    "Undone: undo once",
    "Undone: batch limit of local is 4 again",
    "Runbook ended (undone): Broken: says no",
}
STEPS = {
    "first": "undone",
    "once": "undone",
    "second": "undone",
    "each": "succeeded",
    "each[0]": "undone",
    "each[1]": "undone",
    "broken": "failed",
}


class Runner:
    """The process that makes cases: it imports once."""

    def __init__(self, folder: Path, url: str) -> None:
        command = [sys.executable, "-m", "tests.support.kill_runner", str(folder), url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def make(self, cause: str, commit: int, where: str) -> dict[str, Any]:
        """The facts of one case."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{cause} {commit} {where}\n")
        self._process.stdin.flush()
        facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        return facts

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Runner]]:
    """Each with a server of its own, which survives every kill."""
    folder = tmp_path_factory.mktemp("kills")
    with (
        serving(folder / "0.jsonl", "--max-num-seqs", "4") as first,
        serving(folder / "1.jsonl", "--max-num-seqs", "4") as second,
    ):
        runners = [Runner(folder / str(index), server.url) for index, server in enumerate((first, second))]
        yield runners
        for runner in runners:
            runner.close()


def wrong(facts: dict[str, Any]) -> list[str]:
    """What is not as it must be, however often and wherever the run was killed."""
    if "problem" in facts:
        return [facts["problem"]]
    found = []
    said: list[str] = facts["said"]
    steps: dict[str, str] = facts["steps"]
    if facts["state"] != "undone" or facts["detail"] != "Broken: says no":
        found.append(f"it ended {facts['state']}: {facts['detail']}")
    if {name: state for name, state in steps.items() if name != "last"} != STEPS:
        found.append(f"its steps ended {steps}")
    # The last one must never be repeated: when its answer was lost, it has failed and the run is over all the same.
    if said[: len(DONE) - 1] != DONE[:-1] or said[len(DONE) - 1 :] not in ([], ["do last"]):
        found.append(f"it did {said}")
    if not said[len(DONE) - 1 :] and steps["last"] != "failed":
        found.append("its last step is missing")
    if set(facts["leases"]) != {"ended"} or len(facts["leases"]) != 2:
        found.append(f"its leases are {facts['leases']}")
    if facts["locks"]:
        found.append(f"it kept the locks {facts['locks']}")
    doubles = [text for text, count in Counter(facts["texts"]).items() if count > 1]
    if doubles:
        found.append(f"said twice: {doubles}")
    missing = [] if facts["asked"] else sorted(TEXTS - set(facts["texts"]))
    if missing:
        found.append(f"never said: {missing}")
    return found


def drawn(cases: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """All of them, or as many as the environment asks for."""
    wanted = os.environ.get("OPSBOT_KILLS", str(DEFAULT_KILLS))
    if wanted == "all":
        return cases
    seed = os.environ.get("OPSBOT_KILLS_SEED", datetime.date.today().isoformat())
    print(f"OPSBOT_KILLS={wanted} OPSBOT_KILLS_SEED={seed}")
    return random.Random(seed).sample(cases, min(len(cases), int(wanted)))


def test_a_run_ends_the_same_wherever_it_is_killed(runners: Sequence[Runner]) -> None:
    """Nothing is done twice, everything is undone, and no lease and no lock is left."""
    whole = runners[0].make("whole", 0, "never")
    assert wrong(whole) == []
    assert (whole["said"], whole["asked"]) == (DONE, [])
    # How often it looks, and so commits, differs a little from run to run.
    cases = drawn([(commit, where) for commit in range(1, whole["count"] + 6) for where in ("before", "after")])

    def make(worker: int) -> list[str]:
        return [
            f"killed {where} commit {commit}: {problem}"
            for commit, where in cases[worker::NUM_WORKERS]
            for problem in wrong(runners[worker].make(f"k{commit}{where}", commit, where))
        ]

    with ThreadPoolExecutor(NUM_WORKERS) as workers:
        problems = [problem for found in workers.map(make, range(NUM_WORKERS)) for problem in found]
    assert problems == []
