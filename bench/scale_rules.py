"""A thousand alert rules of the kinds of `bench/watch_rules.py`, half of them about one cluster each.

Rule files of large teams repeat one rule for each service with its own selector and level, so half of these name a
cluster; what the others have in common with each other is what it is in any rule file.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from bench.watch_rules import KINDS

_METRIC = re.compile(r"\b((?:vllm:|serving_)\w+)(?![\w{])")


def write_rules(path: Path, num_rules: int, num_clusters: int, seed: int) -> int:
    """A rule file that the watch role and Prometheus read alike; answers how many different expressions it has."""
    rng = random.Random(seed)
    draws = [draw for count, draw in KINDS.values() for _ in range(count)]
    rules = []
    for number in range(num_rules):
        expr = draws[number % len(draws)](rng)
        if number % 2:
            cluster = f"cluster-{rng.randrange(num_clusters):02d}"
            expr = _METRIC.sub(rf'\1{{cluster="{cluster}"}}', expr)
        rules.append(
            {
                "alert": f"Rule{number}",
                "expr": expr,
                "for": rng.choice(("0s", "0s", "30s", "2m")),
                "labels": {"severity": rng.choice(("critical", "high", "medium"))},
                "annotations": {"summary": "one of many"},
            }
        )
    path.write_text(json.dumps({"groups": [{"name": "scale", "rules": rules}]}), encoding="utf-8")
    return len({rule["expr"] for rule in rules})
