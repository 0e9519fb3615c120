"""What the features of a request cost, for a prompt of a thousand characters.

    .venv/bin/python -m bench.frontdoor_features

Texts are windows of this repository's own documentation, each used once per round, so that no cache flatters
the figures; processor time of one thread, the median of the rounds.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from serving_stub.frontdoor.classifier import load_hazard_model
from serving_stub.frontdoor.features import describe, screen
from serving_stub.frontdoor.keyed_hash import Keyring, Kind
from serving_stub.frontdoor.pattern import load_pattern_sets
from serving_stub.frontdoor.signature import load_signatures
from serving_stub.frontdoor.simhash import simhash

NUM_TEXTS, NUM_ROUNDS, NUM_CHARS, SEED = 200, 15, 1000, 1
HEADERS = [
    (name.encode(), value.encode())
    for name, value in (
        ("host", "127.0.0.1:8000"),
        ("accept-encoding", "gzip, deflate"),
        ("connection", "keep-alive"),
        ("authorization", "Bearer k"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 3.54.0"),
        *((f"x-stainless-{name}", value) for name, value in (("lang", "python"), ("package-version", "3.54.0"))),
        *((f"x-stainless-{name}", "x") for name in ("os", "arch", "runtime", "runtime-version")),
        *((f"x-stainless-{name}", value) for name, value in (("async", "false"), ("retry-count", "0"))),
        ("content-length", "57"),
    )
]


def texts() -> list[str]:
    """Windows of the documentation, seeded."""
    whole = "\n".join(path.read_text("utf-8") for path in sorted(Path("docs").glob("*.md")))
    rng = random.Random(SEED)
    return [whole[at : at + NUM_CHARS] for at in (rng.randrange(len(whole) - NUM_CHARS) for _ in range(NUM_TEXTS))]


def cost_us(call: Callable[[str], object], prompts: list[str]) -> float:
    """Microseconds of processor time a call."""
    rounds = []
    for _ in range(NUM_ROUNDS):
        started = time.thread_time()
        for prompt in prompts:
            call(prompt)
        rounds.append((time.thread_time() - started) / len(prompts) * 1e6)
    return statistics.median(rounds)


def main() -> None:
    patterns, model, signatures = load_pattern_sets(), load_hazard_model(), load_signatures()
    hasher = Keyring.ephemeral().at(time.time())
    prompts = texts()
    rows: list[tuple[str, Callable[[str], object]]] = [
        ("screen: pattern sets", lambda text: screen(text, patterns)),
        ("client signature", lambda text: signatures.recognise(HEADERS, ("model", "messages"), "/v1/chat/completions")),
        ("keyed hash of a key", lambda text: hasher(Kind.KEY, "sk-1")),
        ("keyed hash of the body", lambda text: hasher(Kind.REQUEST, text)),
        ("near-duplicate hash", lambda text: simhash(text, 1)),
        ("hazard scores", model.score),
        (
            "describe: all of the last three",
            lambda text: describe(text, text[:200], text.encode(), screening, hasher, model),
        ),
    ]
    screening = screen("", patterns)
    print(f"{NUM_TEXTS} prompts of {NUM_CHARS} characters, {NUM_ROUNDS} rounds, seed {SEED}")
    for name, call in rows:
        print(f"{name:34}{cost_us(call, prompts):8.1f} µs")


if __name__ == "__main__":
    main()
