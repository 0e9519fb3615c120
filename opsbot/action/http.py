"""`http.get` and `http.request`: one call to a listed host, for systems that have no action of their own.

Secrets are put into headers at the moment of the call, and taken out of whatever comes back.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from opsbot.action.address import AllowList
from opsbot.action.http_call import Answer, Call, send
from opsbot.action.secret import Mask, SecretRef, SecretStore
from opsbot.action_settings import HttpSection
from opsbot.config_form import is_loopback
from opsbot.errors import ActionError
from opsbot.people import Role
from opsbot.runbook.action import Action, ActionContext, Description, Facts, Outcome
from opsbot.yamlfile import Duration, format_duration

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\r\n\x00]*$")]
MAX_BODY_CHARS = 100_000
_TAKEN = {"host", "content-length", "transfer-encoding", "connection"}


class GetArguments(BaseModel):
    """What `http.get` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: Annotated[str, StringConstraints(min_length=1, max_length=4000)] = Field(
        description="Where to; its host must be listed under `actions.http.allow` in opsbot.yaml."
    )
    headers: dict[HeaderName, HeaderValue | SecretRef] = Field(
        default_factory=dict,
        max_length=50,
        description="Text, or a secret by reference: `{secret_env: NAME}` or `{secret_file: PATH}`, with a `prefix`.",
    )
    expect: list[Annotated[int, Field(ge=100, le=599)]] | None = Field(
        default=None, min_length=1, max_length=50, description="Statuses that are success; 200 to 299 unless stated."
    )
    timeout: Duration = Field(default=10.0, gt=0, le=600, description="For the whole of the answer.")

    @model_validator(mode="after")
    def _headers_are_theirs(self) -> Self:
        for name in self.headers:
            if name.lower() in _TAKEN:
                raise ValueError(f"the header {name} is set by the call itself; leave it out")
        return self


class RequestArguments(GetArguments):
    """What `http.request` takes."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="How.")
    json_: JsonValue = Field(default=None, alias="json", description="Body, sent as JSON.")
    body: Annotated[str, StringConstraints(max_length=MAX_BODY_CHARS)] | None = Field(
        default=None, description="Body as text, in place of `json`; give it a content-type."
    )
    idempotency_header: HeaderName | None = Field(
        default=None,
        description=(
            "Header that carries the step's idempotency key, where the other side obeys one: a lost answer is then "
            "asked for again with the same key. Without, a person must look."
        ),
    )

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.json_ is not None and self.body is not None:
            raise ValueError("only one of json and body can be sent")
        return self


class HttpOutputs(BaseModel):
    """What both yield."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int = Field(description="Status of the answer.")
    body: JsonValue = Field(default=None, description="The answer, if it is JSON of at most 16 KiB; else null.")
    duration_s: float = Field(description="Seconds until the answer was there.")


H = TypeVar("H", bound=GetArguments)


class _Http(Action[H], Generic[H]):
    outputs = HttpOutputs

    def __init__(self, section: HttpSection, secrets: SecretStore) -> None:
        self._allow = AllowList(section.allow)
        self._section = section
        self._secrets = secrets

    async def prior(self, arguments: H) -> Facts:
        self._check(arguments)
        return {}

    def method(self, arguments: H) -> str:
        """How."""
        return "GET"

    def describe(self, arguments: H, prior: Facts, ttl_s: float | None) -> Description:
        return Description(f"{self.method(arguments)} {shown_url(arguments.url)}", "there is no undo by itself")

    async def act(self, arguments: H, context: ActionContext) -> Outcome:
        self._check(arguments)
        target = await self._allow.target(arguments.url)
        headers, mask = self._headers(arguments, context)
        call = Call(
            self.method(arguments),
            target,
            headers,
            *self._body(arguments),
            timeout_s=arguments.timeout,
            ca_file=self._section.ca_file,
        )
        what = f"{call.method} {shown_url(arguments.url)}"
        began = time.monotonic()
        answer = await send(call, what, is_change=not self.is_read_only)
        return self._outcome(arguments, answer, what, mask, time.monotonic() - began)

    def _outcome(self, arguments: H, answer: Answer, what: str, mask: Mask, duration_s: float) -> Outcome:
        is_expected = answer.status in arguments.expect if arguments.expect else 200 <= answer.status < 300
        if not is_expected:
            if 300 <= answer.status < 400:
                raise ActionError(f"{what} was answered {answer.status}, a redirect; redirects are not followed")
            is_broken = answer.status == 429 or answer.status >= 500
            raise ActionError(
                f"{what} was answered {answer.status}",
                retryable=is_broken,
                outcome_unknown=answer.status >= 500 and not self.is_read_only,
            )
        outputs = {"status": answer.status, "body": mask.value(answer.json()), "duration_s": round(duration_s, 3)}
        return Outcome(f"{what} was answered {answer.status}", outputs)

    def _check(self, arguments: H) -> None:
        scheme, _, _ = self._allow.check(arguments.url)
        if arguments.timeout > self._section.max_timeout:
            longest = format_duration(self._section.max_timeout)
            raise ActionError(f"timeout is more than {longest} (`actions.http.max_timeout` in opsbot.yaml)")
        refs = [value for value in arguments.headers.values() if isinstance(value, SecretRef)]
        for ref in refs:
            self._secrets.check(ref)
        if refs and scheme == "http" and not is_loopback(arguments.url):
            raise ActionError("a secret would be sent unencrypted; use https")

    def _headers(self, arguments: H, context: ActionContext) -> tuple[dict[str, str], Mask]:
        headers: dict[str, str] = {}
        secrets: list[str] = []
        for name, value in arguments.headers.items():
            if isinstance(value, SecretRef):
                secret = self._secrets.read(value)
                secrets.append(secret)
                headers[name] = value.prefix + secret
            else:
                headers[name] = value
        return headers, Mask.of(secrets)

    def _body(self, arguments: H) -> tuple[JsonValue, str | None]:
        return None, None


class HttpGet(_Http[GetArguments]):
    """Reads from a listed host."""

    name: ClassVar[str] = "http.get"
    summary: ClassVar[str] = "Read from a listed host over HTTP."
    arguments = GetArguments
    is_read_only: ClassVar[bool] = True

    def describe(self, arguments: GetArguments, prior: Facts, ttl_s: float | None) -> Description:
        return Description(f"read {shown_url(arguments.url)}", "nothing to undo")


class HttpRequest(_Http[RequestArguments]):
    """Changes something at a listed host.

    Asked whether a lost call happened, it says that this cannot be told, unless the other side obeys a key: then the
    call may be made again, as the executor does when nothing is found.
    """

    name: ClassVar[str] = "http.request"
    is_idempotent: ClassVar[bool] = False
    summary: ClassVar[str] = "Change something at a listed host over HTTP; a lost answer needs a key or a person."
    arguments = RequestArguments
    role: ClassVar[Role] = "responder"

    def method(self, arguments: RequestArguments) -> str:
        return arguments.method

    def may_repeat(self, arguments: RequestArguments) -> bool:
        return arguments.idempotency_header is not None

    async def find(self, arguments: RequestArguments, idempotency_key: str) -> Outcome | None:
        if arguments.idempotency_header is not None:
            return None
        what = f"{arguments.method} {shown_url(arguments.url)}"
        raise ActionError(f"{what}: it is unknown whether it happened; a person must look", outcome_unknown=True)

    def _headers(self, arguments: RequestArguments, context: ActionContext) -> tuple[dict[str, str], Mask]:
        headers, mask = super()._headers(arguments, context)
        if arguments.idempotency_header is not None:
            headers[arguments.idempotency_header] = context.idempotency_key
        return headers, mask

    def _body(self, arguments: RequestArguments) -> tuple[JsonValue, str | None]:
        return arguments.json_, arguments.body


def shown_url(url: str) -> str:
    """Without the query, which is where people put keys."""
    parts: Any = urlsplit(url)
    return str(parts._replace(query="…" if parts.query else "", fragment="").geturl())
