"""Client programs as a server sees them: which headers they send, in which order, with which fields of the body.

The order is that of the wire; a door that knows its official clients tells them apart by it. A name in braces is filled
in for each request: host, length, authorization.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """One release of one client program.

    Args:
        known: what a door with the shipped signatures says of it.
        fields: the only fields that its bodies have; None where users of the program choose.
    """

    name: str
    headers: tuple[tuple[str, str], ...]
    known: Literal["known", "unknown", "spoofed"] = "known"
    fields: frozenset[str] | None = None

    @property
    def fingerprint(self) -> str:
        """The signature's name where the client is known, else a hash of which headers come in which order."""
        if self.known == "known":
            return self.name
        order = ",".join(name.casefold() for name, _ in self.headers)
        agent = next((value for name, value in self.headers if name.casefold() == "user-agent"), "")
        return "fp-" + hashlib.blake2b(f"{order}|{agent}".encode(), digest_size=6).hexdigest()

    def fill(self, host: str, length: int, authorization: str | None) -> list[tuple[str, str]]:
        """The headers of one request; without *authorization* that header is left out."""
        values = {"host": host, "length": str(length), "authorization": authorization}
        filled = []
        for name, value in self.headers:
            if value == "{authorization}" and authorization is None:
                continue
            filled.append((name, value.format_map(values) if value.startswith("{") else value))
        return filled


_HOST = ("Host", "{host}")
_KEY = ("Authorization", "{authorization}")
_LENGTH = ("Content-Length", "{length}")
_WEB = "web-2026.11.3"
_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)

OPENAI_PYTHON = ClientProfile(
    "openai-python-3",
    (
        _HOST,
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        _KEY,
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "OpenAI/Python 3.54.0"),
        ("X-Stainless-Lang", "python"),
        ("X-Stainless-Package-Version", "3.54.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "CPython"),
        ("X-Stainless-Runtime-Version", "3.11.7"),
        ("X-Stainless-Async", "false"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-read-timeout", "600"),
        _LENGTH,
    ),
)
OPENAI_NODE = ClientProfile(
    "openai-node",
    (
        _HOST,
        ("Connection", "keep-alive"),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "OpenAI/JS 6.2.0"),
        ("X-Stainless-Retry-Count", "0"),
        ("X-Stainless-Lang", "js"),
        ("X-Stainless-Package-Version", "6.2.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "node"),
        ("X-Stainless-Runtime-Version", "v22.11.0"),
        _KEY,
        ("Accept-Language", "*"),
        ("Sec-Fetch-Mode", "cors"),
        ("Accept-Encoding", "gzip, deflate"),
        _LENGTH,
    ),
    known="unknown",
)
BROWSER = ClientProfile(
    "web-2026.11",
    (
        _HOST,
        ("Connection", "keep-alive"),
        _LENGTH,
        ("sec-ch-ua-platform", '"Windows"'),
        _KEY,
        ("User-Agent", _CHROME),
        ("X-Client-Version", _WEB),
        ("sec-ch-ua", '"Chromium";v="156", "Not?A_Brand";v="8"'),
        ("Content-Type", "application/json"),
        ("sec-ch-ua-mobile", "?0"),
        ("Accept", "text/event-stream"),
        ("Origin", "https://chat.example.com"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Referer", "https://chat.example.com/"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-US,en;q=0.9"),
    ),
    fields=frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "temperature"}),
)
MOBILE_APP = ClientProfile(
    "mobile-app",
    (
        _HOST,
        ("Accept", "text/event-stream"),
        ("Content-Type", "application/json"),
        _KEY,
        ("Accept-Language", "en"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("User-Agent", "Chat/1.14 (iOS 26.1; iPhone)"),
        _LENGTH,
        ("Connection", "keep-alive"),
    ),
    known="unknown",
)
CURL = ClientProfile(
    "curl-7",
    (
        _HOST,
        ("User-Agent", "curl/7.88.1"),
        ("Accept", "*/*"),
        _KEY,
        ("Content-Type", "application/json"),
        _LENGTH,
    ),
)
PYTHON_REQUESTS = ClientProfile(
    "python-requests",
    (
        _HOST,
        ("User-Agent", "python-requests/2.32.5"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Accept", "*/*"),
        ("Connection", "keep-alive"),
        _KEY,
        _LENGTH,
        ("Content-Type", "application/json"),
    ),
    known="unknown",
)
RESELLER = ClientProfile(
    "node-fetch-relay",
    (
        _HOST,
        ("accept", "application/json"),
        ("content-type", "application/json"),
        _KEY,
        ("user-agent", "axios/1.12.2"),
        _LENGTH,
        ("accept-encoding", "gzip, compress, deflate, br"),
        ("connection", "keep-alive"),
    ),
    known="unknown",
)
FAKE_BROWSER = ClientProfile(
    # Says that it is the web page's browser, in the order of a library and without a browser's own headers.
    "web-chat-imitation",
    (
        _HOST,
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        ("User-Agent", _CHROME),
        ("X-Client-Version", _WEB),
        _KEY,
        ("Content-Type", "application/json"),
        _LENGTH,
    ),
    known="spoofed",
)

PROFILES: Mapping[str, ClientProfile] = {
    profile.name: profile
    for profile in (
        *(OPENAI_PYTHON, OPENAI_NODE, BROWSER, MOBILE_APP, CURL),
        *(PYTHON_REQUESTS, RESELLER, FAKE_BROWSER),
    )
}
