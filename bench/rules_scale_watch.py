"""Watch's side of `bench/rules_scale.py`, a process of its own: fill the store, evaluate, say what it took as JSON.

It is given a folder: an exposition for each target (`<cluster>.txt`), `rules.json`, and `plan.json`.
"""

from __future__ import annotations

import gc
import json
import logging
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import opsbot.watch.watcher  # noqa: F401  (what the role has in memory besides)
from bench.scale_data import history, series_of
from opsbot.app import GARBAGE_THRESHOLD
from opsbot.promql.samples import SampleStore
from opsbot.rule.book import RuleBook
from opsbot.source.exposition import Exposition
from opsbot.watch.evaluation import Evaluation


class Targets:
    """A store that gets a column a second from every target."""

    def __init__(self, folder: Path, seconds: int, seed: int) -> None:
        self.store = SampleStore()
        self._parts = []
        for index, path in enumerate(sorted(folder.glob("*.txt"))):
            text = path.read_text(encoding="utf-8")
            exposition = Exposition({"cluster": path.stem, "instance": f"{path.stem}:80", "job": "serving"}, {})
            exposition.read(text)
            self._parts.append((self.store.sheet(path.stem), exposition.labels, series_of(text), seed + index))
        self._seconds = seconds
        self._later: list[NDArray[np.float64]] = []

    def fill(self, end_s: float, num_more: int) -> None:
        """All of the history, the last column at *end_s*; *num_more* columns are kept for `add`."""
        for sheet, labels, series, seed in self._parts:
            values = history(series, self._seconds + num_more, seed)
            for column in range(self._seconds):
                sheet.append(end_s - self._seconds + 1 + column, labels, values[:, column])
            self._later.append(values[:, self._seconds :].copy())

    def add(self, number: int, time_s: float) -> None:
        """The column after the history."""
        for (sheet, labels, _, _), later in zip(self._parts, self._later, strict=True):
            sheet.append(time_s, labels, later[:, number])


def main(folder: Path) -> None:
    """Measure, and print."""
    logging.basicConfig(level=logging.ERROR)
    gc.set_threshold(GARBAGE_THRESHOLD, 5, 2)  # as the role does
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    end_s, seconds = float(plan["end_s"]), int(plan["seconds"])
    num_rounds = int(plan["rounds"]) + 1
    targets = Targets(folder, seconds, int(plan["seed"]))
    targets.fill(end_s, num_rounds)
    store = targets.store
    problems: list[str] = []
    book = RuleBook([folder / "rules.json"], lambda problem: problems.append(str(problem)))
    book.reload()
    if problems:
        raise SystemExit("\n".join(problems[:5]))
    evaluation = Evaluation(store)
    rounds_s: list[float] = []
    num_alerts = 0
    for number in range(num_rounds):
        targets.add(number, end_s + 1 + number)
        began_s = time.thread_time()
        num_alerts = len(evaluation.rules(book.rules, end_s + 1 + number, is_complete=True))
        rounds_s.append(time.thread_time() - began_s)
    found = {
        "series": store.num_series,
        "samples": store.num_samples,
        "rules": len(book.rules),
        "failing": len(evaluation.errors),
        "firing": num_alerts,
        "first_s": rounds_s[0],
        "median_s": statistics.median(rounds_s[1:]),
        "max_s": max(rounds_s[1:]),
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
