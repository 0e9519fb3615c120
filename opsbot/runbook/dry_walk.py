"""Walks a runbook as a run would, now, and changes nothing: the one dry run.

Steps that only read are really asked, so that what follows from them can be told. What depends on a step that changes
something stays open, and is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsbot.errors import SourceError
from opsbot.expression import ExpressionError, compile_value, render_value
from opsbot.people import Person, Role
from opsbot.runbook import texts
from opsbot.runbook.action import Action
from opsbot.runbook.dry_calls import Asked, Calls
from opsbot.runbook.dry_probe import Probes
from opsbot.runbook.dry_run import Condition, Consent, Countdown, DryRun, DryStep, Standing
from opsbot.runbook.dry_scope import Depends, Scope
from opsbot.runbook.model import Approval, Step, Verify
from opsbot.runbook.plan import is_wanted, items
from opsbot.runbook.preparing import needed_approval
from opsbot.runbook.probe import Prober
from opsbot.runbook.query import compile_query


@dataclass(frozen=True, slots=True)
class People:
    """Who there is.

    Args:
        roles: of everybody in the settings, by user id.
        asked: whose rights are asked about; None for nobody's.
    """

    roles: Mapping[str, frozenset[Role]]
    asked: Person | None = None


@dataclass(frozen=True, slots=True)
class DryWalk:
    """One dry run."""

    scope: Scope
    people: People
    prober: Prober
    probes: Probes

    async def run(self, starts: str, problems: tuple[str, ...] = ()) -> DryRun:
        """Look at every step, in order.

        Args:
            starts: what would start it, in words.
            problems: what was wrong before the first step.
        """
        scope, runbook = self.scope, self.scope.runbook
        group, more = self._group()
        steps = []
        for step in runbook.all_steps:
            steps.append(replace(await self._step(step), is_final=step in runbook.finals))
        num_clusters = len(scope.facts.clusters)
        found = DryRun(
            runbook=runbook,
            starts=starts,
            labels=scope.incident.labels,
            value=scope.incident.value,
            inputs={one.name: scope.facts.inputs.get(one.name, one.default) for one in runbook.inputs},
            group=group,
            num_clusters=num_clusters,
            most_clusters=runbook.limits.most(num_clusters),
            steps=tuple(steps),
            problems=(*problems, *more),
        )
        most, touched = found.most_clusters, len(found.clusters)
        if most is None or touched <= most:
            return found
        why = f"it would hold something on {touched} clusters, and its limit is {most} of {num_clusters}"
        return replace(found, problems=(*found.problems, why))

    def _group(self) -> tuple[str, tuple[str, ...]]:
        written = self.scope.runbook.concurrency.group
        if written is None:
            return f"{self.scope.runbook.runbook_id}:{self.scope.incident.labels.get('cluster', '')}", ()
        try:
            return self._text(written, None), ()
        except ExpressionError as error:
            return "", (f"concurrency: group: {error}",)

    async def _step(self, step: Step) -> DryStep:
        action = self.scope.registry.get(step.uses)
        shown = DryStep(step.step_id, step.name, step.uses, "acts", condition=step.condition, foreach=step.foreach)
        names, known = self.scope.names(step), self.scope.known(step)
        depends = ""
        try:
            if not self.scope.evaluated(step.condition, lambda: is_wanted(step, names, known)):
                self.scope.learn(step, "skipped")
                return replace(shown, standing="skipped", why=f"{step.condition} is false")
        except Depends as error:
            depends = str(error)
        except ExpressionError as error:
            self.scope.learn(step, "failed")
            return replace(shown, standing="fails", problems=(f"if: {error}",))
        found: tuple[object, ...] | None = None
        try:
            if step.foreach is not None:
                found = self.scope.evaluated(step.foreach, lambda: items(step, names, known))
        except Depends as error:
            self.scope.leave_open(step)
            return self._with_people(step, action, replace(shown, standing="depends", why=f"its list {error}"))
        except ExpressionError as error:
            self.scope.learn(step, "failed")
            return replace(shown, standing="fails", problems=(f"foreach: {error}",))
        if found == ():
            self.scope.learn(step, "skipped")
            return replace(shown, standing="skipped", why=f"{step.foreach} is empty")
        asked = await Calls(self.scope, self.prober, self.probes).of(step, action, found)
        # What its own calls and texts see is known before its end is.
        shown = self._with_people(step, action, replace(shown, calls=tuple(one.call for one in asked)))
        shown = replace(
            shown,
            stages=() if found is None else _staged(step, found),
            verify=await self._verify(step, step.verify, found) if step.verify else None,
            undo=self._undo(step, action, asked),
        )
        if self.scope.facts.is_drill is False and action.is_for_drills:
            shown = replace(shown, problems=(*shown.problems, f"{action.name} is for drills; plan one with --drill"))
        self._remember(step, action, asked, is_sure=not depends)
        standing, why = self._standing(step, action, shown, depends)
        return replace(shown, standing=standing, why=why)

    def _standing(self, step: Step, action: Action[Any], shown: DryStep, depends: str) -> tuple[Standing, str]:
        if depends:
            return "depends", f"whether it is made {depends}"
        # What cannot be verified is made all the same, and is a problem of its own.
        if shown.problems or any(call.problem for call in shown.calls):
            return "fails", ""
        if any(call.unknown for call in shown.calls):
            return "acts", "with arguments that are not known yet"
        if self.scope.runbook.mode == "observe" and not action.is_read_only:
            return "observes", "this runbook only says what it would do"
        return "acts", ""

    def _remember(self, step: Step, action: Action[Any], asked: list[Asked], *, is_sure: bool) -> None:
        outputs = [one.outputs for one in asked if one.outputs is not None]
        if not action.is_read_only and self.scope.runbook.mode == "observe" and is_sure:
            self.scope.learn(step, "skipped")
        elif not is_sure or len(outputs) < len(asked):
            self.scope.leave_open(step)
        elif step.foreach is None:
            self.scope.learn(step, "succeeded", outputs[0])
        else:
            self.scope.learn(step, "succeeded", {"items": outputs})

    def _with_people(self, step: Step, action: Action[Any], shown: DryStep) -> DryStep:
        problems = list(shown.problems)
        consent = countdown = None
        approval = None if action.is_read_only else needed_approval(self.scope.runbook, step, action)
        if approval is not None and self.scope.runbook.mode != "observe":
            consent = self._consent(approval, action)
            if consent.num_able < consent.count:
                problems.append(
                    f"{consent.count} of {consent.who} must approve, and `people` in the settings has "
                    f"{consent.num_able} who may"
                )
        if step.announce is not None:
            try:
                message = self._text(step.announce.message, step)
            except Depends as error:
                message = f"{step.announce.message} ({error})"
            except ExpressionError as error:
                message = step.announce.message
                problems.append(f"announce: {error}")
            one = step.announce
            countdown = Countdown(message, one.for_s, one.on_objection, one.calls_for_capacity)
        return replace(
            shown,
            consent=consent,
            countdown=countdown,
            locks=tuple(dict.fromkeys([*(knob for call in shown.calls for knob in call.knobs), *step.locks])),
            lease_s=step.lease_s,
            problems=tuple(problems),
        )

    def _consent(self, approval: Approval, action: Action[Any]) -> Consent:
        excludes = action.is_risky if approval.excludes_requester is None else approval.excludes_requester
        excluded = self.scope.facts.requester if excludes else ""
        able = {
            user
            for user, roles in self.people.roles.items()
            if user != excluded and any(Person(user, roles).has(role) for role in approval.roles)
        }
        who = " or ".join(texts.ROLE_NAMES[role] for role in approval.roles)
        found = Consent(who, approval.count, approval.timeout_s, approval.on_timeout, approval.reason, len(able))
        asked = self.people.asked
        if asked is None:
            return found
        if asked.user_id in able:
            return replace(found, asked=asked.user_id, may=True)
        if asked.user_id == excluded:
            why = "whoever asked for the run may not approve it"
        elif asked.user_id not in self.people.roles:
            why = "the settings do not name this person under `people`"
        else:
            why = f"has {', '.join(sorted(asked.roles)) or 'no role'}"
        return replace(found, asked=asked.user_id, why=why)

    async def _verify(self, step: Step, verify: Verify, found: tuple[object, ...] | None) -> Condition:
        shown = Condition(verify.expr, verify.means, verify.for_s, verify.timeout_s, step.on_verify_failed)
        known = self.scope.known(step) | ({"item": found[0]} if found else {})
        try:
            query = compile_query(verify.expr, self.scope.names(step))
            expr = self.scope.evaluated(verify.expr, lambda: query.render(known))
        except Depends as error:
            return replace(shown, why=str(error))
        except ExpressionError as error:
            return replace(shown, problem=str(error))
        try:
            verdict = await self.probes.ask(lambda: self.prober.check(expr))
        except SourceError as error:
            return replace(shown, expr=expr, problem=f"it cannot be asked: {error}")
        return replace(shown, expr=expr, verdict=verdict)

    def _undo(self, step: Step, action: Action[Any], asked: list[Asked]) -> str:
        if action.is_read_only:
            return ""
        if step.undo is not None:
            return f"by {step.undo.uses}" + (f" with {_written(step.undo.arguments)}" if step.undo.arguments else "")
        told = next((one.call.undo for one in asked if one.call.undo), "")
        if told:
            return told
        return "its lease is released" if action.takes_lease else "nothing takes it back; a step's `undo` could"

    def _text(self, written: str, step: Step | None) -> str:
        # One expression for all items: `item` is not among its names.
        compiled, mistakes = compile_value(written, {k: v for k, v in self.scope.names(step).items() if k != "item"})
        if mistakes:
            raise mistakes[0][1]
        return str(self.scope.evaluated(written, lambda: render_value(compiled, self.scope.known(step))))


def _staged(step: Step, found: tuple[object, ...]) -> tuple[tuple[object, ...], ...]:
    ends = [share.of(len(found)) for share in step.stages] or [len(found)]
    starts = [0, *ends]
    return tuple(found[start:end] for start, end in zip(starts, ends, strict=False) if start < end)


def _written(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in arguments.items())
