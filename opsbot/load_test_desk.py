"""What people do with load tests, whatever door they use: the one place where those rights are checked.

Implements `opsbot.utilisation.commands.LoadTestCommands`.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.errors import ConfigError, NotFoundError
from opsbot.people import Person
from opsbot.rights import require
from opsbot.spoken.plain import key_of
from opsbot.utilisation.announced import read_announcement
from opsbot.utilisation.expected import expected_lines
from opsbot.utilisation.load_test import LoadTest
from opsbot.utilisation.load_test_words import size_words
from opsbot.utilisation.load_tests import LoadTests
from opsbot.yamlfile import format_duration

MOST_LISTED = 10
MOST_WORDS = 500


class LoadTestDesk:
    """People come here about load tests.

    Args:
        clusters: every cluster that opsbot.yaml names.
        channel: where they are told.
    """

    def __init__(self, tests: LoadTests, clusters: Sequence[str], channel: str) -> None:
        self._tests = tests
        self._clusters = tuple(clusters)
        self._channel = channel.lstrip("#")

    async def would_announce(self, text: str) -> str:
        """What `announce` would say, without a full stop."""
        asked = read_announcement(text, self._clusters)
        expected = await self._tests.expect(asked.cluster, asked.size, asked.expect)
        said = " ".join(expected_lines(expected, asked.cluster)).rstrip(".")
        return (
            f"announce a load test of {size_words(asked.size)} on {asked.cluster} for "
            f"{format_duration(asked.length_s)} in #{self._channel}. It runs elsewhere; the bot sends nothing. {said}"
        )

    async def announce(self, text: str, person: Person, request_id: str) -> str:
        """Announce one that runs elsewhere."""
        require(person, "responder", "announce a load test")
        asked = read_announcement(text, self._clusters)
        expected = await self._tests.expect(asked.cluster, asked.size, asked.expect)
        test = await self._tests.announce(
            asked.cluster, asked.size, expected, asked.length_s, f"said:{request_id}"[:128], person.user_id, person.via,
            asked.reason,
        )  # fmt: skip
        said = " ".join(expected_lines(expected, asked.cluster))
        return (
            f"Load test {test.number} is announced in #{self._channel}: {size_words(asked.size)} on {asked.cluster} "
            f"for {format_duration(asked.length_s)}. {said}\nThe bot sends nothing itself: start your load generator, "
            f"and write `loadtest close {asked.cluster}` when it is over."
        )

    async def stop(self, number: int, person: Person) -> str:
        """End one now."""
        require(person, "responder", "stop a load test")
        before = await self._tests.test(number)
        if not before.is_open:
            return f"Load test {number} is over already."
        test = await self._tests.stop(number, person.user_id)
        if test.run_id is not None:
            return f"Load test {number} on {test.cluster} is stopped, and its run with it."
        return (
            f"Load test {number} on {test.cluster} is closed as stopped. It runs elsewhere: {test.by} is told in the "
            "incidents channel to end its load generator now."
        )

    async def close(self, number: int, person: Person, words: str = "") -> str:
        """Say that one is over."""
        require(person, "responder", "close a load test")
        before = await self._tests.test(number)
        if not before.is_open:
            return f"Load test {number} is over already."
        if before.run_id is not None:
            raise ConfigError(
                f"load test {number} is made by a run, and closes itself when that is over; "
                f"`loadtest stop {before.cluster}` ends both"
            )
        await self._tests.close(number, "finished", person.user_id, words[:MOST_WORDS])
        return f"Load test {number} on {before.cluster} is closed; #{self._channel} has what came of it."

    async def find(self, text: str) -> LoadTest:
        """The open one that *text* names."""
        tests = await self._tests.open_tests()
        word = text.split()[0].strip("#,.;:") if text.split() else ""
        if not word and len(tests) == 1:
            return tests[0]
        for test in tests:
            if word and (word == str(test.number) or key_of(word) == key_of(test.cluster)):
                return test
        known = ", ".join(f"{test.number} on {test.cluster}" for test in tests) or "none"
        raise NotFoundError(f"which load test? Open are: {known}. Write its cluster or its number")

    async def load_tests(self) -> Sequence[LoadTest]:
        """The newest ones."""
        return await self._tests.newest(MOST_LISTED)

    # -- as it is typed behind `loadtest`

    async def said(self, text: str, person: Person, request_id: str) -> str | None:
        """Carry out `announce …`, `close …`, `stop …` or `list`; None for what is none of these."""
        verb, rest = _verb(text)
        match verb:
            case "announce":
                return await self.announce(rest, person, request_id)
            case "stop":
                return await self.stop((await self.find(rest)).number, person)
            case "close":
                test = await self.find(rest)
                return await self.close(test.number, person, " ".join(rest.split()[1:]))
            case "list":
                return await self.listed()
        return None

    async def would(self, text: str) -> tuple[str, bool] | None:
        """What `said` would do, without a full stop, and whether it only looks; None likewise."""
        verb, rest = _verb(text)
        match verb:
            case "announce":
                return await self.would_announce(rest), False
            case "stop" | "close":
                test = await self.find(rest)
                return f"{verb} load test {test.number} on {test.cluster} ({size_words(test.size)})", False
            case "list":
                return await self.listed(), True
        return None

    async def listed(self) -> str:
        """The newest, a line each."""
        tests = await self.load_tests()
        if not tests:
            return "No load test was announced yet."
        return "\n".join(
            f"{test.number} on {test.cluster}: {size_words(test.size)}, "
            f"{'under way' if test.is_open else test.how}, by {test.by}"
            for test in tests
        )


VERBS = {
    "announce": "announce", "announced": "announce", "stop": "stop", "close": "close", "closed": "close",
    "finish": "close", "finished": "close", "over": "close", "list": "list", "ls": "list",
}  # fmt: skip


def _verb(text: str) -> tuple[str, str]:
    first, _, rest = text.strip().partition(" ")
    return VERBS.get(first.casefold().strip(":,."), ""), rest.strip()
