"""A thin client of core's API for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx

from opsbot.core_address import CoreAddress
from opsbot.errors import ApprovalError, ConfigError, NotFoundError, OpsbotError, SourceError
from opsbot.run_text import format_run

if TYPE_CHECKING:
    from opsbot.config import Settings

TIMEOUT_S = 5.0
Json = Mapping[str, Any]


class CoreClient:
    """Asks core and acts through it, with the rights of the token that is used."""

    def __init__(self, base_url: str, api_token: str, personal_token: str | None) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=TIMEOUT_S, trust_env=False)
        self._api_token = api_token
        self._personal_token = personal_token

    @classmethod
    def from_settings(cls, settings: Settings, environ: Mapping[str, str]) -> CoreClient:
        """A client for the core that *settings* describe.

        Raises: ConfigError if the API token is not set.
        """
        personal = tuple(person.token_env for person in settings.people if person.token_env)
        address = CoreAddress(settings.core.host, settings.core.port, settings.api_token_env, personal)
        return cls.at(address, environ)

    @classmethod
    def at(cls, address: CoreAddress, environ: Mapping[str, str]) -> CoreClient:
        """A client for the core at *address*.

        Raises: ConfigError if the API token is not set.
        """
        api_token = environ.get(address.api_token_env, "")
        if not api_token:
            raise ConfigError(f"environment variable {address.api_token_env} is not set: the token of core's API")
        personal = next((environ[name] for name in address.personal_envs if environ.get(name)), None)
        return cls(f"http://{address.host}:{address.port}", api_token, personal)

    def __enter__(self) -> CoreClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def open_incidents(self) -> list[Json]:
        """Every incident that is not resolved, newest first."""
        incidents: list[Json] = self._call("GET", "/api/v1/incidents", self._api_token)["incidents"]
        return incidents

    def explain(self, about: str) -> Json:
        """What was decided about an incident's id, an alert's name or a fingerprint."""
        found: Json = self._call("GET", f"/api/v1/explain?{urlencode({'about': about})}", self._api_token)
        return found

    def acknowledge(self, incident_id: str) -> str:
        """Take an incident; answers one sentence."""
        return str(self._call("POST", f"/api/v1/incidents/{incident_id}/acknowledge", self._person())["message"])

    def ask(self, path: str) -> Json:
        """What core answers there."""
        found: Json = self._call("GET", path, self._api_token)
        return found

    def tell(self, method: str, path: str, body: Json | None = None) -> Json:
        """Do something in the person's name; its `message` is one sentence for them."""
        answer: Json = self._call(method, path, self._person(), body)
        return answer

    def incident(self, incident_id: str) -> Json:
        """One incident with its runs, alerts and timeline."""
        found: Json = self._call("GET", f"/api/v1/incidents/{quote(incident_id, safe='')}", self._api_token)
        return found

    def handle(self, incident_id: str, verb: str, body: Json | None = None) -> str:
        """`resolve`, `merge`, `unmerge`, `link` or `note` an incident; answers one sentence."""
        path = f"/api/v1/incidents/{quote(incident_id, safe='')}/{verb}"
        return str(self._call("POST", path, self._person(), body)["message"])

    def silences(self) -> list[Json]:
        """Live silences, newest first."""
        silences: list[Json] = self._call("GET", "/api/v1/silences", self._api_token)["silences"]
        return silences

    def silence(self, matchers: Sequence[str], length_s: float, reason: str) -> str:
        """Set a silence; answers one sentence. Repeats are harmless."""
        body = {"matchers": list(matchers), "length_s": length_s, "reason": reason, "request_id": uuid4().hex}
        return str(self._call("POST", "/api/v1/silences", self._person(), body)["message"])

    def end_silence(self, silence_id: str) -> str:
        """End a silence; answers one sentence."""
        path = f"/api/v1/silences/{quote(silence_id, safe='')}"
        return str(self._call("DELETE", path, self._person())["message"])

    def _person(self) -> str:
        if not self._personal_token:
            raise ConfigError(
                "this command acts in your name: set the environment variable that `token_env` of your entry under "
                "`people` in the settings file names"
            )
        return self._personal_token

    def _call(self, method: str, path: str, token: str, body: Json | None = None) -> Any:
        try:
            answer = self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise SourceError(
                f"core does not answer at {self._http.base_url} ({error}); is `opsbot up` running?", retryable=True
            ) from error
        if answer.is_success:
            return answer.json()
        raise _error(answer)


def _error(answer: httpx.Response) -> OpsbotError:
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"core answered {answer.status_code}"
    match answer.status_code:
        case 404:
            return NotFoundError(message)
        case 401 | 403 | 409:
            return ApprovalError(message)
        case _:
            return SourceError(message, retryable=answer.status_code >= 500)


def format_incident(view: Json) -> str:
    """One incident as a few plain lines: what is wrong, what runs, what waits for you."""
    incident = view["incident"]
    more = f" and {incident['num_alerts'] - 1} more" if incident["num_alerts"] > 1 else ""
    lines = [f"{incident['incident_id']}  {incident['state']}  {incident['severity']}  {incident['title']}{more}"]
    if incident["num_alerts"] > 1:
        lines.append(f"  {incident['num_firing']} of {incident['num_alerts']} alerts fire")
    if incident["hold"] is not None and incident["hold"]["reason"]:
        lines.append(f"  stays open: {incident['hold']['reason']}")
    if view.get("halt"):
        halt = view["halt"]
        lines.append(f"  ALL RUNS ARE STOPPED by {halt['created_by']}: {halt['reason']} (`opsbot go-on` lifts it)")
    for merged in view["merged"]:
        lines.append(f"  dealt with here too: {merged['incident_id']}  {merged['title']}")
    for run in view["runs"]:
        lines.append(format_run(run, indent="  "))
    return "\n".join(lines)
