"""Budgets and order hold whatever is asked, in whatever order it comes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from opsbot.notify.budget import Budget, Call, Lane
from opsbot.notify.collapse import MOST_APART, collapsed
from opsbot.notify.order import Importance, importance, in_order, thread_of
from opsbot.notify.outbox import OutboxItem, OutboxKind, OutboxState

NOW = 1_790_000_000.0

calls = st.builds(
    Call,
    st.sampled_from([Lane.PAGE, Lane.POST, Lane.EDIT]),
    st.sampled_from(["#incidents", "#ops", "#reports"]),
    st.sampled_from([f"incident:INC-{number}" for number in range(8)]),
    is_urgent=st.booleans(),
)
steps = st.lists(st.tuples(st.floats(0, 3), calls), max_size=300)


def most_in(times: Sequence[float], span_s: float) -> int:
    """The largest number of *times* within any *span_s*."""
    return max((sum(start <= at < start + span_s for at in times) for start in times), default=0)


@given(steps)
def test_no_minute_has_more_calls_than_slack_allows(asked: Sequence[tuple[float, Call]]) -> None:
    """Burst and rate together bound every window: by channel, by message, over all; and a wait is never too short."""
    budget, now = Budget(), 0.0
    made: list[tuple[float, Call]] = []
    for pause_s, call in asked:
        now += pause_s
        wait_s = budget.wait_s(call, now)
        assert budget.allows(call, now) is (wait_s == 0)
        if wait_s:
            now += wait_s + 1e-6
            assert budget.allows(call, now)
        made.append((now, call))
    posts = [at for at, call in made if call.lane is not Lane.EDIT]
    edits = [at for at, call in made if call.lane is Lane.EDIT]
    assert most_in(posts, 60.0) <= 40 + 240
    assert most_in(edits, 60.0) <= 15 + 50
    for place in ("#incidents", "#ops", "#reports"):
        here = [at for at, call in made if call.lane is Lane.POST and call.place == place]
        assert most_in(here, 60.0) <= 10 + 60
    for key in {call.key for _, call in made}:
        of_message = [at for at, call in made if call.lane is Lane.EDIT and call.key == key]
        assert most_in(of_message, 0.999) <= 2
        assert most_in(of_message, 10.0) <= 2 + 10


kinds: st.SearchStrategy[OutboxKind] = st.sampled_from(["incident_message", "timeline_entry", "notice"])


@st.composite
def outboxes(draw: st.DrawFn) -> Sequence[OutboxItem]:
    """Items as the store reads them: an incident's message before its entries, each incident of one severity."""
    items: list[OutboxItem] = []
    for number in range(draw(st.integers(0, 5))):
        severity = draw(st.sampled_from(["critical", "high", "medium", "low", "info"]))
        is_over, incident_id = draw(st.booleans()), f"INC-{number}"
        since = NOW - draw(st.floats(0, 4000))
        if draw(st.booleans()):
            items.append(_item("incident_message", incident_id, incident_id, draw, severity, is_over, since))
        for place in range(draw(st.integers(0, 12))):
            key = f"{incident_id}-{place}"
            items.append(_item("timeline_entry", key, incident_id, draw, severity, is_over, since + place))
    return items


def _item(
    kind: OutboxKind, ref: str, incident_id: str, draw: st.DrawFn, severity: str, is_over: bool, since: float
) -> OutboxItem:
    is_first = kind == "timeline_entry" or draw(st.booleans())
    return OutboxItem(
        key=f"{kind}:{ref}",
        kind=kind,
        ref=ref,
        incident_id=incident_id,
        revision=1,
        delivered_revision=0,
        state=draw(st.sampled_from([OutboxState.PENDING, OutboxState.SENDING])) if is_first else OutboxState.DELIVERED,
        channel=None if is_first else "C1",
        ts=None if is_first else "1.0",
        attempts=0,
        next_at=0.0,
        severity=severity,
        is_over=is_over,
        asks=draw(st.booleans()),
        is_broadcast=draw(st.booleans()),
        since=since,
    )


@given(outboxes())
def test_threads_stay_in_order_and_nothing_urgent_waits_for_less(items: Sequence[OutboxItem]) -> None:
    """Each thread as it was; before something urgent stands only what is as urgent, or is before it in its thread."""
    ordered = in_order(items)
    assert sorted(item.key for item in ordered) == sorted(item.key for item in items)
    for thread in {thread_of(item) for item in items}:
        assert [i for i in ordered if thread_of(i) == thread] == [i for i in items if thread_of(i) == thread]
    for place, item in enumerate(ordered):
        for earlier in ordered[:place]:
            if importance(earlier) > importance(item) and thread_of(earlier) != thread_of(item):
                behind = ordered[ordered.index(earlier) + 1 :]
                assert any(
                    thread_of(other) == thread_of(earlier) and importance(other) <= importance(item) for other in behind
                )


@given(outboxes())
def test_what_is_carried_is_a_beginning_that_was_never_begun(items: Sequence[OutboxItem]) -> None:
    """Nothing that may stand already is carried, nothing is skipped, and few entries are left as they are."""
    for thread in {thread_of(item) for item in items}:
        waiting = [item for item in items if thread_of(item) == thread]
        plan = collapsed(waiting, NOW)
        if plan is None:
            continue
        covered = waiting[: len(plan.carried) + 1]
        assert [item.key for item in covered] == [plan.key, *plan.carried]
        assert all(item.ts is None and item.state is OutboxState.PENDING for item in covered)
        if covered[0].kind == "incident_message":
            assert covered[0].is_over
        else:
            assert len(covered) > MOST_APART


def test_the_order_after_an_outage() -> None:
    """Pages by severity, what asks, changes of state, broadcasts, notices, entries, and what is over at last."""
    pages = [_plain("incident_message", f"INC-{n}", severity=s) for n, s in enumerate(("low", "critical"), 1)]
    over = _plain("incident_message", "INC-3", severity="critical", is_over=True)
    edit = _plain("incident_message", "INC-4", severity="low", ts="1.0")
    asks = _plain("timeline_entry", "asks", "INC-5", asks=True)
    heard = _plain("timeline_entry", "heard", "INC-6", is_broadcast=True)
    quiet = _plain("timeline_entry", "quiet", "INC-7")
    notice = _plain("notice", "n", "")
    ordered = in_order([quiet, notice, heard, over, asks, edit, *pages])
    assert [item.ref for item in ordered] == ["INC-2", "INC-1", "asks", "INC-4", "heard", "n", "INC-3", "quiet"]
    assert [importance(item) for item in ordered] == [
        Importance.PAGE,
        Importance.PAGE,
        Importance.DECISION,
        Importance.STATE,
        Importance.BROADCAST,
        Importance.NOTICE,
        Importance.ENTRY,
        Importance.ENTRY,
    ]


def _plain(
    kind: OutboxKind,
    ref: str,
    incident_id: str | None = None,
    *,
    severity: str = "high",
    is_over: bool = False,
    asks: bool = False,
    is_broadcast: bool = False,
    ts: str | None = None,
) -> OutboxItem:
    return OutboxItem(
        key=f"{kind}:{ref}",
        kind=kind,
        ref=ref,
        incident_id=ref if incident_id is None else incident_id,
        revision=1,
        delivered_revision=0,
        state=OutboxState.PENDING,
        channel=None,
        ts=ts,
        attempts=0,
        next_at=0.0,
        severity=severity,
        is_over=is_over,
        asks=asks,
        is_broadcast=is_broadcast,
        since=NOW,
    )
