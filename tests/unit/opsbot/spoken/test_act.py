"""What people type to a cluster, in every way that tired people type it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.errors import OpsbotError
from opsbot.spoken.act import USAGES, Act, ActVerb, read_act

CLUSTERS = ("eu-1", "eu-2", "us-west")
VERBS: tuple[ActVerb, ...] = ("batch", "shed", "failwhale", "fallback", "loadtest")


def batch(number: float | None = None, **more: object) -> Act:
    """A batch limit of eu-1."""
    return Act("batch", "set", "eu-1", number=number, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("eu-1 8 for 10m because KV is full", batch(8, length_s=600.0, reason="KV is full")),
        ("EU1 8", batch(8)),
        ("eu_1 8", batch(8)),
        ("eu 1 8", batch(8)),
        ("8 eu-1", batch(8)),
        ("set eu-1 to 8 please", batch(8)),
        ("eu-1 8 10 min", batch(8, length_s=600.0)),
        ("10m eu-1 8", batch(8, length_s=600.0)),
        ("eu-1 8 for 1h30", batch(8, length_s=5400.0)),
        ("eu-1 8 for 1h30m", batch(8, length_s=5400.0)),
        ("eu-1 8 for 1.5 hours", batch(8, length_s=5400.0)),
        ("eu-1 8 for 1 hour and 30 minutes", batch(8, length_s=5400.0)),
        ("eu-1 8 for half an hour", batch(8, length_s=1800.0)),
        ("eu-1 8 for an hour", batch(8, length_s=3600.0)),
        ("eu-1 -25%", batch(relative=-0.25)),
        ("eu-1 −25 %", batch(relative=-0.25)),
        ("eu-1 25 percent less", batch(relative=-0.25)),
        ("eu-1 +10%", batch(relative=0.1)),
        ("eu-1 half for 5m", batch(relative=-0.5, length_s=300.0)),
        ("eu-1 8 for INC 7", batch(8, incident_id="INC-7")),
        ("eu-1 8 inc-7 10m", batch(8, incident_id="INC-7", length_s=600.0)),
        ("eu-1 8 because: “KV” is full", batch(8, reason='"KV" is full')),
        ('eu-1 8 reason="KV is full"', batch(8, reason="KV is full")),
        ("eu-1 8 KV is full", batch(8, reason="KV is full")),
        ("eu-1 8 weil der Speicher überläuft 🔥", batch(8, reason="der Speicher überläuft 🔥")),
        ("eu-1 8 because הזיכרון מלא", batch(8, reason="הזיכרון מלא")),
        ("eu-1", Act("batch", "show", "eu-1")),
        ("on eu-1?".rstrip("?"), Act("batch", "show", "eu-1")),
        ("eu-1 off", Act("batch", "release", "eu-1")),
        ("release eu-1 because it is over", Act("batch", "release", "eu-1", reason="it is over")),
    ],
)
def test_a_batch_limit_in_any_order(text: str, act: Act) -> None:
    """Case, dashes, spaces, quotes and order do not matter; a reason of any script survives."""
    assert read_act("batch", text, CLUSTERS) == act


@pytest.mark.parametrize(
    ("verb", "text", "act"),
    [
        (
            "shed",
            "eu-1 20% for 15m the queue grows",
            Act("shed", "set", "eu-1", 0.2, length_s=900.0, reason="the queue grows"),
        ),
        ("shed", "20 % of callers on eu-1", Act("shed", "set", "eu-1", 0.2)),
        ("shed", "eu-1 0.2", Act("shed", "set", "eu-1", 0.2)),
        ("shed", "eu-1 30% class=free", Act("shed", "set", "eu-1", 0.3, named={"class": "free"})),
        ("failwhale", "eu-1 on because the launch", Act("failwhale", "set", "eu-1", reason="the launch")),
        ("failwhale", "put up eu-1".removeprefix("put "), Act("failwhale", "set", "eu-1")),
        ("failwhale", "eu-1 down", Act("failwhale", "release", "eu-1")),
        ("failwhale", "eu-1", Act("failwhale", "show", "eu-1")),
        ("fallback", "eu-1 tenant=acme 1h", Act("fallback", "set", "eu-1", length_s=3600.0, named={"tenant": "acme"})),
        ("fallback", "eu-1 tenant acme", Act("fallback", "set", "eu-1", named={"tenant": "acme"})),
        ("fallback", "eu-1 tenant=“acme corp”", Act("fallback", "set", "eu-1", named={"tenant": "acme corp"})),
        ("fallback", "eu-1 key: @k-17", Act("fallback", "set", "eu-1", named={"key": "k-17"})),
        (
            "loadtest",
            "eu-1 40rps 10m expect it holds",
            Act("loadtest", "set", "eu-1", 40, length_s=600.0, expect="it holds"),
        ),
        ("loadtest", "40 requests per second on eu-1", Act("loadtest", "set", "eu-1", 40)),
        ("loadtest", "eu-1 2400/min", Act("loadtest", "set", "eu-1", 40)),
        (
            "loadtest",
            "eu-1 40 req/s because we plan expect 2 s",
            Act("loadtest", "set", "eu-1", 40, reason="we plan", expect="2 s"),
        ),
    ],
)
def test_the_other_verbs(verb: ActVerb, text: str, act: Act) -> None:
    """Each with what it takes."""
    assert read_act(verb, text, CLUSTERS) == act


@pytest.mark.parametrize(
    ("verb", "text", "said"),
    [
        ("batch", "", "which cluster? there are: eu-1, eu-2, us-west"),
        ("batch", "8", "which cluster?"),
        ("batch", "eu-11 8", "no cluster `eu-11`; did you mean `eu-1`?"),
        ("batch", "uswset 8", "did you mean `us-west`?"),
        ("batch", "eu-1 eu-2 8", "one cluster at a time"),
        ("batch", "eu-1 25%", "`25%` of what? `batch eu-1 -25%`"),
        ("batch", "eu-1 -100%", "leave nothing"),
        ("batch", "eu-1 -8", "a whole number"),
        ("batch", "eu-1 8.5", "a whole number"),
        ("batch", "eu-1 0", "a whole number"),
        ("batch", "eu-1 8 fro 10m", "`fro` is not understood"),
        ("batch", "eu-1 8 10mm", "`10mm` is not understood"),
        ("batch", "eu-1 8 9", "the number is said twice"),
        ("batch", "eu-1 8 10m 20m", "the length is said twice"),
        ("batch", "eu-1 for 10m", "what is it to be?"),
        ("batch", "eu-1 8 tenant=acme", "names no callers"),
        ("batch", "eu-1 40rps", "only a load test"),
        ("shed", "eu-1 20", "20 what? `shed eu-1 20%`"),
        ("shed", "eu-1 150%", "from 1% to 100%"),
        ("shed", "eu-1 -20%", "from 1% to 100%"),
        ("failwhale", "on eu-1", "`failwhale eu-1 on` puts it up"),
        ("failwhale", "eu-1 20%", "`20%` is not understood"),
        ("fallback", "eu-1 on", "whose callers?"),
        ("fallback", "eu-1 tenant=a key=b", "one of tenant, key, client, account at a time"),
        ("loadtest", "eu-1 40", "40 what?"),
        ("batch", "eu-1 8 " + "x" * 5000, "5,007 characters, and a command takes at most 2,000"),
        ("batch", "eu-1 8 because " + "x" * 900, "the reason has 900 characters, at most 500"),
        ("batch", "eu-1 8 for 999999 days", "is no length of time"),
    ],
)
def test_nothing_is_guessed(verb: ActVerb, text: str, said: str) -> None:
    """What cannot be read says what to type."""
    with pytest.raises(OpsbotError) as error:
        read_act(verb, text, CLUSTERS)
    assert said in str(error.value)


def test_the_only_cluster_need_not_be_named() -> None:
    """There is nothing to guess."""
    assert read_act("batch", "8", ("local",)).cluster == "local"
    with pytest.raises(OpsbotError, match="there is no cluster `eu-1`; there are: local"):
        read_act("batch", "eu-1 8", ("local",))


def outcome(verb: ActVerb, text: str) -> tuple[Act | None, str]:
    """What was read, or the sentence why not."""
    try:
        return read_act(verb, text, CLUSTERS), ""
    except OpsbotError as error:
        return None, str(error)


PIECES = st.sampled_from(
    [
        "eu-1",
        "EU 2",
        "8",
        "-25%",
        "20 %",
        "for",
        "10m",
        "1h30",
        "because",
        "off",
        "on",
        "tenant=acme",
        "INC-7",
        "40rps",
        "“",
        "expect",
        "class",
        "=",
        "%",
        "🔥",
        "\u202e",
        "הזיכרון",
        "<@U0ANNA|anna>",
        "&lt;",
        "`",
        "\n",
        "9" * 30,
        "1e309",
        "half",
    ]
)


@given(verb=st.sampled_from(VERBS), text=st.text(max_size=80) | st.lists(PIECES, max_size=8).map(" ".join))
def test_whatever_is_typed_is_read_or_refused_with_a_sentence(verb: ActVerb, text: str) -> None:
    """Nothing else is raised, and what is read names a cluster that there is."""
    act, said = outcome(verb, text)
    if act is None:
        assert len(said) > 15
        return
    assert act.cluster in CLUSTERS
    assert act.kind in ("show", "set", "release")
    assert len(act.reason) <= 500
    if act.kind == "set":
        assert act.number is not None or act.relative is not None or act.named or act.verb == "failwhale"


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_of_a_usage_can_be_typed(verb: ActVerb) -> None:
    """What an error says to write is understood."""
    for typed in USAGES[verb].replace("because …", "because x").split("`")[1::2]:
        assert read_act(verb, typed.removeprefix(verb), CLUSTERS).cluster == "eu-1"
