"""JUnit's XML, for the programs that gather test results: a suite for each file, a case for each test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from opsbot.testing import report
from opsbot.testing.expect import Verdict


def write(path: Path, verdicts: Sequence[tuple[Path, Sequence[Verdict]]]) -> None:
    """Write the results of files; raises OSError."""
    # The library has types, but not for counting.
    xml: Any = JUnitXml("opsbot test")
    for file, of_file in verdicts:
        suite: Any = TestSuite(str(file))
        suite.add_testcases([_case(file, one) for one in of_file])
        suite.update_statistics()
        xml.add_testsuite(suite)
    xml.update_statistics()
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _case(file: Path, verdict: Verdict) -> TestCase:
    case = TestCase(verdict.case.name, classname=str(file), time=round(verdict.seen.took_s, 3))
    if not verdict.has_passed:
        failure = Failure(verdict.failures[0].splitlines()[0])
        failure.text = "\n".join(report.failure(verdict))
        case.result = [failure]
    return case
