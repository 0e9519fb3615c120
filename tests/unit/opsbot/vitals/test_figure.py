"""The table of figures."""

from __future__ import annotations

from dataclasses import fields

import pytest

from opsbot.promql.syntax import parse
from opsbot.vitals.figure import FIGURES, Figure, of_cluster
from opsbot.vitals.question import QUESTIONS
from opsbot.vitals.vitals import Vitals

ATTRIBUTES = {one.name for one in fields(Vitals)}
MOST_URL_BYTES = 8_000
"""What common proxies take of a request's line."""


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_every_figure_is_a_number_of_vitals_and_a_query(figure: Figure) -> None:
    """What is shown now and what is drawn over time cannot drift apart."""
    assert figure.attribute in ATTRIBUTES
    assert not figure.limit or figure.limit in ATTRIBUTES
    parse(of_cluster(figure, "eu-1"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_parses_and_fits_into_an_address(name: str) -> None:
    """Prometheus's client asks by GET."""
    from urllib.parse import quote

    parse(QUESTIONS[name])
    assert len(quote(QUESTIONS[name])) < MOST_URL_BYTES


def test_a_clusters_name_is_quoted() -> None:
    """A name cannot leave its matcher, and stands beside the matchers that are there."""
    text = of_cluster(FIGURES["failed"], 'a"} or up{x="')
    assert text.count('finished_reason="error",cluster="a\\"} or up{x=\\""') == 2  # vLLM's colon, and the underscore
    parse(text)


def test_every_selector_is_narrowed() -> None:
    """No figure of one cluster reads all clusters' samples."""
    for figure in FIGURES.values():
        text = of_cluster(figure, "eu-1")
        assert text.count('cluster="eu-1"') == sum(text.count(name) for name in ("vllm:", "vllm_", "frontdoor_")), text
