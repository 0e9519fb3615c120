"""B4, B7, B8 and CLOUDS: honest machines that ask a lot."""

from __future__ import annotations

from serving_stub.traffic.abuse.cast import DAY_S, HOUR_S, Cast, scaled
from serving_stub.traffic.abuse.move import Built, Known, Move
from serving_stub.traffic.abuse.texts import BATCH, fill, question
from serving_stub.traffic.client_profile import OPENAI_PYTHON, PYTHON_REQUESTS

NIGHT_HOUR = 7
"""Of the plan: two in the morning in Berlin."""

NIGHTS = 7
_CLOUD_COUNTRIES = ("US", "DE", "SG", "IE")


def ci_farm(cast: Cast, strength: float) -> Built:
    """B4: 960 runners of one provider ask the same twenty things with one key."""
    source = cast.source
    fixtures = [question(source) for _ in range(20)]
    moves = []
    for runner in range(scaled(960, strength)):
        place = cast.network("hosting", runner % 60, "US", 0)
        who = cast.member("ci", 0, OPENAI_PYTHON, place, host=1 + runner)
        moves += [
            Move(at_s, who, source.choice(fixtures), uncached=0.05, completion_tokens=40)
            for at_s in cast.times(2, 0.0, HOUR_S)
        ]
    return Built({"key_hash": who.key_hash}, list(moves))


def ci_clouds(cast: Cast, strength: float) -> Built:
    """CLOUDS: the runners stand in six clouds and four countries, as they did all week."""
    source = cast.source
    fixtures = [question(source) for _ in range(20)]
    moves = []
    for day in range(-NIGHTS, 1):
        # A build every three hours, as strong in the week before as today.
        for build in range(8):
            start_s = day * DAY_S + build * 3 * HOUR_S
            if start_s > 3 * HOUR_S:
                continue
            for at_s in cast.times(scaled(60, strength), start_s, 0.5 * HOUR_S):
                number = source.randrange(24)
                place = cast.network("hosting", number, _CLOUD_COUNTRIES[number % 4], number % 6)
                who = cast.member("ci", 0, OPENAI_PYTHON, place)
                moves.append(Move(at_s, who, source.choice(fixtures), uncached=0.05, completion_tokens=40))
    return Built({"key_hash": who.key_hash}, list(moves))


def nightly_batch(cast: Cast, strength: float) -> Built:
    """B7: every night the same form for the day's letters, long instructions before each."""
    source = cast.source
    who = cast.member("insurer", 0, OPENAI_PYTHON, cast.network("business", 0, "DE"), age_days=700)
    moves = []
    for night in range(-NIGHTS, 1):
        for at_s in cast.times(scaled(400, strength), night * DAY_S + NIGHT_HOUR * HOUR_S, 0.5 * HOUR_S):
            moves.append(
                Move(
                    at_s,
                    who,
                    fill(BATCH, source),
                    endpoint="batch",
                    prompt_tokens=5000,
                    uncached=0.08,
                    completion_tokens=60,
                )
            )
    return Built({"org": who.persona.tenant}, list(moves))


def load_test(cast: Cast, strength: float) -> Built:
    """B8: twelve hundred requests of a thousand tokens, said beforehand."""
    source = cast.source
    who = cast.member("ourselves", 0, PYTHON_REQUESTS, cast.network("hosting", 0, "US"), age_days=800)
    moves = [
        Move(
            at_s,
            who,
            question(source, 60),
            prompt_tokens=1000,
            uncached=1.0,
            completion_tokens=16,
            max_tokens=16,
        )
        for at_s in cast.times(scaled(1200, strength), 60.0, 600.0)
    ]
    entity = {"org": who.persona.tenant}
    window = Known("loadtest", entity, 0.0, 900.0, "1000 tokens each, expect TTFT to double for ten minutes")
    return Built(entity, list(moves), (window,))
