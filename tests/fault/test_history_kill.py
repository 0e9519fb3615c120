"""The process that writes the history is killed at any moment: what was committed is there, and the file is whole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsbot.history.level import FINE
from tests.support.history import named, opened, points, series

pytestmark = pytest.mark.fault

WRITER = """
import sys
from pathlib import Path
from opsbot.history.file import Batch
from tests.support.history import block, opened, series

START_S = 1_700_002_800.0
rows = [series("m_total", x=str(n)) for n in range(200)]
file = opened(Path(sys.argv[1]))
for step in range(1_000_000):
    at = START_S + 10 * step
    file.write([Batch("a", block([at], {one: [float(step + n)] for n, one in enumerate(rows)}))])
    print(step, flush=True)
    if step % 60 == 0:
        file.tidy(at)
"""
START_S = 1_700_002_800.0


@pytest.mark.parametrize("after_s", [0.2, 0.5, 1.1])
def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path, after_s: float) -> None:
    """Also in the middle of making an hour small."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n"
    time.sleep(after_s)
    process.kill()
    told = [int(line) for line in process.stdout.read().splitlines() if line.strip().isdigit()]
    process.wait()
    process.stdout.close()
    file = opened(tmp_path)
    assert file.moved_aside is None
    assert file._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    end_s = START_S + 10 * (told[-2] + 10)
    found = points(file.read(named("m_total", x="7"), FINE, START_S, end_s), series("m_total", x="7"))
    file.close()
    assert found[: told[-2] + 1] == [(START_S + 10 * step, float(step + 7)) for step in range(told[-2] + 1)]
