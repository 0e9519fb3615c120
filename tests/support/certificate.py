"""A certificate for loopback that no machine knows, made with openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate, which is its own authority, and its key."""

    file: Path
    key_file: Path


def make_certificate(folder: Path) -> Certificate:
    """A new one for 127.0.0.1, good for two days."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is not installed: run `make setup`, or install Debian's package openssl"
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-addext", "keyUsage=digitalSignature,keyCertSign",
        "-keyout", str(made.key_file), "-out", str(made.file),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return made
