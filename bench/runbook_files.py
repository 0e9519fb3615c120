"""Generated runbooks: sound ones, no two alike, with the expressions and queries that people write."""

from __future__ import annotations

import json
import random
from pathlib import Path

MOST_STEPS = 6
METRICS = ("vllm:kv_cache_usage_perc", "vllm:num_requests_waiting", "vllm:num_requests_running")


def write_runbooks(folder: Path, count: int, seed: int) -> int:
    """Write *count* runbooks of three to six steps each; answers how many expressions they have in all."""
    rng = random.Random(seed)
    num_expressions = 0
    for index in range(count):
        text = _runbook(f"generated-{index}", rng)
        num_expressions += text.count("${{") + text.count("    if: ")
        (folder / f"generated-{index}.yaml").write_text(text, encoding="utf-8")
    return num_expressions


def _runbook(runbook_id: str, rng: random.Random) -> str:
    inputs = [f"limit_{rng.randrange(1000)}" for _ in range(rng.randint(1, 3))]
    steps = [_query("look", rng)]
    steps += [
        rng.choice((_query, _batch, _wait))(f"step_{n}", rng, inputs) for n in range(rng.randint(2, MOST_STEPS - 1))
    ]
    return (
        f"version: 1\nid: {runbook_id}\nname: Relieve cluster {rng.randrange(10_000)}\nowner: serving-oncall\n"
        "description: >\n  Sequences are preempted because the batch is larger than the cache can carry.\n"
        f"mode: {rng.choice(('observe', 'suggest', 'auto'))}\n"
        f"triggers:\n  - type: alert\n    match: {{alertname: Alert{rng.randrange(10_000)}}}\n"
        "inputs:\n"
        + "".join(
            f"  {name}: {{type: integer, default: {rng.randint(1, 64)}, min: 1, max: 256}}\n" for name in set(inputs)
        )
        + "timeout: 30m\nsteps:\n"
        + "".join(steps)
        + "on_failure: rollback\n"
    )


def _query(step_id: str, rng: random.Random, inputs: list[str] | None = None) -> str:
    query = f'max({rng.choice(METRICS)}{{shard="{rng.randrange(100)}"}}) > {rng.randrange(10)}'
    return (
        f"  - id: {step_id}\n    name: Read a value\n    uses: prometheus.query\n    timeout: 10s\n"
        f"    with:\n      query: {json.dumps(query)}\n"
    )


def _batch(step_id: str, rng: random.Random, inputs: list[str]) -> str:
    name = rng.choice(inputs)
    return (
        f"  - id: {step_id}\n    name: Resize the batch\n    uses: serving.set_batch\n"
        f"    if: steps.look.outputs.value > {rng.randrange(100)} && inputs.{name} < {rng.randint(65, 200)}\n"
        f"    with:\n      limit: ${{{{ inputs.{name} }}}}\n      cluster: ${{{{ alert.labels.cluster }}}}\n"
        "    lease: 60s\n    timeout: 20s\n"
        "    approval: {from: responder, timeout: 10m, reason: New requests wait a little longer.}\n"
        f"    verify:\n      expr: sum(rate(vllm:num_preemptions_total[{rng.randint(5, 60)}s])) == 0\n"
        "      for: 3s\n      timeout: 45s\n      means: no sequence is preempted any more\n"
        "    on_verify_failed: undo\n"
    )


def _wait(step_id: str, rng: random.Random, inputs: list[str]) -> str:
    return (
        f"  - id: {step_id}\n    name: Wait for the queue\n    uses: wait.until\n    timeout: 5m\n"
        f"    if: steps.look.state == 'succeeded' && inputs.{rng.choice(inputs)} > {rng.randrange(60)}\n"
        f"    with:\n      expr: sum({rng.choice(METRICS)}) < {rng.randrange(100)}\n      for: 10s\n"
    )
