"""`process.run` with real programs: what it says, how it ends, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from opsbot.action.process import KEPT_BYTES, MAX_LINE_CHARS, ProcessArguments, ProcessRun
from opsbot.action_settings import ProcessSection
from opsbot.clock import SystemClock
from opsbot.errors import ActionError
from tests.support.lease_actions import context

pytestmark = pytest.mark.integration

SECRET = "s3cr3t-of-tests"


def running(code: str, *arguments: str, env: tuple[str, ...] = ()) -> ProcessRun:
    """The action with one program `it`, which is that Python."""
    section = ProcessSection.model_validate(
        {"allow": {"it": {"argv": [sys.executable, "-c", code, *arguments], "env": env}}}
    )
    return ProcessRun(section, SystemClock(), {"PATH": os.environ["PATH"], "TOKEN": SECRET, "OTHER": "other"})


IT = ProcessArguments(program="it")


async def test_a_program_says_its_last_line() -> None:
    """And its exit code; of all that it printed nothing else is kept."""
    outcome = await running("print('first'); print('done 7')").act(IT, context())
    assert outcome.text == "it is done: done 7"
    assert (outcome.outputs["exit_code"], outcome.outputs["last_line"]) == (0, "done 7")
    assert "first" not in str(outcome)


async def test_a_failure_fails_the_step() -> None:
    """With what it said, on whichever stream."""
    with pytest.raises(ActionError, match="it ended with exit code 3: no disk") as raised:
        await running("import sys; print('no disk', file=sys.stderr); sys.exit(3)").act(IT, context())
    assert not raised.value.retryable


async def test_arguments_reach_it_as_they_are() -> None:
    """No shell reads them."""
    outcome = await running("import sys; print(sys.argv[1:])", "$(id)", "a; b", "*").act(IT, context())
    assert outcome.outputs["last_line"] == "['$(id)', 'a; b', '*']"


async def test_it_gets_the_named_variables_and_no_others() -> None:
    """And what they hold is taken out of what it says."""
    code = "import os; print(os.environ.get('TOKEN'), os.environ.get('OTHER'), os.environ.get('OPSBOT_RUN'))"
    outcome = await running(code, env=("TOKEN",)).act(IT, context())
    assert outcome.outputs["last_line"] == "[redacted] None run:test:1:1:1"


async def test_what_it_prints_costs_a_bounded_amount() -> None:
    """However much, and however long its line is."""
    outcome = await running(f"print('x' * {KEPT_BYTES * 500}); print('y' * 10000)").act(IT, context())
    assert outcome.outputs["last_line"] == "y" * MAX_LINE_CHARS


async def test_a_cancelled_program_ends_with_all_it_started(tmp_path: Path) -> None:
    """The whole group, whatever it does about SIGTERM."""
    pids = tmp_path / "pids"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid} ')\n"
        "time.sleep(600)\n"
    )
    task = asyncio.create_task(running(code, str(pids)).act(IT, context()))
    async with asyncio.timeout(20):
        while not (pids.exists() and pids.read_text().endswith(" ")):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids.read_text().split():
        assert await gone(int(pid))


async def gone(pid: int) -> bool:
    """Whether a process is gone, or soon is."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":  # noqa: ASYNC240
                return True
        except FileNotFoundError:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_program_that_is_not_named_is_not_started() -> None:
    """Before anybody is asked to approve it; without any, the action is off."""
    with pytest.raises(ActionError, match="known are: it"):
        await running("").prior(ProcessArguments(program="other"))
    with pytest.raises(ActionError, match="is off"):
        await ProcessRun(ProcessSection(), SystemClock()).act(IT, context())


async def test_a_program_that_is_not_there_says_so() -> None:
    """Nothing has happened."""
    section = ProcessSection.model_validate({"allow": {"it": {"argv": ["/nowhere/it"]}}})
    with pytest.raises(ActionError, match="it cannot be started: No such file"):
        await ProcessRun(section, SystemClock()).act(IT, context())


async def test_a_lost_program_needs_a_person() -> None:
    """Whether it ran cannot be told, so it is not started twice."""
    action = running("")
    assert not action.is_idempotent
    with pytest.raises(ActionError) as raised:
        await action.find(IT, "key")
    assert raised.value.outcome_unknown


async def test_an_approval_shows_what_is_started() -> None:
    """The whole command line."""
    action = running("print(1)")
    described = action.describe(IT, await action.prior(IT), None)
    assert described.will_do == f"start it on core's machine: {sys.executable} -c print(1)"


def test_a_program_has_a_whole_path() -> None:
    """Not whatever `PATH` finds first."""
    with pytest.raises(ValueError, match="is no whole path"):
        ProcessSection.model_validate({"allow": {"it": {"argv": ["rm", "-rf"]}}})
