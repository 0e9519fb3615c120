"""What passes from an upstream's stream to the client, and what is learnt from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_stub.api.upstream_stream import DONE, BadStream, StreamRelay
from serving_stub.frontdoor.served import Served

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}


def event(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
    """One chunk of a chat completion."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return f"data: {json.dumps({**HEAD, 'choices': choices, **more}, separators=(',', ':'))}\n\n".encode()


ROLE = event({"role": "assistant", "content": ""})
ONE, TWO = event({"content": "one"}), event({"content": "zwö\n\n"})
LAST = event({}, "length")
COUNT = f"data: {json.dumps({**HEAD, 'choices': [], 'usage': USAGE})}\n\n".encode()
WHOLE = ROLE + ONE + TWO + LAST + COUNT + DONE


def relayed(content: bytes, *, hides_usage: bool = True, cut: int | None = None) -> tuple[bytes, Served]:
    """The whole of *content* as the client gets it, read in two pieces when *cut*."""
    served = Served()
    relay = StreamRelay(served, hides_usage=hides_usage)
    passed = b"".join(map(relay.feed, (content[:cut], content[cut:]) if cut is not None else (content,)))
    return passed + relay.end(), served


def test_what_the_client_asked_for_passes_as_it_came() -> None:
    """Not a byte changes, and the upstream's count is taken."""
    passed, served = relayed(WHOLE, hides_usage=False)
    assert passed == WHOLE
    assert served == Served(prompt_tokens=7, cached_tokens=4, completion_tokens=2, finish_reason="length")


def test_a_count_that_the_client_did_not_ask_for_is_taken_out() -> None:
    """The usage chunk disappears; the count is known all the same."""
    passed, served = relayed(WHOLE)
    assert passed == ROLE + ONE + TWO + LAST + DONE
    assert (served.prompt_tokens, served.completion_tokens) == (7, 2)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_fields_of_usage_are_taken_out_of_other_chunks(separators: tuple[str, str]) -> None:
    """Some servers put `usage: null` into every chunk, or the count so far; clients that did not ask see neither."""
    choices = [{"index": 0, "delta": {"content": 'says ,"usage":null'}, "finish_reason": None}]
    plain = {**HEAD, "choices": choices}
    for usage in (None, USAGE):
        content = f"data: {json.dumps({**plain, 'usage': usage}, separators=separators)}\n\n".encode()
        passed, _ = relayed(content + LAST + DONE)
        first = passed.split(b"\n\n")[0].removeprefix(b"data: ")
        assert json.loads(first) == plain


def test_without_a_count_content_chunks_are_counted() -> None:
    """The opening, the finish and comments are no tokens."""
    _, served = relayed(ROLE + ONE + b": ping\n\n" + TWO + LAST + DONE)
    assert served.completion_tokens == 2


def test_text_completions_are_counted_too() -> None:
    """Their chunks have a text instead of a delta."""
    chunk = b'data: {"choices":[{"index":0,"text":" a","finish_reason":null}]}\n\n'
    last = b'data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}\n\n'
    _, served = relayed(chunk * 3 + last + DONE)
    assert (served.completion_tokens, served.finish_reason) == (3, "stop")


@given(cut=st.integers(0, len(WHOLE)), is_crlf=st.booleans())
def test_it_makes_no_difference_where_reads_end(cut: int, *, is_crlf: bool) -> None:
    """Whatever the pieces, the client gets the same events."""
    content = WHOLE.replace(b"\n", b"\r\n") if is_crlf else WHOLE
    assert relayed(content, cut=cut)[0] == ROLE + ONE + TWO + LAST + DONE


def test_half_an_event_is_never_passed_on() -> None:
    """It waits until it is whole."""
    relay = StreamRelay(Served(), hides_usage=True)
    assert relay.feed(ROLE + ONE[:20]) == ROLE
    assert relay.feed(ONE[20:]) == ONE


@pytest.mark.parametrize(
    "rubbish",
    [
        b"<html>oops</html>\n\n",
        b'data: {"choices": [\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n',
        b"data: [1, 2]\n\n",
        b'data: {"choices": 5}\n\n',
        b"data: " + b"x" * (1 << 20) + b"x",
    ],
    ids=["html", "half JSON", "not UTF-8", "no object", "no choices", "endless"],
)
def test_rubbish_is_refused(rubbish: bytes) -> None:
    """None of it reaches the client."""
    relay = StreamRelay(Served(), hides_usage=True)
    with pytest.raises(BadStream):
        relay.feed(rubbish)


def test_a_stream_without_its_done_is_completed() -> None:
    """When the finish reason came, only the formality is missing."""
    assert relayed(ROLE + ONE + LAST)[0] == ROLE + ONE + LAST + DONE


def test_a_stream_that_just_ends_is_broken() -> None:
    """No finish reason and no `[DONE]`: the answer is not whole, and the tokens that came are counted."""
    served = Served()
    relay = StreamRelay(served, hides_usage=True)
    relay.feed(ROLE + ONE + TWO[:10])
    with pytest.raises(BadStream):
        relay.end()
    assert served.completion_tokens == 1


@pytest.mark.parametrize(
    "body",
    ['{"error":{"message":"no","type":"x","code":"kv_full"}}', '{"object":"error","message":"no","code":"kv_full"}'],
    ids=["OpenAI's shape", "older servers' shape"],
)
def test_an_upstreams_own_error_passes_and_is_noted(body: str) -> None:
    """Its code is what the log shows."""
    content = f"data: {body}\n\n".encode() + DONE
    passed, served = relayed(ROLE + content)
    assert passed == ROLE + content
    assert served.error_code == "kv_full"
