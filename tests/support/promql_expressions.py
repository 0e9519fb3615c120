"""Random PromQL whose answer does not depend on the order of additions.

Two sorts of vectors are told apart: *exact* ones, whose values both sides compute to the last bit, and *rounded* ones.
What jumps (a comparison, a floor, a ranking, a division by zero) is asked of exact ones only.
"""

from __future__ import annotations

import random

COUNTERS = ["m_total", "m_reset_total"]
EXACT = ["m_gauge", "m_flapping", "m_constant", "m_gone", "m_late", "m_once", "m_info", *COUNTERS]
HISTOGRAMS = ["m_bucket", "m_open_bucket", "m_negative_bucket", "m_twice_bucket", "m_odd_bucket", "m_torn_bucket"]
MATCHERS = ["", "", "", '{cluster="a"}', '{cluster!="c"}', '{cluster=~"a|d"}', '{cluster!~"[bc]"}', '{zone="x"}']
WHEN = ["", "", "", "", " offset 3s", " offset 11s", " offset -4s", " @ 1790000047.25", " @ start()", " @ end()"]
GROUPS = [" by (cluster)", " by (zone)", " by (cluster, zone, le)", " without (zone)", " without (cluster, tier)", ""]
MATCHING = ["", "", " on (cluster)", " on (cluster, zone)", " ignoring (zone)", " ignoring (tier, zone, le)", " on ()"]
RANGE_EXACT = ["min", "max", "sum", "count", "last", "present"]
RANGE_ROUNDED = ["rate", "increase", "delta", "irate", "idelta", "deriv"]
RANGE_ROUNDED += [f"{name}_over_time" for name in ("avg", "stddev", "stdvar")]


class Expressions:
    """Expressions from one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def any(self, depth: int = 3) -> str:
        """A vector of either sort."""
        return self._rng.choice([self.exact, self.rounded])(depth)

    def exact(self, depth: int) -> str:
        """A vector whose values are exact."""
        if depth <= 0 or self._rng.random() < 0.15:
            return self._selector()
        less = depth - 1
        makers = [
            lambda: f"{self._pick('sum min max count group')}{self._group()} ({self.exact(less)})",
            lambda: f"{self._pick('topk bottomk')}{self._group()} ({self._pick('1 2 3')}, m_gauge{self._when()})",
            lambda: f"{self._rng.choice(RANGE_EXACT)}_over_time({self._range(less, is_exact=True)})",
            lambda: f"{self._pick('changes resets')}({self._range(less, is_exact=True)})",
            lambda: f"({self.exact(less)} {self._pick('+ - *')}{self._matching()} {self.exact(less)})",
            lambda: f"({self.exact(less)} {self._pick('+ - * %')} {self._number()})",
            lambda: f"({self._number()} {self._pick('+ - *')} {self.exact(less)})",
            lambda: f"({self.exact(less)} {self._comparison()}{self._matching()} {self.exact(less)})",
            lambda: f"({self.exact(less)} {self._comparison()} {self._number()})",
            lambda: f"(m_gauge {self._pick('* + == > < !=')} on (cluster) group_left{self._labels()} m_info)",
            lambda: f"(m_info {self._pick('* + == >= <=')} on (cluster) group_right{self._labels()} m_flapping)",
            lambda: f"({self.any(less)} {self._pick('and or unless')}{self._matching()} {self.any(less)})",
            lambda: f"{self._pick('abs ceil floor round sgn')}({self.exact(less)})",
            lambda: f"clamp({self.exact(less)}, {self._number()}, {self._number()})",
            lambda: f"{self._pick('clamp_min clamp_max')}({self.exact(less)}, scalar({self.exact(0)}))",
            lambda: f"round({self.exact(less)}, {self._pick('0.5 2 8')})",
            lambda: f"-({self.exact(less)})",
            lambda: f"absent({self.any(less)})",
            lambda: f"absent_over_time({self._range(less, is_exact=True)})",
            lambda: f"vector(scalar({self.exact(less)}))",
            lambda: f'label_replace({self.exact(less)}, "zone", "$1-$2", "cluster", "(.)(.*)")',
            lambda: f'label_join({self.exact(less)}, "both", "/", "cluster", "zone")',
            lambda: f"sort({self.exact(less)})",
        ]
        return self._rng.choice(makers)()

    def rounded(self, depth: int) -> str:
        """A vector whose values are as good as the order of operations."""
        if depth <= 0:
            return f"{self._rng.choice(RANGE_ROUNDED)}({self._range(0, is_exact=True)})"
        less = depth - 1
        makers = [
            lambda: f"{self._rng.choice(RANGE_ROUNDED)}({self._range(less, is_exact=True)})",
            lambda: f"quantile_over_time({self._pick('0 0.25 0.9 1')}, {self._range(less, is_exact=True)})",
            lambda: f"predict_linear({self._moving_range()}, {self._pick('-5 0 30 600')})",
            lambda: f"{self._pick('avg stddev stdvar')}{self._group()} ({self.exact(less)})",
            lambda: f"{self._pick('sum avg min max')}{self._group()} ({self.rounded(less)})",
            lambda: f"quantile{self._group()} ({self._pick('0 0.3 0.5 1 2')}, {self.exact(less)})",
            lambda: f"({self.rounded(less)} {self._pick('+ *')}{self._matching()} {self.rounded(less)})",
            lambda: f"({self.rounded(less)} /{self._matching()} {self.exact(less)})",
            lambda: f"({self.exact(less)} / {self._number()})",
            lambda: f"({self.exact(less)} ^ {self._pick('0.5 2 -1 -0.5')})",
            lambda: f"{self._pick('sqrt ln log2 log10')}({self.exact(less)})",
            lambda: f"exp({self.exact(less)} / 50)",
            lambda: f"(time() - timestamp({self._selector()}))",
            lambda: f"(time() - timestamp({self.exact(less)}))",
            lambda: f"histogram_quantile({self._pick('0.037 0.371 0.913 0 1 -1 2')}, {self._buckets()})",
            lambda: f"{self._pick('min max avg')}_over_time({self._range(less, is_exact=False)})",
        ]
        return self._rng.choice(makers)()

    def _selector(self) -> str:
        return self._rng.choice(EXACT) + self._rng.choice(MATCHERS) + self._when()

    def _range(self, depth: int, *, is_exact: bool) -> str:
        if is_exact and self._rng.random() < 0.7:
            matchers = self._rng.choice(MATCHERS)
            return f"{self._rng.choice(EXACT)}{matchers}[{self._pick('2s 7s 15s 40s 2m')}]{self._when()}"
        inner = self.exact(min(depth, 1)) if is_exact else self.rounded(min(depth, 1))
        return f"({inner})[{self._pick('9s 20s')}:{self._pick('3s 2s 5s 1500ms')}]{self._when()}"

    def _moving_range(self) -> str:
        """One without `@`, with which Prometheus 2.42 gets predict_linear wrong at all steps but the first."""
        return f"{self._rng.choice(EXACT)}[{self._pick('7s 40s')}]{self._pick_of('', ' offset 5s')}"

    def _buckets(self) -> str:
        histogram = self._rng.choice(HISTOGRAMS)
        return self._pick_of(
            histogram,
            f"rate({histogram}[{self._pick('5s 20s')}])",
            f"sum by (le) (rate({histogram}[20s]))",
            f"sum by (le, cluster) ({histogram}{self._when()})",
        )

    def _group(self) -> str:
        return self._rng.choice(GROUPS)

    def _matching(self) -> str:
        return self._rng.choice(MATCHING)

    def _labels(self) -> str:
        return self._pick_of("", " ()", " (tier)", " (tier, zone)")

    def _when(self) -> str:
        return self._rng.choice(WHEN)

    def _number(self) -> str:
        return self._pick("-4 0 0.5 1 3 8 16.25 Inf NaN")

    def _comparison(self) -> str:
        return self._pick("> < >= <= == !=") + self._pick_of("", " bool")

    def _pick(self, words: str) -> str:
        return self._rng.choice(words.split(" "))

    def _pick_of(self, *texts: str) -> str:
        return self._rng.choice(texts)
