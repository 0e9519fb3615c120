"""Sign-ups as a company's account system reports them to the door: `POST /events`, one event a sign-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from serving_stub.traffic.persona import Persona
from serving_stub.traffic.tally import Tally

PATH = "/events"


@dataclass(frozen=True, slots=True)
class SignUp:
    """Somebody opens an account.

    Args:
        at_s: seconds after the start.
        payment, device: fingerprints of the card and the device; None where there is none.
        mail_pattern: the shape of the mail address, such as `word.word##@school`, never the address.
    """

    at_s: float
    who: Persona
    label: str | None
    payment: str | None
    device: str | None
    mail_pattern: str | None


class _Told(BaseModel):
    rejected: list[str] = []


class AccountFeed:
    """The account system of a run.

    Args:
        token: of the feed, where the server wants one.
        now: seconds since the epoch.
    """

    def __init__(self, http: httpx.AsyncClient, token: SecretStr | None, now: Callable[[], float]) -> None:
        self._http = http
        self._token = token
        self._now = now

    async def post(self, sign_up: SignUp, tally: Tally) -> None:
        """Report one sign-up and count whether it was taken."""
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        try:
            answer = await self._http.post(PATH, json={"events": [self._event(sign_up)]}, headers=headers)
            is_taken = answer.is_success and not _Told.model_validate_json(answer.content).rejected
        except (httpx.HTTPError, ValidationError):
            is_taken = False
        if is_taken:
            tally.sign_ups += 1
        else:
            tally.sign_ups_failed += 1

    def _event(self, sign_up: SignUp) -> dict[str, object]:
        who = sign_up.who
        return {
            "kind": "signup",
            "ts": self._now(),
            "org": who.tenant,
            "account": who.account,
            "payment_fp": sign_up.payment,
            "device_fp": sign_up.device,
            "mail_pattern": sign_up.mail_pattern,
            "client_fp": who.client.fingerprint,
            "client_known": who.client.known,
            "address": who.address,
        }
