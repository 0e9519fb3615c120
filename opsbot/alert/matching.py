"""Which alerts are meant: label matchers in Prometheus's and Alertmanager's own writing, such as `cluster=~"eu-.*"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import promql_parser as tree

from opsbot.errors import ConfigError
from opsbot.promql.pattern import PatternError
from opsbot.promql.syntax import QueryError, matchers, parse

MAX_MATCHERS = 16
MAX_LENGTH = 512

_Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """Several matchers, all of which must hold; an absent label is the empty text.

    Args:
        texts: the matchers as they were written.
    """

    texts: tuple[str, ...]
    _tests: tuple[tuple[str, _Test], ...] = field(repr=False, compare=False)

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether every matcher holds for *labels*."""
        return all(test(labels.get(name, "")) for name, test in self._tests)

    def __str__(self) -> str:
        return ", ".join(self.texts)


def label_match(texts: Sequence[str]) -> LabelMatch:
    """The match that *texts* say, each one matcher.

    Raises: ConfigError, naming the text that cannot be used.
    """
    if not 0 < len(texts) <= MAX_MATCHERS:
        raise ConfigError(f"between 1 and {MAX_MATCHERS} matchers are needed, not {len(texts)}")
    tests: list[tuple[str, _Test]] = []
    for text in texts:
        if len(text) > MAX_LENGTH:
            raise ConfigError(f"a matcher of more than {MAX_LENGTH} characters is not taken")
        # A name that matches everything, because PromQL refuses a selector that could select all series.
        try:
            expr = parse(f'{{{text},__name__!=""}}')
            assert isinstance(expr, tree.VectorSelector)
            found = matchers(expr)[:-1]
            if len(found) != 1:
                raise QueryError("it is not one matcher")
            tests += [(matcher.name, matcher.compiled()) for matcher in found]
        except (QueryError, PatternError, AssertionError) as error:
            raise ConfigError(
                f"`{text}` is no label matcher; write one as in Prometheus: "
                'alertname="TargetDown", cluster!="eu-1", severity=~"low|info"'
            ) from error
    return LabelMatch(tuple(texts), tuple(tests))
