"""Secrets are read where they are listed, and taken out of what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.action.secret import MAX_SECRET_BYTES, Mask, SecretRef, SecretStore
from opsbot.action_settings import SecretsSection
from opsbot.errors import ActionError


def test_a_file_s_secret_is_its_text_without_the_line_s_end(tmp_path: Path) -> None:
    """As an editor leaves it."""
    file = tmp_path / "key"
    file.write_text(" abc \n")
    assert SecretStore(SecretsSection(files=(file,))).read(SecretRef(secret_file=str(file))) == "abc"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MAX_SECRET_BYTES + 1), None])
def test_a_file_that_holds_no_secret_is_named_and_not_shown(tmp_path: Path, content: bytes | None) -> None:
    """Empty, no text, far too large, or not there."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ActionError, match="the secret file") as raised:
        SecretStore(SecretsSection(files=(file,))).read(SecretRef(secret_file=str(file)))
    assert "xxx" not in str(raised.value)


def test_a_store_does_not_show_what_it_holds() -> None:
    """Neither does a mask."""
    store = SecretStore(SecretsSection(env=("A",)), {"A": "hidden-value"})
    assert "hidden-value" not in repr(store)
    assert "hidden-value" not in repr(Mask.of(["hidden-value"]))


def test_masking_reaches_everywhere() -> None:
    """Keys, lists, and a secret that contains another; a short word is left alone."""
    mask = Mask.of(["abcdef", "abcdefgh", "no"])
    assert mask.value({"x-abcdefgh": ["a abcdef b", 7, None, True], "no": "no"}) == {
        "x-[redacted]": ["a [redacted] b", 7, None, True],
        "no": "no",
    }
