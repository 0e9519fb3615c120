"""What somebody wants done to a cluster, read from what they typed, in whatever order they typed it.

Pure. What cannot be read is refused with what to type instead; nothing is guessed, since it changes something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from opsbot.errors import ConfigError
from opsbot.spoken.plain import nearest, plain
from opsbot.spoken.scan import Found, scan

Kind = Literal["show", "set", "release"]
ActVerb = Literal["batch", "shed", "failwhale", "fallback", "loadtest"]

USAGES: dict[str, str] = {
    "batch": "`batch eu-1 8 for 10m because KV is full`, `batch eu-1 -25%`, or `batch eu-1 off`",
    "shed": "`shed eu-1 20% for 15m because the queue grows`, or `shed eu-1 off`",
    "failwhale": "`failwhale eu-1 on for 30m because …`, or `failwhale eu-1 off`",
    "fallback": "`fallback eu-1 tenant=acme for 1h because …`, or `fallback eu-1 off`",
    "loadtest": "`loadtest eu-1 40rps 10m expect the first token stays under 2 s`, or `loadtest eu-1 off`",
}
WHO = ("tenant", "key", "client", "account")
"""What `fallback` may name callers by."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is wanted.

    Args:
        number: a batch limit, a shed's fraction (0 to 1), or requests a second.
        relative: a batch limit relative to the one in force: -0.25 is a quarter less.
        length_s: how long, seconds; None for as long as the runbook says.
        named: `{"tenant": "acme"}`.
        incident_id: where it belongs, if that was said.
    """

    verb: ActVerb
    kind: Kind
    cluster: str
    number: float | None = None
    relative: float | None = None
    length_s: float | None = None
    reason: str = ""
    expect: str = ""
    named: dict[str, str] = field(default_factory=dict)
    incident_id: str | None = None


def read_act(verb: ActVerb, text: str, clusters: Sequence[str]) -> Act:
    """What *text* behind the verb asks for.

    Args:
        clusters: those there are.

    Raises: ConfigError, with what to type instead.
    """
    found = scan(plain(text), clusters)
    cluster = _cluster(verb, found, clusters)
    if found.strange:
        raise ConfigError(f"`{found.strange[:60]}` is not understood; write {USAGES[verb]}{_near(found.strange)}")
    act = _read(verb, found, cluster)
    if act.kind == "show" and (found.length_s is not None or found.reason or found.expect):
        raise ConfigError(f"what is it to be? Write {USAGES[verb]}; `{verb} {cluster}` alone says how it is")
    return act


def _read(verb: ActVerb, found: Found, cluster: str) -> Act:
    if found.switch == "off":
        return Act(verb, "release", cluster, reason=found.reason)
    base = Act(
        verb, "set", cluster, length_s=found.length_s, reason=found.reason, expect=found.expect, named=found.pairs,
        incident_id=found.incident_id,
    )  # fmt: skip
    match verb:
        case "batch":
            return _batch(found, base)
        case "shed":
            return _shed(found, base)
        case "failwhale":
            return _failwhale(found, base)
        case "fallback":
            return _fallback(found, base)
        case _:
            return _loadtest(found, base)


def _failwhale(found: Found, base: Act) -> Act:
    _only(base.verb, found, number=False, pairs=())
    if found.is_on_of_a_place and not found.switch:
        name = base.cluster
        raise ConfigError(f"`failwhale {name} on` puts it up, `failwhale {name}` says whether it is up")
    return base if found.switch == "on" else _show(base)


def _show(base: Act) -> Act:
    return Act(base.verb, "show", base.cluster)


def _cluster(verb: str, found: Found, clusters: Sequence[str]) -> str:
    if len(found.clusters) > 1:
        names = " and ".join(found.clusters)
        raise ConfigError(f"{names}: one cluster at a time, so that each can be taken back by itself")
    if found.clusters:
        return found.clusters[0]
    known = ", ".join(clusters[:12]) + (" …" if len(clusters) > 12 else "") or "none is in opsbot.yaml"
    strange = found.strange.split()[0] if found.strange else ""
    near = nearest(strange, clusters) if strange else None
    if near is not None:
        raise ConfigError(f"there is no cluster `{strange}`; did you mean `{near}`? `{verb} {near} …`")
    if len(clusters) == 1 and not found.strange:
        return clusters[0]
    no = f"there is no cluster `{strange[:40]}`; " if strange else "which cluster? "
    raise ConfigError(f"{no}there are: {known}. Write {USAGES[verb]}")


def _batch(found: Found, base: Act) -> Act:
    cluster = base.cluster
    _only("batch", found, number=True, pairs=())
    if found.percent is not None:
        if not found.is_signed:
            less = f"{found.percent:g}"
            raise ConfigError(
                f"`{less}%` of what? `batch {cluster} -{less}%` is so much less, or name the limit itself"
            )
        if found.percent <= -100:
            raise ConfigError("that would leave nothing; to turn everybody away write `shed` or `failwhale`")
        return replace(base, relative=found.percent / 100)
    if found.number is None:
        return _show(base)
    if found.is_signed or found.number != int(found.number) or found.number < 1:
        raise ConfigError(f"a batch limit is a whole number from 1 on, or a change such as `-25%`: {USAGES['batch']}")
    return replace(base, number=found.number)


def _shed(found: Found, base: Act) -> Act:
    cluster = base.cluster
    _only("shed", found, number=True, pairs=("class",))
    if found.percent is not None:
        fraction = found.percent / 100
    elif found.number is None:
        return _show(base)
    elif found.number > 1:
        raise ConfigError(f"{found.number:g} what? `shed {cluster} {found.number:g}%` turns that share away")
    else:
        fraction = found.number
    if found.is_signed or not 0.01 <= fraction <= 1:
        raise ConfigError(f"a share is from 1% to 100%: {USAGES['shed']}")
    return replace(base, number=fraction)


def _fallback(found: Found, base: Act) -> Act:
    _only("fallback", found, number=False, pairs=WHO)
    if not found.pairs:
        if found.switch == "on":
            raise ConfigError(f"whose callers? {USAGES['fallback']}")
        return _show(base)
    if len(found.pairs) > 1:
        raise ConfigError(f"one of {', '.join(WHO)} at a time, so that each can be taken back by itself")
    return base


def _loadtest(found: Found, base: Act) -> Act:
    cluster = base.cluster
    if found.rate is None:
        if found.number is not None:
            shown = f"{found.number:g}"
            raise ConfigError(f"{shown} what? `loadtest {cluster} {shown}rps 5m expect …` are requests a second")
        _only("loadtest", found, number=False, pairs=())
        return _show(base)
    _only("loadtest", found, number=False, pairs=())
    return replace(base, number=found.rate)


def _only(verb: str, found: Found, *, number: bool, pairs: Sequence[str]) -> None:
    """Refuse what the verb has no use for."""
    if not number and (found.number is not None or found.percent is not None):
        shown = f"{found.number:g}" if found.number is not None else f"{found.percent:g}%"
        raise ConfigError(f"`{shown}` is not understood; write {USAGES[verb]}")
    if verb != "loadtest" and found.rate is not None:
        raise ConfigError(f"only a load test takes requests a second; write {USAGES[verb]}")
    for name in found.pairs:
        if name not in pairs:
            takes = f"takes {', '.join(pairs)}" if pairs else "names no callers"
            raise ConfigError(
                f"`{name}={found.pairs[name][:40]}` is not understood: {verb} {takes}; write {USAGES[verb]}"
            )


_WORDS = ("for", "because", "off", "on", "release", "expect", "tenant", "class", "key", "client", "account")


def _near(strange: str) -> str:
    word = strange.split()[0]
    near = nearest(word, _WORDS)
    return f" (did you mean `{near}`?)" if near is not None and near != word else "; a reason goes behind `because`"
