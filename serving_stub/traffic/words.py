"""English prompts put together from templates, with exact lengths in words.

Some begin with one of a few shared texts, which a prefix cache can use.
"""

from __future__ import annotations

import random

_OPENINGS = (
    "You are the support desk of a small bicycle shop. Answer in a friendly tone and keep to what the customer asked.",
    "The following is a question from a reader of our cooking newsletter. Reply as the editor would, with one example.",
    "Act as a patient teacher for someone who reads about this for the first time, and avoid every technical word.",
)
_QUESTIONS = (
    "Explain how {thing} works and why {group} should care about it.",
    "Write a short note from {person} to {group} about {thing}.",
    "Compare {thing} with {other} and say which one {person} would choose.",
    "Give {person} a plan for learning about {thing} within a week.",
    "Tell a story in which {person} meets {group} and everything turns on {thing}.",
    "List what can go wrong with {thing}, and what {person} should check first.",
    "Summarize what {group} usually get wrong about {other} and {thing}.",
)
_THINGS = (
    "a lighthouse", "sourdough bread", "the water cycle", "a bicycle gear", "compound interest", "a solar panel",
    "jazz harmony", "a suspension bridge", "the tide", "a public library", "a violin", "ocean currents", "a telescope",
    "coffee roasting", "a steam engine", "bird migration", "a vegetable garden", "chess openings", "a night train",
)  # fmt: skip
_PEOPLE = (
    "a retired sailor", "my neighbour", "a first-year student", "the new mayor", "a tired nurse", "an honest merchant",
    "a young carpenter", "the school's librarian", "a curious child", "a travelling cook",
)  # fmt: skip
_GROUPS = (
    "beginners", "people in large cities", "farmers", "busy parents", "engineers", "night owls", "small shops",
    "volunteers", "tourists", "musicians",
)  # fmt: skip
_DETAILS = (
    "It rained all day and nobody had slept well.",
    "Please mention the cost, the time it takes and one surprising fact.",
    "They had tried twice before and failed for different reasons.",
    "The budget is small but the enthusiasm is not.",
    "Remember that the audience is tired and sits near an open window.",
    "Somebody will read this aloud at the end of a long evening.",
    "An earlier answer was too long, so shorter sentences would be welcome.",
    "The old instructions were lost when the office moved across the river.",
)


def prompt(source: random.Random, num_words: int, shared_prefix_share: float) -> str:
    """An English prompt of exactly *num_words* words."""
    words: list[str] = []
    if source.random() < shared_prefix_share:
        words += source.choice(_OPENINGS).split()
    words += _sentence(source).split()
    while len(words) < num_words:
        words += source.choice((_sentence(source), source.choice(_DETAILS))).split()
    return " ".join(words[:num_words])


def _sentence(source: random.Random) -> str:
    thing, other = source.sample(_THINGS, 2)
    return source.choice(_QUESTIONS).format(
        thing=thing, other=other, person=source.choice(_PEOPLE), group=source.choice(_GROUPS)
    )
