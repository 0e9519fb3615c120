"""What is in force on a cluster of what people turn by hand: the value, its range, and who holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsbot.action.control import ControlClient
from opsbot.action.control_answers import KnobAnswer, LeaseAnswer
from opsbot.clock import Clock, to_minute
from opsbot.errors import ActionError, ConfigError
from opsbot.incident.handle import handle_of
from opsbot.incident.view import RunView
from opsbot.spoken.act import Act, ActVerb

KNOBS: Mapping[ActVerb, str] = {
    "batch": "batch_limit",
    "shed": "shed",
    "failwhale": "failwhale",
    "fallback": "fallback_prompt",
    "loadtest": "",
}
RUNBOOKS: Mapping[ActVerb, str] = {
    "batch": "set-batch",
    "shed": "shed",
    "failwhale": "failwhale",
    "fallback": "safe-prompt",
    "loadtest": "loadtest",
}
"""The runbook that each verb starts."""
WORDS: Mapping[ActVerb, str] = {
    "batch": "batch limit",
    "shed": "shedding",
    "failwhale": "failwhale",
    "fallback": "safe prompt",
    "loadtest": "load test",
}
MOST_HOLDERS = 6


@dataclass(frozen=True, slots=True)
class ActState:
    """Asks the servers."""

    control: ControlClient
    clock: Clock

    async def now(self, act: Act) -> str:
        """What is in force, in a few words; empty where that cannot be read."""
        if not KNOBS[act.verb]:
            return ""
        try:
            return _now(act, await self.control.look(act.cluster, KNOBS[act.verb]))
        except ActionError:
            # What is wanted can be said without it; the run reads it again before it acts.
            return ""

    async def limit(self, act: Act) -> int:
        """The batch limit that is wanted, as a number.

        Raises: ActionError; ConfigError if it is none that would have an effect.
        """
        knob = await self.control.knob(act.cluster, KNOBS["batch"])
        if act.relative is not None:
            wanted = max(knob.minimum, round(knob.in_force * (1 + act.relative)))
            if wanted == knob.in_force and act.relative < 0:
                wanted = max(knob.minimum, knob.in_force - 1)
        else:
            wanted = int(act.number or 0)
        if wanted > knob.base or wanted < knob.minimum:
            raise ConfigError(
                f"the batch limit of {act.cluster} is {knob.in_force} now and may be {knob.minimum} to {knob.base}, "
                f"not {wanted}: a limit can only be lowered from what the server was started with; "
                f"`batch {act.cluster} off` takes back what was set by hand"
            )
        if wanted >= knob.in_force and act.relative is not None:
            raise ConfigError(
                f"the batch limit of {act.cluster} is {knob.in_force} already, and not less than {wanted}"
            )
        if wanted > knob.in_force:
            await self._is_not_hidden(act.cluster, wanted)
        return wanted

    async def _is_not_hidden(self, cluster: str, wanted: int) -> None:
        """Refuse a limit that would lie above somebody else's: of several the smallest is in force."""
        own = f"run:{RUNBOOKS['batch']}:"
        for lease in await self.control.leases_in_force(cluster, knob=KNOBS["batch"]):
            if isinstance(lease.value, int) and lease.value < wanted and not lease.owner.startswith(own):
                raise ConfigError(
                    f"a batch limit of {wanted} would change nothing on {cluster}: the smallest is in force, and that "
                    f"is {self._holder(lease)}"
                )

    async def words(self, act: Act, mine: Sequence[RunView]) -> str:
        """What is in force, its range, who holds it, and what to type."""
        name, verb, cluster = KNOBS[act.verb], act.verb, act.cluster
        off = f"`{verb} {cluster} off` takes back what was set by hand." if mine else ""
        waiting = "".join(f"\n{run.handle} {run.runbook_name}: {run.state} ({run.detail})" for run in mine)
        if not name:
            return f"{'A load test runs' if mine else 'No load test runs'} on {cluster}.{waiting} {off}".strip()
        knob = await self.control.look(cluster, name)
        leases = await self.control.leases_in_force(cluster, knob=name)
        lines = [await self._head(act, knob)]
        lines += [f"• {self._holder(lease)}" for lease in leases[:MOST_HOLDERS]]
        if len(leases) > MOST_HOLDERS:
            lines.append(f"• … and {len(leases) - MOST_HOLDERS} more")
        if not leases:
            lines.append("Nobody holds it.")
        about_to = [run for run in mine if all(lease.owner != run.run_id for lease in leases)]
        lines += [f"• {run.handle} {run.runbook_name}: {run.state} ({run.detail})" for run in about_to]
        return "\n".join([*lines, *([off] if off else [])])

    async def nothing(self, act: Act) -> str:
        """That nothing was set by hand, and who holds it then."""
        said = f"nobody has set the {WORDS[act.verb]} of {act.cluster} by hand, so there is nothing to take back"
        if not KNOBS[act.verb]:
            return said
        try:
            leases = await self.control.leases_in_force(act.cluster, knob=KNOBS[act.verb])
        except ActionError:
            return said
        holders = "; ".join(self._holder(lease) for lease in leases[:MOST_HOLDERS])
        return f"{said}. It is held by: {holders}" if holders else said

    async def _head(self, act: Act, knob: KnobAnswer) -> str:
        now = _now(act, knob)
        if act.verb != "batch":
            return f"{act.cluster}: {now}."
        number = await self.control.knob(act.cluster, knob.knob)
        return (
            f"The batch limit of {act.cluster} is {number.in_force} now; the server was started with {number.base}. "
            f"It may be {number.minimum} to {number.base}."
        )

    def _holder(self, lease: LeaseAnswer) -> str:
        until = to_minute(lease.expires_at, self.clock.now())
        value = f"{lease.value} " if isinstance(lease.value, int) else ""
        if lease.owner.startswith("run:"):
            handle = handle_of(lease.owner)
            return f"{value}by {handle}, renewed until it is given back; `undo {handle}` does that"
        return f"{value}by {lease.owner or 'somebody'}, {lease.state}, until {until} unless it is renewed"


def _now(act: Act, knob: KnobAnswer) -> str:
    match act.verb:
        case "batch":
            return f"{knob.in_force}"
        case "shed":
            share = max((float(one.value.get("fraction", 0)) * one.strength for one in knob.layers), default=0.0)
            return f"up to {share:.0%} of the callers are turned away" if share else "nobody is turned away"
        case "failwhale":
            return "the failwhale is up" if knob.layers else "the failwhale is not up"
        case _:
            count = len(knob.layers)
            return "nobody is answered under another prompt" if not count else f"{count} fallback prompts are in force"
