"""Two expositions in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving_stub.api.exposition import NoExposition, checked, families, joined

RECORDED = Path(__file__).parents[4] / "tests" / "data" / "vllm-0.32.0-metrics-under-load.txt"
OURS = b"# HELP frontdoor_up Door.\n# TYPE frontdoor_up gauge\nfrontdoor_up 1.0\n"


def test_a_real_exposition_passes_as_it_came() -> None:
    """That of a vLLM under load, in front of ours, and a parser reads both."""
    recorded = RECORDED.read_bytes()
    both = joined(checked(recorded), OURS)
    assert both == recorded.rstrip(b"\n") + b"\n" + OURS
    names = [family.name for family in text_string_to_metric_families(both.decode())]
    assert len(names) == len(set(names))
    assert names[-1] == "frontdoor_up"


def test_a_name_that_both_have_is_kept_apart() -> None:
    """Comments and all samples of a histogram are renamed, and nothing that only begins like it."""
    theirs = (
        b"# HELP wait Wait.\n# TYPE wait histogram\n"
        b'wait_bucket{le="1.0"} 2.0\nwait_bucket{le="+Inf"} 2.0\nwait_sum 1e-05\nwait_count 2.0\n'
        b"# TYPE wait_more gauge\nwait_more 1\n"
        b"# TYPE hits_total counter\nhits_total 3 1790000000000\n"
        b"plain NaN\n"
    )
    ours = b"# TYPE wait gauge\nwait 1\n# TYPE hits_total counter\nhits_total 1\nplain 5\n"
    assert (
        joined(theirs, ours)
        == (
            b"# HELP upstream_wait Wait.\n# TYPE upstream_wait histogram\n"
            b'upstream_wait_bucket{le="1.0"} 2.0\nupstream_wait_bucket{le="+Inf"} 2.0\n'
            b"upstream_wait_sum 1e-05\nupstream_wait_count 2.0\n"
            b"# TYPE wait_more gauge\nwait_more 1\n"
            b"# TYPE upstream_hits_total counter\nupstream_hits_total 3 1790000000000\n"
            b"upstream_plain NaN\n"
        )
        + ours
    )


def test_families_are_those_declared_and_bare_samples() -> None:
    """A suffix belongs to its family only where that is declared."""
    assert families(b"# TYPE a histogram\na_sum 1\nb_sum 2\n") == {b"a", b"b_sum"}


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"a 1\nb\n", b"a one\n", b"# HELP a b\n", b"\xff\xfe 1\n"])
def test_what_is_no_exposition(content: bytes) -> None:
    """Is not passed on."""
    with pytest.raises(NoExposition):
        checked(content)


def test_the_end_mark_of_openmetrics_is_left_out() -> None:
    """After it nothing may follow, and ours does."""
    assert checked(b"a 1\r\n# EOF\n") == b"a 1\n"
