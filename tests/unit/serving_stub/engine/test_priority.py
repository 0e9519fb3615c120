"""Classes: the better one first, none starves, and who gives way when blocks run out."""

from __future__ import annotations

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.queue import SHARE, WaitingQueue
from serving_stub.engine.scheduler import Schedule, Scheduler
from serving_stub.engine.sequence import Sequence


def sequence(name: str, priority: int = 0, num_tokens: int = 3, arrived_at: float = 0.0) -> Sequence:
    """A prompt that shares no prefix with another."""
    first = 1000 * sum(map(ord, name))
    prompt = tuple(range(first, first + num_tokens))
    return Sequence(GenerationRequest(name, prompt, priority=priority), arrived_at)


def scheduler(num_blocks: int = 100, max_num_seqs: int = 8, budget: int = 64) -> Scheduler:
    """Blocks of four tokens."""
    return Scheduler(BlockManager(num_blocks, 4, enable_prefix_caching=False), max_num_seqs, budget)


def step(scheduler: Scheduler) -> Schedule:
    """Schedule and compute; every sampled sequence gets a token."""
    schedule = scheduler.schedule()
    for item in schedule.work:
        scheduler.computed(item)
        if not item.seq.num_uncomputed_tokens:
            item.seq.token_ids.append(0)
    return schedule


def names(sequences: list[Sequence]) -> list[str]:
    """Who they are."""
    return [seq.request_id for seq in sequences]


def test_the_better_class_is_admitted_first() -> None:
    """Within a class the first to come; a smaller number is better."""
    s = scheduler(max_num_seqs=3)
    for name, priority in (("slow", 5), ("a", 0), ("mid", 1), ("b", 0)):
        s.add(sequence(name, priority))
    assert names(step(s).admitted) == ["a", "b", "mid"]


def test_no_class_starves() -> None:
    """Under a flood of the best class, every SHARE-th admission is somebody else's, the longest waiting first."""
    queue = WaitingQueue()
    queue.add(sequence("old", 9, arrived_at=1.0))
    queue.add(sequence("newer", 4, arrived_at=2.0))
    order = []
    for number in range(3 * SHARE):
        queue.add(sequence(f"flood-{number}", 0, arrived_at=10.0 + number))
        order.append(queue.pop().request_id)
    assert [order.index("old") + 1, order.index("newer") + 1] == [SHARE, 2 * SHARE]


def test_a_single_class_owes_nobody() -> None:
    """Admissions while nobody else waits do not count towards the others' turn."""
    queue = WaitingQueue()
    for number in range(2 * SHARE):
        queue.add(sequence(str(number)))
        queue.pop()
    queue.add(sequence("good", 0))
    queue.add(sequence("bad", 1))
    assert queue.pop().request_id == "good"


def test_the_newest_of_the_worst_class_gives_way() -> None:
    """When blocks run out, a better class keeps what it has, even if it came last."""
    s = scheduler(num_blocks=4)
    for name, priority in (("worse", 1), ("worst-old", 2), ("worst-new", 2), ("best", 0)):
        s.add(sequence(name, priority, num_tokens=4))
    step(s)
    assert names(s.running) == ["best", "worse", "worst-old", "worst-new"]
    schedule = step(s)
    assert names(schedule.preempted) == ["worst-new", "worst-old"]
    assert [item.seq.request_id for item in schedule.decodes] == ["best", "worse"]


def test_a_share_that_was_given_is_taken_back() -> None:
    """A decoding sequence that gives way to a better one's prefill is not computed in that step."""
    s = scheduler(num_blocks=3, budget=4)
    s.add(sequence("low", 1, num_tokens=3))
    step(s)
    s.add(sequence("high", 0, num_tokens=12))
    step(s)
    schedules = [step(s) for _ in range(3)]
    preempting = next(schedule for schedule in schedules if schedule.preempted)
    assert names(preempting.preempted) == ["low"]
    assert [item.seq.request_id for item in preempting.work] == ["high"]
    assert preempting.num_tokens == sum(item.num_tokens for item in preempting.work)


def test_who_was_preempted_is_the_first_of_its_class_again() -> None:
    """It goes to the head of its own class, not before a better one."""
    s = scheduler(max_num_seqs=2)
    s.add(sequence("a", 1))
    s.add(sequence("b", 1))
    step(s)
    s.add(sequence("c", 1))
    s.add(sequence("best", 0))
    assert names(s.set_batch_limit(1, "preempt")) == ["b"]
    assert names(list(s.waiting)) == ["best", "b", "c"]


def test_a_smaller_token_budget_makes_the_newest_pause() -> None:
    """`finish`: nobody is thrown out, the newest wait for a place in the step; `preempt`: they go back to the queue."""
    s = scheduler()
    for name in "abc":
        s.add(sequence(name))
    step(s)
    assert s.set_token_budget(2, "finish") == []
    assert [item.seq.request_id for item in step(s).work] == ["a", "b"]
    assert names(s.running) == ["a", "b", "c"]
    assert names(s.set_token_budget(2, "preempt")) == ["c"]
    s.set_token_budget(1000, "finish")
    assert s.token_budget == 64
