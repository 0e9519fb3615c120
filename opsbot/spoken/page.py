"""The tables of docs/commands.md, from the table of verbs."""

from __future__ import annotations

from opsbot.spoken.verbs import GROUPS, VERBS, VerbWords

MARK = "<!-- The rest is written by `python -m opsbot help --markdown`. -->"


def tables() -> str:
    """One section for each group: its verbs, and examples."""
    parts = []
    for group in GROUPS:
        verbs = [one for one in VERBS if one.group == group]
        parts += [f"## {group}", "", "| in Slack | in a terminal | what it does | also |", "| --- | --- | --- | --- |"]
        parts += [_row(one) for one in verbs]
        examples = [(typed, what) for one in verbs for typed, what in one.examples]
        if examples:
            parts += ["", "| for example | |", "| --- | --- |"]
            parts += [f"| `/ops {_cell(typed)}` | {_cell(what)} |" for typed, what in examples]
        parts.append("")
    return "\n".join(parts)


def _row(one: VerbWords) -> str:
    cells = (f"`/ops {one.typed}`", f"`opsbot {one.in_command_line}`", one.says, ", ".join(one.aliases))
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
