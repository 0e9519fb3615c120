"""The socket that a server listens on."""

from __future__ import annotations

import socket

from serving_stub.api.serve import bind


def test_small_writes_are_not_held_back() -> None:
    """A connection sends what it has at once: a token must not wait until the headers are acknowledged."""
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
