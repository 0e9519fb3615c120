"""What an incident's picture shows, in sentences: the alt text that a screen reader says in its place."""

from __future__ import annotations

from opsbot.chart.picture import MOST_ALT_CHARS
from opsbot.chart.style import clock_of
from opsbot.vitals.incident import Course, Track
from opsbot.vitals.reading import shown, trend_of


def alt_text(course: Course) -> str:
    """One sentence a figure, then what happened when."""
    said = [f"{course.cluster}, the {course.minutes} minutes to {clock_of(course.end_s)} UTC."]
    said += [f"{_figure(track)}." for track in course.tracks]
    happened = [f"{clock_of(one.at)} {one.text}" for one in course.moments if course.begin_s <= one.at <= course.end_s]
    if happened:
        said.append(f"Marked: {'; '.join(happened)}.")
    text = " ".join(said)
    return text if len(text) <= MOST_ALT_CHARS else text[: MOST_ALT_CHARS - 1] + "…"


def _figure(track: Track) -> str:
    figure, values = track.figure, [value for _, value in track.points]
    first, last, highest = values[0], values[-1], max(values)
    match trend_of(figure, last, first):
        case "rising":
            said = f"rose from {shown(figure, first)} to {shown(figure, last)}"
        case "falling":
            said = f"fell from {shown(figure, first)} to {shown(figure, last)}"
        case _:
            said = f"stayed at {shown(figure, last)}"
    if trend_of(figure, highest, max(first, last)) == "rising":
        at = next(at for at, value in track.points if value == highest)
        said += f", at most {shown(figure, highest)} at {clock_of(at)}"
    if track.level is not None and track.is_rule:
        said += f"; the alert's level is {shown(figure, track.level)}"
    return f"{figure.name} {said}"
