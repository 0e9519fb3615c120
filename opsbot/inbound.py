"""Builds the receivers of webhooks from settings and secrets."""

from __future__ import annotations

from opsbot.config import Settings
from opsbot.config_secrets import Secrets
from opsbot.web.inbound.credential import Credential
from opsbot.web.inbound.receiver import Receiver


def inbound_receivers(settings: Settings, secrets: Secrets) -> tuple[Receiver, ...]:
    """One receiver for each entry of `inbound`."""
    return tuple(
        Receiver(
            entry.name,
            entry.kind,
            Credential.of(
                [secrets.inbound[name] for name in entry.token_env],
                basic_user=entry.basic_user,
                secrets=[secrets.inbound[name] for name in entry.signature_env],
            ),
        )
        for entry in settings.inbound
    )
