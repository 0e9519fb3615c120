"""Two Prometheus expositions in one: the upstream's as it came, then ours.

Plain text 0.0.4 only. Where both have a family of the same name, ours keeps it and the upstream's is called
`upstream_<name>`, so that no family appears twice and none is lost.
"""

from __future__ import annotations

import re

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*"
_COMMENT = re.compile(rb"# (?:HELP|TYPE) (%b)(?: |$)" % _NAME)
_SAMPLE = re.compile(rb"(%b)(?:\{[^\n]*\})? (?:[-+]?[0-9.eE+-]+|[-+]?Inf|NaN)(?: -?\d+)?$" % _NAME)
_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_total", b"_created", b"_info")
_PREFIX = b"upstream_"


class NoExposition(ValueError):
    """A text is not Prometheus's."""


def checked(content: bytes) -> bytes:
    """*content*, known to be an exposition and ended by a newline; OpenMetrics' `# EOF` is left out.

    Raises: NoExposition naming the line.
    """
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line and not line.startswith(b"#") and _SAMPLE.match(line) is None:
            raise NoExposition(f"line {number} is no sample of the Prometheus text format")
    if not any(line and not line.startswith(b"#") for line in lines):
        raise NoExposition("there is no sample in it")
    return b"\n".join(line for line in lines if line and line != b"# EOF") + b"\n"


def families(content: bytes) -> frozenset[bytes]:
    """The names of all families: those declared, and samples that nobody declared."""
    declared = {match[1] for line in content.split(b"\n") if (match := _COMMENT.match(line))}
    samples = {match[1] for line in content.split(b"\n") if (match := _SAMPLE.match(line))}
    return frozenset(declared | {name for name in samples if _family(name, declared) == name})


def joined(upstream: bytes, ours: bytes) -> bytes:
    """Both, the upstream's first and byte for byte but for the names that clash."""
    own = families(ours)
    theirs = families(upstream)
    clashing = own & theirs
    if clashing:
        upstream = b"\n".join(_renamed(line, theirs, clashing) for line in upstream.split(b"\n"))
    return upstream + ours


def _renamed(line: bytes, declared: frozenset[bytes], clashing: frozenset[bytes]) -> bytes:
    comment = _COMMENT.match(line)
    if comment is not None:
        name = comment[1]
        return line if name not in clashing else line[: comment.start(1)] + _PREFIX + line[comment.start(1) :]
    sample = _SAMPLE.match(line)
    if sample is None or _family(sample[1], declared) not in clashing:
        return line
    return _PREFIX + line


def _family(name: bytes, declared: frozenset[bytes] | set[bytes]) -> bytes:
    """Which family a sample belongs to: its own name, or what is left without a known suffix."""
    if name in declared:
        return name
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in declared:
            return name.removesuffix(suffix)
    return name
