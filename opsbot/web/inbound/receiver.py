"""A receiver: one address for one sender, with its credential and the parser of its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from opsbot.web.inbound.alertmanager import parse_alertmanager
from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.datadog import parse_datadog
from opsbot.web.inbound.generic import parse_generic
from opsbot.web.inbound.grafana import parse_grafana
from opsbot.web.inbound.parsed import Parsed

ReceiverKind = Literal["alertmanager", "grafana", "datadog", "generic"]
Parser = Callable[[object, str, float], Parsed]
"""(body, the receiver's name, now in seconds since the epoch) → events."""

PARSERS: Mapping[ReceiverKind, Parser] = {
    "alertmanager": parse_alertmanager,
    "grafana": parse_grafana,
    "datadog": parse_datadog,
    "generic": parse_generic,
}
ALERT_DOOR = "alertmanager"
"""The receiver that is always there: watch posts to it with the token between the roles."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One entry of `inbound` in opsbot.yaml; it answers at `/webhooks/<name>`."""

    name: str
    kind: ReceiverKind
    credential: Credential

    @property
    def parse(self) -> Parser:
        """What makes events of a body."""
        return PARSERS[self.kind]


def with_alert_door(receivers: Sequence[Receiver], machine_digest: bytes) -> tuple[Receiver, ...]:
    """*receivers* and the alert door, which takes the token between the roles beside tokens of its own."""
    others = [receiver for receiver in receivers if receiver.name != ALERT_DOOR]
    own = [receiver.credential for receiver in receivers if receiver.name == ALERT_DOOR] or [
        Credential((machine_digest,))
    ]
    credential = replace(own[0], token_digests=tuple({*own[0].token_digests, machine_digest}))
    return (Receiver(ALERT_DOOR, "alertmanager", credential), *others)
