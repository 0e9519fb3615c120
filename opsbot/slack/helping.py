"""What `/ops help` says: everything in a few lines, or one verb with its examples. Pure."""

from __future__ import annotations

from opsbot.slack.text import escape, shorten
from opsbot.spoken.verbs import GROUPS, VERBS, VerbWords, find_verb, suggested

COMMAND = "/ops"


def help_text() -> str:
    """Every verb, grouped; one line a group."""
    lines = []
    for group in GROUPS:
        names = " · ".join(f"`{one.name}`" for one in VERBS if one.group == group)
        lines.append(f"*{group}*  {names}")
    lines.append(
        f"`{COMMAND} help batch` says more of one; a verb alone opens a dialog; `{COMMAND}` alone opens a menu.\n"
        "Case, plurals and order do not matter: `10m`, `10 min` and `1h30` are times, `because …` is the reason."
    )
    return "\n".join(lines)


def help_for(text: str) -> str:
    """Of the verb that *text* names; of all without one."""
    if not text:
        return help_text()
    found, _ = find_verb(text)
    if found is None:
        return unknown(text)
    return verb_text(found)


def verb_text(verb: VerbWords) -> str:
    """One verb in detail."""
    lines = [f"`{COMMAND} {escape(verb.typed)}` {escape(verb.says)}."]
    lines += [f"• `{COMMAND} {escape(typed)}` {escape(what)}" for typed, what in verb.examples]
    if verb.aliases:
        lines.append(f"Also: {', '.join(escape(alias) for alias in verb.aliases)}.")
    lines.append(f"In a terminal: `opsbot {verb.in_command_line}`.")
    return "\n".join(lines)


def unknown(text: str) -> str:
    """That there is no such verb, and the whole command with the one that was probably meant, to be typed again."""
    word, _, rest = text.partition(" ")
    near = suggested(word)
    if near is None:
        return f"There is no `{escape(shorten(word, 40))}`. Nothing was done.\n{help_text()}"
    meant = escape(shorten(f"{COMMAND} {near.name} {rest}".strip(), 300))
    return (
        f"There is no `{escape(shorten(word, 40))}`; did you mean `{meant}`? It would {escape(near.says)}. "
        f"Nothing was done. `{COMMAND} help` lists every verb."
    )
