"""What a backtest can be made over: watch's history file, Prometheus servers, or both, and from when to when.

Less is evaluated than was asked for where there is less, and that is said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from opsbot.backtest.finding import Stretch
from opsbot.backtest.history_replay import HistoryReplay
from opsbot.backtest.replay import Replay, Span
from opsbot.backtest.server_replay import ServerReplay
from opsbot.backtest.steps import MAX_STEPS, num_steps, stretches, windows
from opsbot.clock import to_rfc3339
from opsbot.errors import ConfigError, SourceError
from opsbot.history.level import COARSE, FINE
from opsbot.history.reader import Extent, HistoryReader
from opsbot.promql.inlined import RecordedSeries
from opsbot.promql.syntax import QueryError
from opsbot.rule.model import RecordingRule, Rule
from opsbot.source.servers import PrometheusServer, ServerAddress
from opsbot.watch.question import is_about_the_bot, recorded_series
from opsbot.yamlfile import format_duration

SLACK_S = 120.0
"""So much less than was asked for goes without saying: watch writes once a minute."""


@dataclass(frozen=True, slots=True)
class Asked:
    """From when to when, seconds since the epoch; *step_s* is None for one evaluation for each sample."""

    since_s: float
    until_s: float
    step_s: float | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The rules to evaluate; recordings each after those that they ask for."""

    rules: Sequence[Rule]
    recordings: Sequence[RecordingRule]


WHAT_TO_START = (
    "`opsbot up` or `opsbot watch` records one, beginning a minute after its start; or name a Prometheus as "
    "`prometheus` in opsbot.yaml, or another file with --history"
)


@asynccontextmanager
async def over_history(path: Path, files: Files, asked: Asked) -> AsyncIterator[tuple[list[Replay], Span]]:
    """All rules over watch's history.

    Raises: SourceError, with what to start, where there is no history of that time.
    """
    reader = _opened(path)
    try:
        extent = reader.extent()
        if extent is None:
            raise SourceError(f"the history {path} is empty; {WHAT_TO_START}")
        since_s, until_s, notes = _within(extent, asked)
        parts = stretches(since_s, until_s, extent.fine_since_s, FINE.step_s, COARSE.step_s, asked.step_s)
        _refuse_too_many(parts)
        replay = await _history_replay(reader, files, extent, parts[0].begins_at)
        yield [replay], Span(parts, f"watch's history {path}", notes)
    finally:
        reader.close()


@asynccontextmanager
async def over_servers(
    addresses: Sequence[ServerAddress], history: Path, files: Files, asked: Asked
) -> AsyncIterator[tuple[list[Replay], Span]]:
    """Rules over Prometheus servers; those about the bot itself over watch's history, as watch divides them.

    Raises: SourceError if a server does not answer.
    """
    recorded = recorded_series(files.recordings)
    own = [rule for rule in files.rules if _is_own(rule, recorded)]
    fleet = [rule for rule in files.rules if rule not in own]
    notes: list[str] = []
    async with AsyncExitStack() as stack:
        servers: list[ServerReplay] = []
        for address in addresses:
            http = await stack.enter_async_context(address.client())
            servers.append(ServerReplay(PrometheusServer(address, http), fleet, files.recordings))
            await servers[-1].start(asked.since_s, asked.until_s)
        since_s = min(server.begins_at for server in servers)
        if since_s > asked.since_s + SLACK_S:
            notes.append(_shorter("what the servers have", since_s, asked))
        reader = _own_history(stack, history, notes) if own else None
        extent = reader.extent() if reader is not None else None
        fine_since_s = max(asked.until_s - FINE.kept_s, extent.fine_since_s if extent is not None else 0.0)
        parts = stretches(since_s, asked.until_s, fine_since_s, FINE.step_s, COARSE.step_s, asked.step_s)
        _refuse_too_many(parts)
        replays: list[Replay] = [*servers]
        if reader is not None and extent is not None:
            recordings = [rule for rule in files.recordings if _is_own(rule, recorded)]
            replays.append(await _history_replay(reader, Files(own, recordings), extent, since_s))
        names = ", ".join(address.name for address in addresses)
        yield replays, Span(parts, f"the Prometheus {names}", notes, is_sampled=False)


def _opened(path: Path) -> HistoryReader:
    if not path.is_file():
        raise SourceError(f"there is no history yet at {path}; {WHAT_TO_START}")
    return HistoryReader(path)


def _own_history(stack: AsyncExitStack, path: Path, notes: list[str]) -> HistoryReader | None:
    """The history for rules about the bot; without one they are left out."""
    try:
        reader = HistoryReader(path)
    except SourceError as error:
        notes.append(f"Rules about the bot itself are not evaluated, for they go by watch's own samples: {error}.")
        return None
    stack.callback(reader.close)
    return reader


async def _history_replay(reader: HistoryReader, files: Files, extent: Extent, since_s: float) -> HistoryReplay:
    replay = HistoryReplay(reader, files.rules, files.recordings)
    begins_at = min(since_s, max(extent.oldest_s, since_s - replay.reach_s))
    before = stretches(begins_at, since_s, extent.fine_since_s, FINE.step_s, COARSE.step_s, None)
    most = min((replay.most_steps(part.resolution_s, part.step_s) for part in before), default=1)
    await replay.start(list(windows(before, most)), since_s)
    return replay


def _within(extent: Extent, asked: Asked) -> tuple[float, float, list[str]]:
    """What of it there is.

    Raises: SourceError if there is nothing.
    """
    since_s, until_s = max(asked.since_s, extent.oldest_s), min(asked.until_s, extent.newest_s)
    if since_s >= until_s:
        raise SourceError(
            f"the history has nothing of that time: it goes from {to_rfc3339(extent.oldest_s)} to "
            f"{to_rfc3339(extent.newest_s)}; say --since and --until within it"
        )
    notes = []
    if since_s > asked.since_s + SLACK_S:
        notes.append(_shorter("the history", since_s, asked))
    if until_s < asked.until_s - SLACK_S:
        missing = format_duration(round(asked.until_s - until_s))
        notes.append(f"The history ends at {to_rfc3339(until_s)}, {missing} before the end of what was asked for.")
    return since_s, until_s, notes


def _shorter(what: str, since_s: float, asked: Asked) -> str:
    missing = format_duration(round(since_s - asked.since_s))
    return (
        f"{missing} of what was asked for are not evaluated, since {what} begins at {to_rfc3339(round(since_s))}: "
        "that is not quiet, it is unknown."
    )


def _refuse_too_many(parts: Sequence[Stretch]) -> None:
    if (count := num_steps(parts)) > MAX_STEPS:
        raise ConfigError(f"{count} evaluations are more than {MAX_STEPS}; take a longer --step or a later --since")


def _is_own(rule: Rule | RecordingRule, recorded: RecordedSeries) -> bool:
    try:
        return is_about_the_bot(rule, recorded)
    except QueryError:
        return False
