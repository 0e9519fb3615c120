"""Leads a person through one dialog: it opens at once, shows the plan, does exactly that plan, and tells the outcome.

A dialog that is submitted is looked at once more first. Where what would be done is not what was shown, nothing is
done and the dialog shows the new plan with what has changed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import MissingRole, OpsbotError, SourceError
from opsbot.incident.view import RunView
from opsbot.people import Person
from opsbot.runbook.preview import Preview, changes
from opsbot.slack.dialogs.acting import Done, act
from opsbot.slack.dialogs.follow import Following, rests
from opsbot.slack.dialogs.forms import FORMS, carry_out_form, form_problems
from opsbot.slack.dialogs.outcome import failed_view, loading_view, outcome_view, refused_view, working_view
from opsbot.slack.dialogs.plan import REASON, plan_view
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.dialogs.views import Opened, open_view, update_view
from opsbot.slack.dialogs.words import WORDS, command_for
from opsbot.slack.given import given
from opsbot.slack.limits import MAX_REASON
from opsbot.slack.names import Names
from opsbot.slack.press import Press
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat

logger = logging.getLogger(__name__)

QUICK_S = 0.25
"""A plan that is there so soon is shown without a dialog that only loads."""
LOOK_S = 10.0
TOO_SLOW = f"What is in force could not be read within {LOOK_S:.0f} s. Press the button again in a moment."
ACK_SENT_S = 0.15
"""Bolt looks for the acknowledgement every 10 ms: what is shown before it is sent would be covered by it."""
MOST_KEPT = 500
UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details. Look at the thread first."
OF_ANOTHER_VERSION = "This dialog is of another version of the bot; nothing was done. Press the button again."
LOST_PLAN = "The plan has changed, or the bot was started anew since it was shown."


@dataclass(frozen=True, slots=True)
class Lost:
    """What could not be shown in the dialog, since it is closed: it is said elsewhere."""

    sentence: str


class DialogDesk:
    """Opens dialogs and takes what was filled in."""

    def __init__(self, seat: Seat, names: Names) -> None:
        self._seat = seat
        self._names = names
        self._shown: OrderedDict[str, Preview] = OrderedDict()
        self._standing: OrderedDict[str, View] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()

    # -- opening

    async def open(self, client: AsyncWebClient, trigger_id: str, subject: Subject, person: Person) -> str | None:
        """Open the dialog and fill it; answers a sentence for the person where Slack did not open it.

        Raises: what doing it would raise, where that is known before anything is shown.
        """
        looking = asyncio.create_task(
            seen_by(self._seat, person).runs.preview(subject.ask, person), name=f"look ahead: {subject.verb}"
        )
        await asyncio.wait({looking}, timeout=QUICK_S)
        if looking.done():
            preview = looking.result()
            named = await self._named(client, preview)
            opened = await open_view(client, trigger_id, plan_view(subject, preview, named))
            if opened is None:
                return not_opened(subject)
            self._remember(opened.view_id, preview)
            return None
        opened = await open_view(client, trigger_id, loading_view(subject))
        if opened is None:
            looking.cancel()
            return not_opened(subject)
        await self._fill(client, opened, subject, looking)
        return None

    async def fill(self, client: AsyncWebClient, view_id: str, subject: Subject, person: Person) -> None:
        """Let a dialog that is open already show the plan; for pickers whose last page is this one."""
        await asyncio.sleep(ACK_SENT_S)
        looking = asyncio.create_task(
            seen_by(self._seat, person).runs.preview(subject.ask, person), name=f"look ahead: {subject.verb}"
        )
        await self._fill(client, Opened(view_id, ""), subject, looking)

    async def _fill(
        self, client: AsyncWebClient, opened: Opened, subject: Subject, looking: asyncio.Task[Preview]
    ) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                preview = await looking
            view = plan_view(subject, preview, await self._named(client, preview))
        except OpsbotError as error:
            view = refused_view(subject, *await self.sentence(client, error))
        except TimeoutError:
            view = refused_view(subject, TOO_SLOW, {})
        except Exception:
            logger.exception("the look ahead of %s failed", subject.verb)
            view = failed_view(subject, UNEXPECTED)
        else:
            self._remember(opened.view_id, preview)
        await update_view(client, opened, view)

    # -- submitting

    def reply(self, press: Press, *, is_repeated: bool) -> Mapping[str, Any]:
        """What the acknowledgement of a submission carries: complaints under fields, or that it works.

        Args:
            is_repeated: Slack delivers again what is carried out already; the dialog stays as it is.
        """
        subject = _subject_in(press)
        if subject is None:
            return {}
        problems = self._problems(subject, given(press.view))
        if problems:
            return {"response_action": "errors", "errors": problems}
        standing = self._standing.get(press.source) if is_repeated else None
        view = working_view(subject) if standing is None else standing
        return {"response_action": "update", "view": view.to_dict()}

    def _problems(self, subject: Subject, answers: Mapping[str, str]) -> Mapping[str, str]:
        if subject.verb in FORMS:
            return form_problems(subject.verb, answers)
        words, reason = WORDS[subject.verb], answers.get(REASON, "").strip()
        if words.reason and words.is_reason_needed and not reason:
            return {REASON: "Say why in a few words: the next reader was not there."}
        if words.reason and len(reason) > MAX_REASON:
            return {REASON: f"At most {MAX_REASON} characters; this is {len(reason)}. Put the rest into the thread."}
        return {}

    async def submitted(self, client: AsyncWebClient, press: Press, person: Person) -> Lost | None:
        """Carry out what the dialog showed; answers what could not be shown in it."""
        subject, answers = _subject_in(press), given(press.view)
        if subject is None:
            return Lost(OF_ANOTHER_VERSION)
        opened = Opened(press.source, "")
        try:
            if subject.verb in FORMS:
                await asyncio.sleep(ACK_SENT_S)
                sentence = await carry_out_form(
                    seen_by(self._seat, person), subject, answers, person, f"dialog-{press.source}"
                )
                self._seat.wake()
                named = await self._names.of(client, sentence)
                view = outcome_view(subject, sentence, named, None, is_live=False)
                return await self._tell(client, opened, view, sentence)
            return await self._carry_out(client, opened, subject, answers.get(REASON, "").strip(), person)
        except OpsbotError as error:
            sentence, named = await self.sentence(client, error)
            view = refused_view(subject, sentence, named)
        except Exception:
            logger.exception("the dialog %s failed", subject.verb)
            sentence, view = UNEXPECTED, failed_view(subject, UNEXPECTED)
        self._seat.wake()
        await asyncio.sleep(ACK_SENT_S)
        return await self._tell(client, opened, view, sentence)

    async def _carry_out(
        self, client: AsyncWebClient, opened: Opened, subject: Subject, reason: str, person: Person
    ) -> Lost | None:
        seat = seen_by(self._seat, person)
        try:
            async with asyncio.timeout(LOOK_S):
                preview = await seat.runs.preview(subject.ask, person)
        except TimeoutError as error:
            raise SourceError(TOO_SLOW) from error
        if preview.digest != subject.digest:
            await asyncio.sleep(ACK_SENT_S)
            return await self._ask_anew(client, opened, subject, preview, reason)
        done = await act(seat, subject, preview, person, reason)
        self._seat.wake()
        await asyncio.sleep(ACK_SENT_S)
        run = await self._run_after(done)
        named = await self._names.of(client, done.sentence)
        is_live = run is not None and not rests(run, subject.verb)
        view = outcome_view(subject, done.sentence, named, run, is_live=is_live)
        self._keep(opened.view_id, view)
        shown = await update_view(client, opened, view)
        if shown is None:
            return Lost(done.sentence)
        if is_live:
            following = Following(seat, client, subject, done, named, lambda: opened.view_id in self._closed)
            self._seat.work.watch(f"follow {subject.reference}", following.run(shown, run))
        return None

    async def _run_after(self, done: Done) -> RunView | None:
        """The run that goes on; None where it cannot be read, since what is done is done all the same."""
        if not done.run_id:
            return None
        try:
            return await self._seat.runs.run(done.run_id)
        except OpsbotError as error:
            logger.warning("the outcome is told without the run %s: %s", done.run_id, error)
            return None

    async def _ask_anew(
        self, client: AsyncWebClient, opened: Opened, subject: Subject, preview: Preview, reason: str
    ) -> Lost | None:
        before = self._shown.get(opened.view_id)
        changed = changes(before, preview) if before is not None else (LOST_PLAN,)
        named = await self._named(client, preview)
        view = plan_view(subject, preview, named, changed=changed or (LOST_PLAN,), reason=reason)
        self._remember(opened.view_id, preview)
        return await self._tell(
            client, opened, view, f"Nothing was done, since it has changed: {' '.join(changed)} Press the button again."
        )

    async def _tell(self, client: AsyncWebClient, opened: Opened, view: View, sentence: str) -> Lost | None:
        self._keep(opened.view_id, view)
        return None if await update_view(client, opened, view) is not None else Lost(sentence)

    # -- the rest

    def closed(self, view_id: str) -> None:
        """Somebody has closed it: nobody looks at it any more."""
        self._closed[view_id] = None
        self._shown.pop(view_id, None)
        self._standing.pop(view_id, None)
        _trim(self._closed)

    async def sentence(self, client: AsyncWebClient, error: OpsbotError) -> tuple[str, Mapping[str, str]]:
        """What an error says to the person, with who may instead of them; and the names of people in it."""
        text = str(error)
        if isinstance(error, MissingRole):
            able = self._seat.runs.who_may(error.roles)
            named = await self._names.of(client, text, " ".join(able))
            return f"{error.what[:1].upper()}{error.what[1:]}. {who_may(able, named)}.", named
        return text, await self._names.of(client, text)

    async def _named(self, client: AsyncWebClient, preview: Preview) -> Mapping[str, str]:
        return await self._names.of(client, json.dumps(dataclasses.asdict(preview), default=str, ensure_ascii=False))

    def _remember(self, view_id: str, preview: Preview) -> None:
        self._shown[view_id] = preview
        self._shown.move_to_end(view_id)
        _trim(self._shown)

    def _keep(self, view_id: str, view: View) -> None:
        self._standing[view_id] = view
        self._standing.move_to_end(view_id)
        _trim(self._standing)


MOST_ABLE = 5


def who_may(able: tuple[str, ...], named: Mapping[str, str]) -> str:
    """Whom to ask, by name."""
    if not able:
        return "Nobody has it: opsbot.yaml gives roles under `people`"
    names = [named.get(one, one) for one in able[:MOST_ABLE]]
    more = f" and {len(able) - MOST_ABLE} more" if len(able) > MOST_ABLE else ""
    return f"Who may: {', '.join(names)}{more}. Ask {'them' if len(able) == 1 else 'one of them'}"


def not_opened(subject: Subject) -> str:
    """What to do where Slack did not open the dialog."""
    typed = command_for(subject.verb, subject.reference)
    more = f", or type `{typed}`" if typed else ""
    return f"Slack did not open the dialog; nothing was done. Press again{more}."


def _subject_in(press: Press) -> Subject | None:
    """What the dialog carries; None for what this version does not know."""
    try:
        subject = Subject.load(press.value)
    except (ValueError, TypeError, RecursionError):
        return None
    return subject if subject.verb in WORDS else None


def _trim(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
