"""A certificate for loopback, signed by an authority that no machine knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """The authority's certificate, and the server's with its key."""

    ca_file: Path
    server_pem: Path


def make_certificate(folder: Path) -> Certificate:
    """A new one for 127.0.0.1."""
    authority = trustme.CA()
    made = Certificate(folder / "ca.pem", folder / "server.pem")
    authority.cert_pem.write_to_path(made.ca_file)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(made.server_pem)
    return made
