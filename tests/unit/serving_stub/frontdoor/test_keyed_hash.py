"""Keyed hashes: equal for equal things of one month, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving_stub.errors import SettingError
from serving_stub.frontdoor.keyed_hash import (
    SECRET_VARIABLE,
    Keyring,
    Kind,
    hasher_of,
    month_key,
    month_of,
    read_secret,
)

SECRET = b"a secret of thirty-two bytes, ok"
LAST_OF_NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()


def test_value_begins_with_the_months_key_id() -> None:
    """A hash says which month's key made it, and is 128 bits long."""
    key_id, _, digest = hasher_of(SECRET, "2026-11")(Kind.KEY, "sk-1").partition(".")
    assert key_id == "2026-11-0ec3"
    assert len(bytes.fromhex(digest)) == 16


def test_equal_on_every_replica() -> None:
    """The same secret, month, kind and value give the same hash, as text or bytes."""
    assert hasher_of(SECRET, "2026-11")(Kind.ACCOUNT, "ada") == hasher_of(SECRET, "2026-11")(Kind.ACCOUNT, b"ada")


@pytest.mark.parametrize(
    ("secret", "month", "kind", "value"),
    [
        pytest.param(b"another secret, thirty-two bytes", "2026-11", Kind.KEY, "sk-1", id="secret"),
        pytest.param(SECRET, "2026-12", Kind.KEY, "sk-1", id="month"),
        pytest.param(SECRET, "2026-11", Kind.ACCOUNT, "sk-1", id="kind"),
        pytest.param(SECRET, "2026-11", Kind.KEY, "sk-2", id="value"),
    ],
)
def test_differs_in_anything(secret: bytes, month: str, kind: Kind, value: str) -> None:
    """Another secret, month, kind or value gives another hash."""
    assert hasher_of(secret, month)(kind, value) != hasher_of(SECRET, "2026-11")(Kind.KEY, "sk-1")


def test_months_key_is_hkdf() -> None:
    """RFC 5869 with SHA-256, the month as info."""
    assert month_key(SECRET, "2026-11").hex() == "08410a678da6ff1cbd4289665f9fdaa3408e4a1da82a5f772075390fb89b06d5"


def test_rotates_at_midnight_utc() -> None:
    """The second after November ends, the key is December's; stepping back brings November's again."""
    keyring = Keyring(SECRET)
    november = keyring.at(LAST_OF_NOVEMBER)
    december = keyring.at(LAST_OF_NOVEMBER + 1)
    assert (november.key_id[:7], december.key_id[:7]) == ("2026-11", "2026-12")
    assert november.simhash_seed != december.simhash_seed
    assert keyring.at(LAST_OF_NOVEMBER).key_id == november.key_id


def test_hasher_is_kept_within_a_day() -> None:
    """Deriving keys is not done per request."""
    keyring = Keyring(SECRET)
    assert keyring.at(LAST_OF_NOVEMBER) is keyring.at(LAST_OF_NOVEMBER - 60)


def test_ephemeral_secrets_differ() -> None:
    """Without a secret, two processes cannot be compared."""
    assert Keyring.ephemeral().at(0.0)(Kind.KEY, "sk-1") != Keyring.ephemeral().at(0.0)(Kind.KEY, "sk-1")


def test_lone_surrogates_are_hashed() -> None:
    """JSON may carry half a character; it is no reason to fail."""
    hasher = hasher_of(SECRET, "2026-11")
    assert hasher(Kind.SYSTEM_PROMPT, "\ud800") != hasher(Kind.SYSTEM_PROMPT, "\ud801")


def test_secret_from_file_goes_before_environment(tmp_path: Path) -> None:
    """A file is read without the line break at its end; the variable counts where there is no file."""
    file = tmp_path / "secret"
    file.write_text("f" * 32 + "\n")
    environment = {SECRET_VARIABLE: "e" * 32}
    assert read_secret(file, environment) == b"f" * 32
    assert read_secret(None, environment) == b"e" * 32
    assert read_secret(None, {}) is None


def test_short_secret_is_refused_unseen(tmp_path: Path) -> None:
    """The message says where and how long, never what."""
    file = tmp_path / "secret"
    file.write_text("hunter2")
    with pytest.raises(SettingError, match=r"secret: the secret has 7 bytes, expected at least 32") as caught:
        read_secret(file, {})
    assert "hunter2" not in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is an error, not a run without a secret."""
    with pytest.raises(SettingError, match="cannot be read"):
        read_secret(tmp_path / "nothing", {})


def test_months_are_of_utc() -> None:
    """A month is told in UTC wherever the server stands."""
    assert month_of(0.0) == "1970-01"
