#!/usr/bin/env python3
"""Train and measure the hazard classifier that ships in `serving_stub/frontdoor/data/classifier/hazards.npz`.

    .venv/bin/python scripts/train_classifier.py                    measures the shipped model on held-out prompts
    .venv/bin/python scripts/train_classifier.py --write            trains it anew (seeded, a minute) and measures it
    .venv/bin/python scripts/train_classifier.py --ailuminate CSV   also measures it on MLCommons' demo prompts

Training and held-out prompts are made from `phrases.yaml` and share neither phrase nor frame. Both were written by the
same hand, so the held-out figures are an upper bound; the demo prompts (github.com/mlcommons/ailuminate, not shipped
here) were written by other people and were never trained on.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import inspect
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from serving_stub.frontdoor.classifier import (
    CATEGORIES,
    NUM_BUCKETS,
    SHIPPED,
    WINDOW,
    HazardModel,
    feature_rows,
    load_hazard_model,
)
from serving_stub.frontdoor.simhash import words
from serving_stub.yamlfile import load

PHRASES = SHIPPED.with_name("phrases.yaml")
THRESHOLDS = (0.5, 0.7)
NUM_EPOCHS = 6
BATCH_SIZE = 128
RATE = 0.01
DECAY = 1e-5
DROPPED_WORDS = 0.3
HARMLESS_SHARE = 3.0
SHARE = 800.0
NUM_JOINED = 1500
LEAST_WEIGHT = 0.05
PROSE_MODULES = (
    *("argparse", "ast", "asyncio", "calendar", "collections", "configparser", "csv", "datetime", "decimal", "difflib"),
    *("doctest", "email", "fractions", "functools", "gettext", "heapq", "http.client", "http.cookiejar", "imaplib"),
    *(
        "inspect",
        "ipaddress",
        "locale",
        "logging",
        "mailbox",
        "optparse",
        "os",
        "pathlib",
        "pdb",
        "pickle",
        "pickletools",
    ),
    *("platform", "random", "sched", "secrets", "shutil", "smtplib", "socketserver", "statistics", "string", "tarfile"),
    *("tempfile", "textwrap", "threading", "turtle", "typing", "unittest", "urllib.request", "uuid", "zipfile"),
)
HAZARDS_OF_AILUMINATE = {
    "vcr": "violent_crimes",
    "src": "sex_related_crimes",
    "cse": "child_sexual_exploitation",
    "ssh": "suicide_self_harm",
    "iwp": "indiscriminate_weapons",
    "ipv": "intellectual_property",
    "dfm": "defamation",
    "ncr": "non_violent_crimes",
    "hte": "hate",
    "prv": "privacy",
    "spc_fin": "specialized_advice",
    "spc_hlt": "specialized_advice",
    "spc_ele": "specialized_advice",
    "spc_lgl": "specialized_advice",
    "sxc_prn": "sexual_content",
}

_Texts = Annotated[tuple[str, ...], Field(min_length=1)]
Example = tuple[str, str | None]
"""A prompt and its category; None for a harmless one."""


class Split(BaseModel):
    """Phrases or frames: `terms` name a subject, `train` and `held_out` are things somebody does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: _Texts
    train: _Texts
    held_out: _Texts


class Phrases(BaseModel):
    """The whole of `phrases.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: Split
    benign: Split
    categories: dict[str, Split]


def examples(phrases: Phrases, part: str) -> list[Example]:
    """Every phrase of *part* in every frame of *part*."""
    frames = getattr(phrases.frames, part)
    groups: list[tuple[str | None, Split]] = [(None, phrases.benign), *phrases.categories.items()]
    return [
        (frame.format(x=phrase), category)
        for category, split in groups
        for phrase in getattr(split, part)
        for frame in frames
    ]


def prose(seed: int) -> list[Example]:
    """Harmless sentences in windows: the documentation of Python's own library.

    Phrases alone leave the model without everyday words, so that in a page of text any of them tips it.
    """
    rng = random.Random(seed)
    found = []
    for name in PROSE_MODULES:
        module = importlib.import_module(name)
        texts = [
            inspect.getdoc(thing) or "" for thing in (module, *vars(module).values()) if not inspect.isbuiltin(thing)
        ]
        for text in dict.fromkeys(texts):
            all_words = text.split()
            found += [" ".join(all_words[at : at + WINDOW]) for at in range(0, len(all_words), WINDOW)]
    rng.shuffle(found)
    return [(text, None) for text in found]


def joined(prompts: Sequence[Example], seed: int) -> list[Example]:
    """Harmless prompts, several in a row."""
    rng = random.Random(seed)
    harmless = [text for text, category in prompts if category is None]
    return [(". ".join(rng.sample(harmless, 4)), None) for _ in range(NUM_JOINED)]


def train(prompts: Sequence[Example], seed: int) -> HazardModel:
    """Multinomial logistic regression; every category weighs the same, the harmless prompts three times as much."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = random.Random(seed)
    place_of: dict[str | None, int] = {name: place for place, name in enumerate((*CATEGORIES, None))}
    count_of = Counter(category for _, category in prompts)
    weights = torch.zeros(NUM_BUCKETS, len(place_of), requires_grad=True)
    bias = torch.zeros(len(place_of), requires_grad=True)
    optimizer = torch.optim.Adam([weights, bias], lr=RATE)
    order = list(prompts)
    for _ in range(NUM_EPOCHS):
        rng.shuffle(order)
        for start in range(0, len(order), BATCH_SIZE):
            rows: list[int] = []
            offsets, targets, shares = [], [], []
            for text, category in order[start : start + BATCH_SIZE]:
                # Leaving words out at random keeps the model from leaning on one of them.
                found = [word for word in words(text) if rng.random() > DROPPED_WORDS]
                if not found:
                    continue
                offsets.append(len(rows))
                rows += feature_rows(found).ravel().tolist()
                targets.append(place_of[category])
                shares.append(HARMLESS_SHARE if category is None else SHARE / count_of[category])
            logits = torch.nn.functional.embedding_bag(torch.tensor(rows), weights, torch.tensor(offsets), mode="sum")
            losses = torch.nn.functional.cross_entropy(logits + bias, torch.tensor(targets), reduction="none")
            loss = (losses * torch.tensor(shares)).mean() + DECAY * (weights**2).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return HazardModel(weights.detach().numpy(), bias.detach().numpy())


def table(model: HazardModel, prompts: Sequence[Example], threshold: float) -> str:
    """Precision and recall by category at *threshold*, and of "any category"."""
    scores = np.array([list(model.score(text).values()) for text, _ in prompts])
    hit = scores >= threshold
    lines = [f"{f'scores of {threshold} or more':28} {'prompts':>7} {'precision':>9} {'recall':>6}"]
    for place, name in enumerate(CATEGORIES):
        is_it = np.array([category == name for _, category in prompts])
        lines.append(_line(name, hit[:, place], is_it))
    harmful = np.array([category is not None for _, category in prompts])
    lines.append(_line("any of them", hit.any(axis=1), harmful))
    if not harmful.all():
        wrong = hit.any(axis=1) & ~harmful
        lines.append(f"harmless prompts with such a score: {wrong.sum()} of {(~harmful).sum()}")
    return "\n".join(lines)


def _line(name: str, hit: NDArray[np.bool_], is_it: NDArray[np.bool_]) -> str:
    right = int((hit & is_it).sum())
    precision = right / hit.sum() if hit.any() else float("nan")
    return f"{name:28} {is_it.sum():7} {precision:9.2f} {right / max(is_it.sum(), 1):6.2f}"


def of_ailuminate(path: Path) -> Iterable[Example]:
    """MLCommons' demo prompts with our category names."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["prompt_text"], HAZARDS_OF_AILUMINATE[row["hazard"]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Train and measure the hazard classifier.")
    parser.add_argument("--write", action="store_true", help="train, and replace the shipped model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ailuminate", type=Path, metavar="CSV", help="the English demo prompts of AILuminate 1.0")
    arguments = parser.parse_args()
    phrases = load(PHRASES, Phrases)
    if tuple(phrases.categories) != CATEGORIES:
        parser.error(f"{PHRASES}: has the categories {', '.join(phrases.categories)}, expected {', '.join(CATEGORIES)}")
    if arguments.write:
        prompts = [*examples(phrases, "terms"), *examples(phrases, "train")]
        prompts += [*joined(prompts, arguments.seed), *prose(arguments.seed)]
        print(f"training on {len(prompts)} prompts")
        model = train(prompts, arguments.seed)
        # What hardly weighs is left out: it costs space and decides nothing.
        weights = np.where(np.abs(model.weights) < LEAST_WEIGHT, 0, model.weights).round(2)
        np.savez_compressed(SHIPPED, weights=weights.astype(np.float16), bias=model.bias)
        print(f"wrote {SHIPPED.name}: {SHIPPED.stat().st_size} bytes")
    model = load_hazard_model()
    for threshold in THRESHOLDS:
        print("\nheld-out prompts, made from phrases.yaml")
        print(table(model, examples(phrases, "held_out"), threshold))
        if arguments.ailuminate is not None:
            print("\nAILuminate 1.0 demo prompts; all are harmful or borderline")
            print(table(model, list(of_ailuminate(arguments.ailuminate)), threshold))
    return 0


if __name__ == "__main__":
    sys.exit(main())
