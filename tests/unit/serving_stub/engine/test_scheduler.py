"""What each step computes, who is admitted, who has to wait again."""

from __future__ import annotations

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.interface import GenerationRequest
from serving_stub.engine.scheduler import Schedule, Scheduler
from serving_stub.engine.sequence import Sequence, SequenceState

BLOCK_SIZE = 4


def scheduler(num_blocks: int = 100, max_num_seqs: int = 8, budget: int = 16) -> Scheduler:
    blocks = BlockManager(num_blocks, BLOCK_SIZE, enable_prefix_caching=True)
    return Scheduler(blocks, max_num_seqs, budget)


def add(scheduler: Scheduler, name: str, num_tokens: int) -> Sequence:
    """Queue a prompt that shares no prefix with another."""
    prompt = tuple(range(100 * ord(name), 100 * ord(name) + num_tokens))
    seq = Sequence(GenerationRequest(name, prompt), arrived_at=0.0)
    scheduler.add(seq)
    return seq


def step(scheduler: Scheduler) -> Schedule:
    """Schedule, then do what the engine does with it: every sampled sequence gets a token."""
    schedule = scheduler.schedule()
    for item in schedule.work:
        scheduler.computed(item)
        if not item.seq.num_uncomputed_tokens:
            item.seq.token_ids.append(0)
    return schedule


def shares(schedule: Schedule) -> list[tuple[str, int]]:
    return [(item.seq.request_id, item.num_tokens) for item in schedule.work]


def test_a_long_prompt_is_prefilled_in_chunks() -> None:
    """No step computes more than the token budget."""
    s = scheduler(budget=16)
    add(s, "a", 40)
    assert [shares(step(s)) for _ in range(4)] == [[("a", 16)], [("a", 16)], [("a", 8)], [("a", 1)]]


def test_decodes_come_first_and_prefill_takes_what_is_left() -> None:
    """A long prompt does not hold up those who are answered already."""
    s = scheduler(budget=16)
    add(s, "a", 3)
    step(s)
    add(s, "b", 40)
    assert shares(step(s)) == [("a", 1), ("b", 15)]


def test_first_come_first_served() -> None:
    """Prompts are admitted in the order of arrival, the last with what the budget leaves."""
    s = scheduler(budget=16)
    for name in "abc":
        add(s, name, 7)
    assert shares(step(s)) == [("a", 7), ("b", 7), ("c", 2)]


def test_the_batch_limit_keeps_the_rest_waiting() -> None:
    """No more sequences run than the limit says."""
    s = scheduler(max_num_seqs=2)
    for name in "abc":
        add(s, name, 3)
    step(s)
    assert [seq.request_id for seq in s.running] == ["a", "b"]
    assert [seq.request_id for seq in s.waiting] == ["c"]


def test_out_of_blocks_the_newest_waits_again_at_the_head() -> None:
    """The newest running sequence gives its blocks up, and nobody is admitted in that step."""
    s = scheduler(num_blocks=4)
    a, b = add(s, "a", 8), add(s, "b", 8)
    step(s)
    c = add(s, "c", 1)
    schedule = step(s)
    assert schedule.preempted == [b]
    assert shares(schedule) == [("a", 1)]
    assert list(s.waiting) == [b, c]
    assert (b.state, b.block_table, b.num_preemptions) == (SequenceState.WAITING, [], 1)
    assert a.state is SequenceState.RUNNING


def test_recomputed_tokens_are_counted() -> None:
    """What a preemption threw away and the prefix cache does not have is computed again, and counted."""
    s = scheduler(num_blocks=4)
    a, b = add(s, "a", 8), add(s, "b", 8)
    step(s)
    step(s)
    s.finish(a, "stop")
    schedule = step(s)
    # The prompt's first full block was still in the cache; the second went to `a`, and the sampled token is new.
    assert shares(schedule) == [("b", 5)]
    assert schedule.num_recomputed_tokens == 4
    assert b.num_preemptions == 1


def test_a_smaller_limit_with_finish_lets_everyone_finish() -> None:
    """Nobody is sent back; nobody is admitted until enough have finished."""
    s = scheduler()
    sequences = [add(s, name, 2) for name in "abcd"]
    step(s)
    assert s.set_batch_limit(2, "finish") == []
    e = add(s, "e", 2)
    assert len(shares(step(s))) == 4
    for seq in sequences[:2]:
        s.finish(seq, "stop")
    assert e not in [item.seq for item in step(s).work]
    s.finish(sequences[2], "stop")
    assert e in [item.seq for item in step(s).work]


def test_a_smaller_limit_with_preempt_sends_the_newest_back() -> None:
    """The newest return to the queue in their old order, before those who never ran."""
    s = scheduler()
    a, b, c = (add(s, name, 2) for name in "abc")
    step(s)
    d = add(s, "d", 2)
    assert s.set_batch_limit(1, "preempt") == [c, b]
    assert list(s.waiting) == [b, c, d]
    assert s.running == [a]


def test_a_larger_limit_admits_at_once() -> None:
    """The next step takes in what waited for the limit."""
    s = scheduler()
    for name in "abcd":
        add(s, name, 2)
    s.set_batch_limit(1, "finish")
    step(s)
    s.set_batch_limit(3, "finish")
    step(s)
    assert len(s.running) == 3


def test_the_limit_stays_within_one_and_the_hard_maximum() -> None:
    """Slots are allocated for the maximum once; a limit beyond it is cut, below one nothing would ever run."""
    s = scheduler(max_num_seqs=8)
    s.set_batch_limit(99, "finish")
    assert s.batch_limit == 8
    s.set_batch_limit(0, "preempt")
    assert s.batch_limit == 1


def test_a_finished_sequence_frees_its_blocks_at_once() -> None:
    """Running or waiting, it leaves no trace."""
    s = scheduler(num_blocks=4, max_num_seqs=1)
    a, b = add(s, "a", 8), add(s, "b", 8)
    step(s)
    s.finish(b, "abort")
    s.finish(a, "abort")
    assert s.blocks.num_free_blocks == 4
    assert not s.has_work


def test_a_shared_prompt_is_computed_once() -> None:
    """The second of two equal prompts computes only what is not in full blocks."""
    s = scheduler()
    prompt = tuple(range(10))
    for name in ("first", "second"):
        s.add(Sequence(GenerationRequest(name, prompt), arrived_at=0.0))
        schedule = step(s)
    assert shares(schedule) == [("first", 1), ("second", 2)]
    assert s.running[1].num_cached_tokens == 8
