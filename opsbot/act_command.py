"""`opsbot batch`, `shed`, `failwhale`, `fallback` and `loadtest`: what people do to a cluster by hand, over core's API.

Core reads the words, the same as behind `/ops`: both doors mean the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import click

from opsbot.command_options import CONFIG_OPTION
from opsbot.run_options import client_of, path_of
from opsbot.spoken.verbs import BY_NAME

F = TypeVar("F", bound=Callable[..., Any])

# `-25%` is no option, and options stand before the words.
_WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": True}


def _act(verb: str, function: F) -> click.Command:
    words = BY_NAME[verb]
    examples = "\n".join(f"  opsbot {typed}\n      {what}" for typed, what in words.examples)
    help_text = f"{function.__doc__}\n\n\b\nopsbot {words.typed}\n\n\b\nFor example:\n{examples}"
    decorated = click.argument("words", nargs=-1, type=click.UNPROCESSED)(function)
    decorated = click.option("--json", "is_json", is_flag=True, help="Print JSON.")(decorated)
    decorated = click.option("--yes", is_flag=True, help="Do it without asking.")(decorated)
    decorated = click.option("--wait", is_flag=True, help="Follow the run until it holds or ends.")(
        CONFIG_OPTION(decorated)
    )
    return click.command(verb, help=help_text, context_settings=_WORDS)(decorated)


def _carry_out(verb: str, words: tuple[str, ...], *, yes: bool, is_json: bool, wait: bool, config_path: Path) -> None:
    """Say what it would do, ask, and do it."""
    # Made here, so that asking again after an answer that was lost is still one run.
    body: dict[str, object] = {"text": " ".join(words), "request_id": uuid4().hex}
    path = path_of("acts", verb)
    with client_of(config_path) as client:
        would = client.tell("POST", path, {**body, "dry": True})
        if would["kind"] != "show" and not yes:
            if is_json:
                raise click.UsageError("with --json nobody is asked: add --yes")
            click.confirm(f"This would {would['message']}.\nDo it?", abort=True)
        answer = would if would["kind"] == "show" else client.tell("POST", path, body)
        click.echo(json.dumps(answer, indent=2) if is_json else answer["message"])
        if wait and answer["run"] is not None:
            from opsbot.run_command import follow

            sys.exit(0 if follow(client, answer["run"]) else 1)


def _batch(words: tuple[str, ...], **options: Any) -> None:
    """Set the batch limit of CLUSTER for a time; alone it says what it is and who holds it."""
    _carry_out("batch", words, **options)


def _shed(words: tuple[str, ...], **options: Any) -> None:
    """Turn a share of the callers of CLUSTER away for a time."""
    _carry_out("shed", words, **options)


def _failwhale(words: tuple[str, ...], **options: Any) -> None:
    """Announce the failwhale on CLUSTER, and put it up once a commander agrees."""
    _carry_out("failwhale", words, **options)


def _fallback(words: tuple[str, ...], **options: Any) -> None:
    """Answer somebody's callers on CLUSTER under the safe prompt, once two of trust & safety agree."""
    _carry_out("fallback", words, **options)


def _loadtest(words: tuple[str, ...], **options: Any) -> None:
    """Put a load on CLUSTER, announced before and closed with what came of it."""
    _carry_out("loadtest", words, **options)


batch = _act("batch", _batch)
shed = _act("shed", _shed)
failwhale = _act("failwhale", _failwhale)
fallback = _act("fallback", _fallback)
loadtest = _act("loadtest", _loadtest)
