"""Every verb that people may type, once for all doors: its words, what it says of itself, and examples.

Slack's handlers and the command line's commands are joined to it by name; help, suggestions and docs/commands.md come
from it. A verb that is added here needs a handler in `opsbot.slack.verbs` and a command in `opsbot.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.spoken.plain import key_of, nearest

Examples = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VerbWords:
    """One verb.

    Args:
        usage: what stands behind it.
        says: what it does, one sentence without a full stop.
        aliases: other words for it; they may have a space.
        command: what the command line calls it; its name unless stated.
        examples: what is typed behind `/ops`, and what that does.
    """

    name: str
    group: str
    usage: str
    says: str
    aliases: tuple[str, ...] = ()
    command: str = ""
    examples: Examples = ()

    @property
    def in_command_line(self) -> str:
        """What is typed behind `opsbot`."""
        return self.command or self.name

    @property
    def typed(self) -> str:
        """The verb with what stands behind it."""
        return f"{self.name} {self.usage}".strip()


LOOK, INCIDENT, CLUSTER, RUN, ASKED, STOP = (
    "Look",
    "Incidents",
    "Change a cluster",
    "Runs",
    "What a run asks",
    "Stop and hold",
)

VERBS: tuple[VerbWords, ...] = (
    VerbWords(
        "status", LOOK, "[CLUSTER]", "the fleet, what is open, what waits for you, stops and holds",
        ("state", "fleet", "overview", "how is it", "stat"),
        examples=(("status", "the whole fleet in a table"), ("status eu-1", "one cluster")),
    ),
    VerbWords(
        "incidents", LOOK, "", "every open incident with what the bot is doing about it",
        ("incident", "incs", "inc", "list", "open"),
    ),
    VerbWords(
        "why", LOOK, "INC-1 | ALERT", "what was decided about an incident or an alert, and why",
        ("explain", "reason"), examples=(("why INC-1", "why it was opened, and who was told"),
                                         ("why KVCachePressure", "why nobody was paged for it")),
    ),
    VerbWords(
        "capacity", LOOK, "[CLUSTER]", "tokens a minute, the share of capacity, and when the trend meets it",
        ("cap", "usage", "utilisation", "utilization", "load"),
    ),
    VerbWords(
        "traffic", LOOK, "", "where the requests of the last day come from, by country",
        ("countries", "country", "by country", "where from"), command="capacity",
    ),
    VerbWords(
        "oncall", LOOK, "", "who is on call now, until when, and who is next",
        ("on call", "on-call", "who", "rota", "who is on call", "pager"),
    ),
    VerbWords("runs", LOOK, "[all]", "what runs, what it asks, and what to type", ("running",)),
    VerbWords("help", LOOK, "[VERB]", "this list, or one verb with examples", ("?", "h", "commands", "hilfe")),
    VerbWords(
        "ack", INCIDENT, "INC-1", "take an incident", ("acknowledge", "acknowledged", "take", "mine", "got it"),
        examples=(("ack INC-1", "it is yours, and nobody else is woken"), ("ack 1", "the same")),
    ),
    VerbWords(
        "resolve", INCIDENT, "INC-1 why it is over", "end an incident by hand; what its runs held is given back",
        ("resolved", "close", "done", "fixed", "end"),
        examples=(("resolve INC-1 the node is back", "refused while an alert of it fires"),),
    ),
    VerbWords(
        "note", INCIDENT, "INC-1 what the next reader should know", "add your words to the timeline",
        ("notes", "remember", "log"),
        examples=(("note INC-1 the rack was moved at 14:05", "a message joins by its shortcut, or a 📌"),),
    ),
    VerbWords(
        "merge", INCIDENT, "INC-2 into INC-1", "deal with one under the other", examples=(
            ("merge INC-2 into INC-1", "`/ops unmerge INC-2` takes it back"),),
    ),
    VerbWords("unmerge", INCIDENT, "INC-2", "deal with it by itself again", ("split",)),
    VerbWords("link", INCIDENT, "INC-2 INC-1 why", "say that they have to do with each other", ("relate",)),
    VerbWords(
        "silence", INCIDENT, "2h alertname=TargetDown because …", "new alerts like it open nothing for a time",
        ("mute", "snooze", "quiet"),
        examples=(
            ('silence 2h alertname="TargetDown" cluster=eu-1 because the rack is moved', "ends by itself"),
            ("silence alertname=TargetDown for 2 hours because …", "the same, in another order"),
        ),
    ),
    VerbWords("silences", INCIDENT, "", "what is silenced, by whom, why, and what each has hidden", ("muted",)),
    VerbWords(
        "unsilence", INCIDENT, "SIL-1", "end a silence; what still fires opens an incident", ("unmute", "unsnooze"),
    ),
    VerbWords(
        "batch", CLUSTER, "CLUSTER [8 | -25% | off] [for 10m] [because …]",
        "set the batch limit of a cluster for a time; alone it says what it is and who holds it",
        ("batches", "batch limit", "batch size", "batch_limit", "set batch", "resize"),
        examples=(
            ("batch eu-1", "the limit now, its range, and who holds it"),
            ("batch eu-1 8 for 10m because KV is full", "eight sequences at once, for ten minutes"),
            ("batch eu-1 -25%", "a quarter less than now, for half an hour"),
            ("batch eu-1 off", "take back what was set by hand"),
        ),
    ),
    VerbWords(
        "shed", CLUSTER, "CLUSTER [20% | off] [class=free] [for 15m] [because …]",
        "turn a share of the callers away for a time; from half of them on a second person agrees",
        ("shedding", "sheds", "turn away", "reject"),
        examples=(
            ("shed eu-1 20% for 15m because the queue grows", "a fifth of the callers, the lowest class first"),
            ("shed eu-1 30% class=free", "of one class alone"),
            ("shed eu-1 off", "let them back in, in steps"),
        ),
    ),
    VerbWords(
        "failwhale", CLUSTER, "CLUSTER [on | off] [for 30m] [because …]",
        "announce the failwhale, and put it up once a commander agrees; anybody may object",
        ("fail whale", "whale", "fail-whale", "maintenance"),
        examples=(
            ("failwhale eu-1", "whether it is up, and by whom"),
            ("failwhale eu-1 on for 30m because the launch overruns us", "announced five minutes before"),
            ("failwhale eu-1 off", "take it down, in steps"),
        ),
    ),
    VerbWords(
        "fallback", CLUSTER, "CLUSTER [tenant=acme | key=… | client=… | off] [for 1h] [because …]",
        "answer somebody's callers under the safe prompt, once two of trust & safety agree",
        ("safe prompt", "safe-prompt", "fallbacks", "fall back", "prompt"),
        examples=(
            ("fallback eu-1 tenant=acme for 1h because its prompt insults people", "that tenant alone"),
            ("fallback eu-1 off", "give them the model back"),
        ),
    ),
    VerbWords(
        "loadtest", CLUSTER, "CLUSTER [40rps | off] [10m] [expect …] | announce … | close … | stop … | list",
        "put a load on a cluster, announced before and closed with what came of it",
        ("load test", "load-test", "loadtests", "stress"),
        examples=(
            ("loadtest eu-1 40rps 5m expect the first token stays under 2 s", "a commander agrees first"),
            ("loadtest eu-1 off", "end it at once"),
            ("loadtest announce eu-1 40rps 30m 500 tokens", "one that runs elsewhere: the bot sends nothing"),
            ("loadtest close eu-1 it held", "say that it is over, with what came of it"),
        ),
    ),
    VerbWords(
        "run", RUN, "RUNBOOK [cluster=eu-1] [name=value …] [for INC-1]", "start a runbook by hand",
        ("runbook", "start", "execute"),
        examples=(
            ("run kv-cache-pressure cluster=eu-1", "with an incident of its own"),
            ("run traffic-shift cluster=eu-1 for INC-1", "for that incident, in its thread"),
        ),
    ),
    VerbWords("pause", RUN, "r-3fa2c1 why", "let a run begin nothing more; what it holds stays"),
    VerbWords("resume", RUN, "r-3fa2c1", "let a paused run go on", ("continue", "unpause")),
    VerbWords("cancel", RUN, "r-3fa2c1 why", "no further step, and what it has set is taken back", ("abort", "kill")),
    VerbWords(
        "undo", RUN, "r-3fa2c1", "take back what a run has changed", ("rollback", "revert", "roll back", "take back"),
    ),
    VerbWords("skip", RUN, "r-3fa2c1 STEP why", "leave a step out that has not acted"),
    VerbWords("retry", RUN, "r-3fa2c1 [STEP]", "make a run once more, perhaps from a step on", ("again", "repeat")),
    VerbWords(
        "settle", RUN, "r-3fa2c1 STEP happened | not", "say whether a step happened whose outcome nobody knows",
    ),
    VerbWords(
        "approve", ASKED, "apr-…", "consent to what a run is about to do", ("yes", "grant", "lgtm", "ok", "accept"),
    ),
    VerbWords("refuse", ASKED, "apr-…", "let it change nothing", ("no", "deny", "decline")),
    VerbWords(
        "glass", ASKED, "apr-… why", "approve alone, against its rules; commanders, loud, and reviewed",
        ("break glass", "break-glass"),
    ),
    VerbWords("object", ASKED, "ann-… why", "let what is announced not be done", ("objection", "veto")),
    VerbWords("go-now", ASKED, "ann-…", "do what is announced at once", ("go now", "gonow", "now")),
    VerbWords(
        "offer", ASKED, "ann-…", "say that you have capacity, which buys time", ("offer-capacity", "offer capacity"),
    ),
    VerbWords(
        "stop", STOP, "why", "no run changes anything until `go-on`; commanders",
        ("stop-all", "stop all", "stopall", "halt", "freeze", "panic", "emergency"),
        examples=(("stop the bot does what it should not", "`/ops go-on` lifts it; one run: `/ops cancel r-…`"),),
    ),
    VerbWords("go-on", STOP, "", "let runs change things again; commanders", ("go on", "goon", "unfreeze", "unstop")),
    VerbWords(
        "hold", STOP, "CLUSTER/KNOB 1h why", "no run turns a knob for a time; what is set there stays", ("lock",),
        examples=(
            ("hold eu-1/batch_limit 1h we measure", "that knob"),
            ("hold eu-1 for 30 min because we measure", "every knob of the cluster"),
        ),
    ),
    VerbWords("holds", STOP, "", "which knobs people hold, until when, and why", ("locks",)),
    VerbWords("unhold", STOP, "3", "lift a hold before its time", ("unlock", "let go", "release hold")),
)  # fmt: skip
BY_NAME: Mapping[str, VerbWords] = {one.name: one for one in VERBS}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(one.group for one in VERBS))
_BY_KEY: Mapping[str, VerbWords] = {key_of(word) or word: one for one in VERBS for word in (one.name, *one.aliases)}
_MOST_WORDS = max(len(alias.split()) for one in VERBS for alias in (one.name, *one.aliases))


def find_verb(text: str) -> tuple[VerbWords | None, str]:
    """The verb that *text* begins with, the longest there is, and what stands behind it."""
    words = text.split(" ")
    for count in range(min(_MOST_WORDS, len(words)), 0, -1):
        said = " ".join(words[:count]).strip("/:,.! ")
        found = _BY_KEY.get(key_of(said) or said)
        # Two words are one verb only as they stand in the table: `run s` is not `runs`.
        if found is not None and (count == 1 or said.casefold() in found.aliases):
            return found, " ".join(words[count:]).strip()
    return None, text


def suggested(word: str) -> VerbWords | None:
    """The verb that was probably meant."""
    near = nearest(word, [alias for one in VERBS for alias in (one.name, *one.aliases)])
    return None if near is None else _BY_KEY[key_of(near) or near]
