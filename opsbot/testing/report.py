"""What people read of tests: a line for each, and for one that failed what was expected, what was seen, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from opsbot.testing.coverage import Coverage
from opsbot.testing.expect import Verdict
from opsbot.testing.perform import Seen

_LONGEST_TEXT = 160
_INDENT = "    "


def line(verdict: Verdict) -> str:
    """One test in one line."""
    seen = verdict.seen
    mark = "ok    " if verdict.has_passed else "FAILED"
    deaths = f", resumed {len(seen.deaths)} times" if seen.deaths else ""
    return f"{mark} {verdict.case.place} {verdict.case.name} ({stamp(seen.passed_s)} in {seen.took_s:.2f} s{deaths})"


def failure(verdict: Verdict) -> Iterator[str]:
    """Everything that helps to understand a test that failed."""
    yield line(verdict)
    for one in verdict.failures:
        first, *rest = one.splitlines()
        yield f"  {first}"
        yield from (f"{_INDENT}{text}" for text in rest)
    yield from timeline(verdict)


def timeline(verdict: Verdict) -> Iterator[str]:
    """What was seen, in virtual time; what an expectation found has a tick, what it missed stands where it should."""
    seen = verdict.seen
    missing = {after: [text for text, place in verdict.missing if place == after] for _, after in verdict.missing}
    yield "  timeline:"
    yield from _absent(missing.get("", ()))
    for entry in () if seen.view is None else seen.view.timeline:
        mark = "✓" if entry.key in verdict.found else " "
        actor = "" if entry.actor == "opsbot" else f"{entry.actor}: "
        yield f"  {mark} {stamp(entry.at - seen.start_s):>8}  {actor}{_short(entry.text)}"
        yield from _absent(missing.get(entry.key, ()))
    yield from _others(seen)


def _absent(texts: Iterable[str]) -> Iterator[str]:
    yield from (f"  ✗ {'':>8}  expected: {text}" for text in texts)


def _others(seen: Seen) -> Iterator[str]:
    calls = [call for call in seen.calls if call.kind != "renew"]
    if calls:
        yield "  calls:"
    for call in calls:
        result = "" if call.result == "done" else f" → {call.result}"
        yield f"    {stamp(call.at - seen.start_s):>8}  {call.kind} {call.step_id} ({call.action}){result}"
    renewed = sum(1 for call in seen.calls if call.kind == "renew")
    if renewed:
        yield f"    leases were renewed {renewed} times"
    if seen.run is not None:
        steps = ", ".join(f"{row.step_id} {row.state.value}" for row in seen.steps)
        detail = f" ({seen.run.detail})" if seen.run.detail else ""
        yield f"  run: {seen.run.state.value}{detail}; steps: {steps}"


def summary(verdicts: Sequence[Verdict], num_files: int, took_s: float) -> str:
    """All tests in one line."""
    failed = sum(1 for one in verdicts if not one.has_passed)
    passed_s = sum(one.seen.passed_s for one in verdicts)
    parts = [f"{len(verdicts) - failed} passed"] + ([f"{failed} failed"] if failed else [])
    files = "1 file" if num_files == 1 else f"{num_files} files"
    return f"{', '.join(parts)} in {files}; {stamp(passed_s)} of virtual time in {took_s:.1f} s"


def coverage_table(found: Sequence[Coverage]) -> Iterator[str]:
    """What each runbook's tests have shown, and by name what they have not."""
    width = max([len("runbook"), *(len(one.runbook_id) for one in found)])
    yield f"{'runbook':<{width}}  covered        not shown by any test"
    for one in found:
        count = len(one.branches)
        shown = f"{count - len(one.missing)}/{count}"
        missing = "; ".join(str(branch) for branch in one.missing) or "—"
        yield f"{one.runbook_id:<{width}}  {shown:>7} {int(one.percent):>4}%  {missing}"


def stamp(seconds: float) -> str:
    """`1:02:03` or `2:03`, with a fraction where there is one."""
    whole, rest = divmod(round(seconds, 3), 1)
    hours, minutes, second = int(whole) // 3600, int(whole) // 60 % 60, int(whole) % 60
    fraction = f"{rest:.3f}"[1:].rstrip("0").rstrip(".") if rest else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{second:02d}{fraction}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_TEXT else flat[:_LONGEST_TEXT] + "…"
