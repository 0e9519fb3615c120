"""What must not leave: characters that nobody sees but that change what people read, secrets, and people's addresses.

Pure. The last thing before text from outside is escaped. Addresses of one's own machines (private networks) stay,
since they name what is broken; any other address may be a caller's.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from opsbot.logs.redact import Redactor

ADDRESS = "[address]"
_redact = Redactor()
_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029"  # soft hyphen, marks of direction, zero width, separators
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # overrides and isolates, joiners, annotations
    "\U000e0000-\U000e007f"  # tags
    "\ud800-\udfff"  # half characters: no request could carry them
    "]"
)
"""ZWJ and ZWNJ stay: emoji and several scripts are written with them."""
_PILE = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{2})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]+"
)
_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_V6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")
_KEYS = (
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}"),
    re.compile(r"\b(?:gh[pousr]|glpat|hf|pk|rk|sk)[_-][\w-]{12,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)
_OWN_NETWORKS = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
HIDDEN = "[redacted]"


def fit_to_leave(text: str) -> str:
    """*text* without what nobody sees, without secrets, and without addresses that may be a caller's."""
    text = _PILE.sub(r"\1", _UNSEEN.sub("", text.replace("\r\n", "\n")))
    text = _redact(text)
    for pattern in _KEYS:
        text = pattern.sub(HIDDEN, text)
    if "." in text:
        text = _V4.sub(_address, text)
    if "::" in text or text.count(":") > 6:
        text = _V6.sub(_address, text)
    return text


def _address(found: re.Match[str]) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(found[0])
    except ValueError:
        # A version such as 4.300.1.1, or a time of day.
        return found[0]
    return found[0] if any(address in network for network in _OWN_NETWORKS) else ADDRESS
