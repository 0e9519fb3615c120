"""The command line: starts the roles, checks files, and asks core over HTTP.

Commands that concern a running bot are a thin client of core's API. Each is imported when it is invoked, so that
`--help` and `check` start at once: nothing here imports more than click.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from opsbot import __version__
from opsbot.errors import OpsbotError
from opsbot.lazy_group import LazyCommand, LazyGroup

COMMANDS: Mapping[str, LazyCommand] = {
    "up": LazyCommand(
        "role_command:up",
        "Start the whole bot: core, watch, events, and the local workspace when no Slack tokens are set.",
    ),
    "core": LazyCommand("role_command:core", "Start the core role alone: incidents, runs, Slack, web."),
    "watch": LazyCommand("role_command:watch", "Start the watch role alone: scraping and alert rules."),
    "events": LazyCommand("role_command:events", "Start the events role alone: the request log."),
    "workspace": LazyCommand(
        "role_command:workspace", "Start the local Slack-compatible workspace and print the address of its page."
    ),
    "check": LazyCommand(
        "check_command:check",
        "Check runbooks, alert rules, rotas and settings; print every problem as file:line:column: message.",
    ),
    "slack": LazyCommand("slack_command:slack_group", "Set up and check the connection to Slack."),
    "test": LazyCommand(
        "test_command:test", "Perform the tests beside runbooks, in virtual time and with mocked actions."
    ),
    "plan": LazyCommand(
        "plan_command:plan",
        "Say what RUNBOOK (a file, or the id of one in force) would do now, step by step, and change nothing.",
    ),
    "graph": LazyCommand(
        "graph_command:graph",
        "Draw RUNBOOK, a file: what starts it, its steps with approval, lease and verification, and every way out.",
    ),
    "new": LazyCommand(
        "new_command:new", "Write FOLDER/NAME.yaml and NAME.test.yaml, which pass `opsbot check` as they are."
    ),
    "schema": LazyCommand(
        "check_command:schema", "Write the JSON Schemas of settings, runbooks and alert rules to FOLDER."
    ),
    "actions": LazyCommand(
        "action_command:actions", "List what steps of runbooks may use; or show the action NAME alone."
    ),
    "sources": LazyCommand(
        "sources_command:sources",
        "Ask each Prometheus each rule, read each list of targets and scrape each target once; say what is wrong.",
    ),
    "import": LazyCommand("import_command:import_group", "Take over files that were written for other programs."),
    "incidents": LazyCommand(
        "incident_command:incidents", "List the incidents that are not resolved, with what the bot is doing about each."
    ),
    "incident": LazyCommand(
        "timeline_command:incident", "Show INCIDENT_ID with its whole timeline, also what Slack has not said yet."
    ),
    "explain": LazyCommand(
        "incident_command:explain",
        "Say why somebody was paged, or was not: ABOUT is an incident's id, an alert's name or a fingerprint.",
    ),
    "ack": LazyCommand("incident_command:ack", "Acknowledge INCIDENT_ID with your personal token."),
    "run": LazyCommand("run_command:run", "Start RUNBOOK by hand; prints the run's name at once."),
    "runs": LazyCommand("run_command:runs", "List runs: what each is doing, what it asks, and what to type."),
    "retry": LazyCommand(
        "run_command:retry", "Repeat RUN, which is over, holds, or needs a person: same runbook as it was, same inputs."
    ),
    "preview": LazyCommand(
        "preview_command:preview",
        "Say what VERB would do to REFERENCE now, step by step, with what is in force; change nothing.",
    ),
    "approve": LazyCommand(
        "run_control_command:approve", "Grant APPROVAL_ID (or what a RUN asks) with your personal token."
    ),
    "refuse": LazyCommand(
        "run_control_command:refuse", "Refuse APPROVAL_ID with your personal token; nothing is changed."
    ),
    "undo": LazyCommand("run_control_command:undo", "Take back what RUN has changed, with your personal token."),
    "cancel": LazyCommand("run_control_command:cancel", "Let RUN make no further step, and take back what it has set."),
    "pause": LazyCommand(
        "run_control_command:pause", "Let RUN begin nothing until `opsbot resume`; what it holds stays."
    ),
    "resume": LazyCommand("run_control_command:resume", "Let a paused RUN go on."),
    "skip": LazyCommand("run_control_command:skip", "Leave STEP of RUN out, which has not acted."),
    "settle": LazyCommand(
        "run_control_command:settle",
        "Say whether STEP of RUN happened, whose outcome is unknown; if not, it is made once more.",
    ),
    "object": LazyCommand("run_control_command:object_", "Object to ANNOUNCEMENT_ID: what it announces is not done."),
    "go-now": LazyCommand("run_control_command:go_now", "Do what ANNOUNCEMENT_ID announces at once; commanders only."),
    "offer-capacity": LazyCommand(
        "run_control_command:offer_capacity",
        "Offer capacity for ANNOUNCEMENT_ID; the first offer doubles its countdown.",
    ),
    "stop-all": LazyCommand(
        "halt_command:stop_all", "Let no run change anything by itself until `opsbot go-on`; commanders only."
    ),
    "go-on": LazyCommand("halt_command:go_on", "Lift what `opsbot stop-all` has set; commanders only."),
    "hold": LazyCommand(
        "halt_command:hold", "Let no run turn CLUSTER/KNOB for a time; `*` stands for any: eu-1/*, */batch_limit."
    ),
    "holds": LazyCommand("halt_command:holds", "List the knobs that people hold: whose, until when, and why."),
    "unhold": LazyCommand("halt_command:unhold", "Lift hold NUMBER before its time."),
    "batch": LazyCommand(
        "act_command:batch", "Set the batch limit of CLUSTER for a time; alone it says what it is and who holds it."
    ),
    "shed": LazyCommand("act_command:shed", "Turn a share of the callers of CLUSTER away for a time."),
    "failwhale": LazyCommand(
        "act_command:failwhale", "Announce the failwhale on CLUSTER, and put it up once a commander agrees."
    ),
    "fallback": LazyCommand(
        "act_command:fallback",
        "Answer somebody's callers on CLUSTER under the safe prompt, once two of trust & safety agree.",
    ),
    "loadtest": LazyCommand(
        "act_command:loadtest", "Put a load on CLUSTER, announced before and closed with what came of it."
    ),
    "glass": LazyCommand(
        "spoken_command:glass", "Approve APPROVAL_ID alone, against its rules; commanders only, loud, and reviewed."
    ),
    "help": LazyCommand("spoken_command:help_", "List what people do, as `/ops help` does; or one VERB with examples."),
    "why": LazyCommand(
        "spoken_command:why",
        "Say why somebody was paged, or was not: ABOUT is an incident's id, an alert's name or a fingerprint.",
    ),
    "stop": LazyCommand(
        "spoken_command:stop", "Let no run change anything by itself until `opsbot go-on`; commanders only."
    ),
    "offer": LazyCommand(
        "spoken_command:offer",
        "Offer capacity for ANNOUNCEMENT_ID; the first offer doubles its countdown.",
    ),
    "silences": LazyCommand(
        "spoken_command:silences", "List live silences: whose, why, until when, and what each hides."
    ),
    "unsilence": LazyCommand(
        "spoken_command:unsilence", "End SILENCE_ID before its time; what of it still fires opens an incident."
    ),
    "resolve": LazyCommand(
        "handling_command:resolve",
        "End INCIDENT_ID by hand, saying REASON; refused while an alert of it fires that no silence hides.",
    ),
    "merge": LazyCommand(
        "handling_command:merge", "Deal with INCIDENT_ID under the incident INTO; `opsbot unmerge` takes it back."
    ),
    "unmerge": LazyCommand("handling_command:unmerge", "Deal with INCIDENT_ID by itself again."),
    "link": LazyCommand(
        "handling_command:link", "Say that INCIDENT_ID and OTHER have to do with each other, and REASON why."
    ),
    "note": LazyCommand(
        "handling_command:note",
        "Add WORDS to the timeline of INCIDENT_ID, with your name; the postmortem has them too.",
    ),
    "silence": LazyCommand(
        "handling_command:silence_group",
        "Let alerts open nothing for a time: what they are about is kept, counted, and comes back at the end.",
    ),
    "postmortem": LazyCommand(
        "postmortem_command:postmortem",
        "Write what is known of INCIDENT_ID as Markdown with charts, with the questions that only people can answer.",
    ),
    "oncall": LazyCommand("oncall_command:oncall", "Say who is on call in each schedule, until when, and who is next."),
    "status": LazyCommand(
        "status_command:status",
        "Show what each cluster does now: batch, KV cache, queue, first token, load, what holds it, and leases.",
    ),
    "capacity": LazyCommand(
        "capacity_command:capacity",
        "Show what each cluster carries, what bounds it, and when its trend meets that bound.",
    ),
    "backtest": LazyCommand(
        "backtest_command:backtest",
        "Say what would have fired, paged and run over the last days, with the rules and runbooks as they are now.",
    ),
    "demo": LazyCommand(
        "demo_command:demo",
        "Run the whole loop on a real model: overload, incident, runbook, recovery, and everything put back.",
    ),
    "demo-fleet": LazyCommand(
        "demo_command:demo_fleet",
        "Run a launch day over 24 simulated clusters: drains and limits, a lost region, capacity in tables and charts.",
    ),
}
"""Each command's place below `opsbot`, and the first sentence of its help."""


class _Cli(LazyGroup):
    """Turns our own errors into one clear message and exit status 1."""

    lazy = COMMANDS

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OpsbotError as error:
            click.echo(f"opsbot: {error}", err=True)
            ctx.exit(1)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from opsbot.yamlfile import suggest

            raise click.UsageError(error.message + suggest(args[0], self.list_commands(ctx)), ctx) from error


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opsbot")
def main() -> None:
    """An on-call bot for teams that serve large language models."""
