"""Signatures: by which keys, how they are written, how old."""

from __future__ import annotations

import pytest

from opsbot.web.inbound.signature import SignatureKeys, seconds_off, split_signatures

# RFC 4231, test case 2.
RFC_KEY, RFC_MESSAGE = "Jefe", b"what do ya want for nothing?"
RFC_SIGNATURE = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_the_standards_example() -> None:
    """RFC 4231's second test case, both ways."""
    keys = SignatureKeys.of([RFC_KEY])
    assert keys.sign(RFC_MESSAGE) == RFC_SIGNATURE
    assert keys.verify(RFC_MESSAGE, [RFC_SIGNATURE])
    assert keys.verify(RFC_MESSAGE, [f" {RFC_SIGNATURE.upper()} "])
    assert not keys.verify(RFC_MESSAGE + b"?", [RFC_SIGNATURE])


@pytest.mark.parametrize("given", [[], [""], ["ü"], [RFC_SIGNATURE[:-1]], [RFC_SIGNATURE[:-1] + "4"]])
def test_what_is_no_signature(given: list[str]) -> None:
    """Nothing, too short, another digit, no ASCII at all."""
    assert not SignatureKeys.of([RFC_KEY]).verify(RFC_MESSAGE, given)


def test_keys_are_changed_without_a_gap() -> None:
    """Old and new keys are valid together; the newest signs; a key that was taken out is not."""
    old, both, new = SignatureKeys.of(["old"]), SignatureKeys.of(["new", "old"]), SignatureKeys.of(["new"])
    assert both.verify(b"m", [old.sign(b"m")])
    assert both.verify(b"m", [new.sign(b"m")])
    assert both.sign(b"m") == new.sign(b"m")
    assert new.verify(b"m", ["rubbish", old.sign(b"m"), new.sign(b"m")])
    assert not new.verify(b"m", [old.sign(b"m")])


def test_a_request_cannot_have_us_try_for_ever() -> None:
    """Eight signatures are looked at, the ninth is not."""
    keys = SignatureKeys.of(["k"])
    assert keys.verify(b"m", [*["x"] * 7, keys.sign(b"m")])
    assert not keys.verify(b"m", [*["x"] * 8, keys.sign(b"m")])


@pytest.mark.parametrize("secrets", [[], [""], ["k", ""]])
def test_an_empty_key_is_none(secrets: list[str]) -> None:
    """A variable that is set to nothing never becomes a key that everybody knows."""
    with pytest.raises(ValueError, match="a key is not empty"):
        SignatureKeys.of(secrets)


def test_keys_do_not_show() -> None:
    """Whoever logs them logs no key."""
    assert "s3cret" not in repr(SignatureKeys.of(["s3cret"]))


@pytest.mark.parametrize(
    ("header", "prefix", "expected"),
    [
        ("abc", "", ("abc",)),
        ("abc, def", "", ("abc", "def")),
        ("v1=abc,v1=def", "v1=", ("abc", "def")),
        ("v0=abc,v1=def", "v1=", ("def",)),
        ("v1=", "v1=", ()),
        ("", "", ()),
    ],
)
def test_headers_are_taken_apart(header: str, prefix: str, expected: tuple[str, ...]) -> None:
    """One or several, with the version that some senders write before each."""
    assert split_signatures(header, prefix) == expected


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1000", 0.5),
        ("1300", 299.5),
        ("700", 300.5),
        ("", None),
        ("-5", None),
        ("1e3", None),
        ("²", None),
        ("9" * 13, None),
    ],
)
def test_how_old_a_request_is(timestamp: str, expected: float | None) -> None:
    """In either direction; text that is no whole number of seconds has no age."""
    assert seconds_off(timestamp, 1000.5) == expected
