"""Settings: one YAML file plus secrets from the environment, checked at start and then frozen.

Secrets never stand in the file; it names the environment variable that holds them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from opsbot.action_settings import ActionsSection
from opsbot.alert_settings import AlertingSection
from opsbot.config_form import OneOrMany, as_one_or_many, http_url, is_loopback, label_names
from opsbot.errors import ConfigError
from opsbot.heartbeat.section import HeartbeatSection
from opsbot.pagerduty.settings import PagingSection
from opsbot.people_settings import PeopleSection
from opsbot.utilisation.section import UtilisationSection
from opsbot.yamlfile import Duration, load, validate

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServingSection(_Section):
    """One cluster of the serving fleet."""

    cluster: str = Field(description="The cluster's name; becomes the label `cluster` on every sample.")
    url: str = Field(description="Base URL of its server: /metrics and the control API live there.")
    control_token_env: EnvName = Field(
        default="SERVING_CONTROL_TOKEN", description="Environment variable that holds the control API's token."
    )
    client_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None, description="Where its clients ask, for `loadtest.run`; `url` unless stated."
    )


class FleetSection(_Section):
    """The fleet that holds the clusters: its own control API moves traffic between them."""

    url: Annotated[str, AfterValidator(http_url)] = Field(description="Base URL of the fleet.")
    control_token_env: EnvName = Field(
        default="SERVING_CONTROL_TOKEN", description="Environment variable that holds its control API's token."
    )


class WorkspaceSection(_Section):
    """The bundled local workspace, used when no Slack tokens are set."""

    port: int = Field(default=8065, ge=0, le=65535, description="Port of the local workspace on loopback.")
    max_messages: int = Field(
        default=2_000, ge=10, le=100_000, description="Messages kept for each channel; the oldest go first."
    )
    rate_limits: bool = Field(default=False, description="Whether Slack's own rate limits hold in it.")
    request_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="HTTP mode: where it POSTs what people do, signed. Empty: Socket Mode.",
    )
    signing_secret_env: str = Field(
        default="SLACK_SIGNING_SECRET", description="Environment variable with the secret that signs what it POSTs."
    )


class ListenSection(_Section):
    """Where one role listens, on loopback unless stated otherwise."""

    host: str = Field(default="127.0.0.1", description="Address to bind.")
    port: int = Field(ge=0, le=65535, description="Port to bind.")


class SlackSection(_Section):
    """Slack, or the local workspace when no tokens are set."""

    channel: str = Field(default="incidents", description="Channel name or id where incidents are posted.")
    trust_and_safety_channel: str = Field(
        default="",
        description="Name or id of the private channel for trust and safety matters, which no other channel reads of.",
    )
    mode: Literal["socket", "http"] = Field(
        default="socket",
        description="How presses and commands come: over Socket Mode, or as requests to `listen` behind a TLS proxy.",
    )
    base_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None, description="Of another Slack-compatible server's Web API, such as https://chat.example/api/."
    )
    insecure: bool = Field(default=False, description="Send tokens to `base_url` over plain HTTP too; for trials.")
    listen: ListenSection = Field(
        default=ListenSection(port=8073),
        description="HTTP mode: where Slack's requests are taken, at /slack/events; for the proxy alone.",
    )
    bot_token_env: EnvName = Field(default="SLACK_BOT_TOKEN", description="Environment variable of the bot token.")
    app_token_env: EnvName = Field(default="SLACK_APP_TOKEN", description="Environment variable of the app token.")
    signing_secret_env: EnvName = Field(
        default="SLACK_SIGNING_SECRET", description="HTTP mode: environment variable of the app's signing secret."
    )


class PrometheusSection(_Section):
    """A Prometheus server that rules and values are asked of, instead of the own scraper's samples."""

    url: Annotated[str, AfterValidator(http_url)] = Field(description="Base URL of the Prometheus server.")
    name: str = Field(default="prometheus", min_length=1, description="What people call it; unique.")
    labels: Annotated[dict[str, str], AfterValidator(label_names)] = Field(
        default_factory=dict, description="Added to each alert from this server, such as region; unique as a whole."
    )
    token_env: EnvName | None = Field(default=None, description="Environment variable of its bearer token.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that its own is checked against, instead of the machine's."
    )
    insecure: bool = Field(
        default=False, description="Accept any certificate, and send a token over plain HTTP too; for trials."
    )
    timeout: Duration = Field(default=5.0, gt=0, le=60, description="For the whole of one answer.")
    interval: Duration = Field(default=5.0, ge=1, description="Between two evaluations of all rules.")

    @model_validator(mode="after")
    def _token_is_safe(self) -> Self:
        if self.token_env and self.url.startswith("http:") and not (self.insecure or is_loopback(self.url)):
            raise ValueError(f"{self.name}: its token would be sent unencrypted; use https, or say insecure: true")
        return self


class RunsSection(_Section):
    """How runs behave."""

    max_hold: Duration = Field(
        default=4 * 3600.0, description="Longest time a run renews its leases; past that a person must."
    )


class InboundSection(_Section):
    """One receiver of webhooks, at `/webhooks/<name>` of core's address."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="Its name, and the end of its address.")
    kind: Literal["alertmanager", "grafana", "datadog", "generic"] = Field(
        description="Whose webhooks it takes; `generic` is opsbot's own form."
    )
    token_env: tuple[EnvName, ...] = Field(
        default=(), max_length=8, description="Environment variables of the tokens that are valid; several to rotate."
    )
    basic_user: str | None = Field(
        default=None,
        min_length=1,
        pattern=r"^[^:]*$",
        description="User name of HTTP Basic, whose password is one of the tokens.",
    )
    signature_env: tuple[EnvName, ...] = Field(
        default=(),
        max_length=8,
        description="Environment variables of the keys of the HMAC signature that is asked for; several to rotate.",
    )

    @model_validator(mode="after")
    def _knows_its_sender(self) -> Self:
        if not self.token_env and not self.signature_env:
            raise ValueError("`token_env` or `signature_env` is needed, or anybody could open incidents")
        if self.signature_env and self.kind not in ("grafana", "generic"):
            raise ValueError(f"`signature_env`: {self.kind} does not sign its webhooks; use `token_env`")
        if self.basic_user is not None and not self.token_env:
            raise ValueError("`basic_user` needs `token_env`: the password is one of the tokens")
        if self.name == "pagerduty":
            raise ValueError("the name `pagerduty` is taken: its webhooks are set up under `paging`")
        if self.name == "alertmanager" and self.kind != "alertmanager":
            raise ValueError("the name `alertmanager` is the alert door's; give this receiver another one")
        return self


def _have_own_names(receivers: tuple[InboundSection, ...]) -> tuple[InboundSection, ...]:
    names = [receiver.name for receiver in receivers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two receivers are called {', '.join(twice)}; each needs a name of its own")
    return receivers


class HistorySection(_Section):
    """What watch's history of samples may take in `data_dir`."""

    max_bytes: int = Field(
        default=1 << 30, ge=1 << 20, description="Size of its file; past that the oldest samples make room."
    )
    max_series: int = Field(default=40_000, ge=1, description="Series that it keeps; more are refused and counted.")


class CapacitySection(_Section):
    """What `opsbot capacity` goes by."""

    catalogue: Path = Field(
        default=Path("serving_stub/roofline/catalogue.yaml"), description="The roofline catalogue of GPUs and models."
    )
    format: Literal["fp32", "bf16", "fp8", "int8"] = Field(
        default="bf16", description="Number format that the fleet serves in."
    )
    device: str | None = Field(
        default=None, description="Device of the catalogue, where samples do not name it (a plain vLLM's do not)."
    )
    max_num_seqs: int | None = Field(
        default=None,
        ge=1,
        description="vLLM's --max-num-seqs, where samples have no batch limit (a plain vLLM's do not).",
    )


class LoggingSection(_Section):
    """What log lines look like."""

    format: Literal["text", "json"] = Field(
        default="text", description="`text` for people, `json` for collectors: one object a line."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe line that is written."
    )


class Settings(_Section):
    """The whole of `opsbot.yaml`."""

    version: Literal[1] = Field(description="Version of this file's format.")
    instance: str = Field(default="core-1", description="Name of this installation's core; unique per replica.")
    data_dir: Path = Field(default=Path(".opsbot"), description="Folder for databases and logs.")
    runbooks: tuple[Path, ...] = Field(default=(Path("runbooks"),), description="Files or folders of runbooks.")
    alert_rules: tuple[Path, ...] = Field(
        default=(Path("policies/alerts"),), description="Files or folders of alert rules."
    )
    serving: tuple[ServingSection, ...] = Field(
        default=(),
        description="The clusters to act on; they are scraped too unless targets or a Prometheus are named.",
    )
    fleet: FleetSection | None = Field(
        default=None, description="The fleet around the clusters, for `serving.route`; none for separate servers."
    )
    targets_file: Annotated[tuple[Path, ...], OneOrMany] = Field(
        default=(),
        json_schema_extra=as_one_or_many,
        description="Files of targets to scrape, as Prometheus's file_sd reads them; each needs the label cluster.",
    )
    targets_url: Annotated[tuple[Annotated[str, AfterValidator(http_url)], ...], OneOrMany] = Field(
        default=(),
        json_schema_extra=as_one_or_many,
        description="Addresses of lists of targets, as Prometheus's http_sd asks them.",
    )
    prometheus: Annotated[tuple[PrometheusSection, ...], OneOrMany] = Field(
        default=(),
        json_schema_extra=as_one_or_many,
        description="Ask these Prometheus servers for rules and values, instead of scraping.",
    )
    slack: SlackSection = SlackSection()
    workspace: WorkspaceSection = WorkspaceSection()
    core: ListenSection = ListenSection(port=8070)
    watch: ListenSection = ListenSection(port=8071)
    events: ListenSection = ListenSection(port=8072)
    api_token_env: EnvName = Field(
        default="OPSBOT_API_TOKEN", description="Environment variable of the token between the roles and for the CLI."
    )
    people: tuple[PeopleSection, ...] = Field(default=(), description="Who may do what.")
    inbound: Annotated[tuple[InboundSection, ...], AfterValidator(_have_own_names)] = Field(
        default=(), max_length=64, description="Receivers of webhooks, beside the alert door for Alertmanager."
    )
    runs: RunsSection = RunsSection()
    actions: ActionsSection = Field(
        default=ActionsSection(), description="What runbooks may reach outside of opsbot; nothing unless named."
    )
    alerting: AlertingSection = AlertingSection()
    paging: PagingSection = PagingSection()
    history: HistorySection = HistorySection()
    capacity: CapacitySection = CapacitySection()
    logging: LoggingSection = LoggingSection()
    utilisation: UtilisationSection | None = Field(
        default=None, description="What is told of the fleet's load, where and when; nothing unless set."
    )
    oncall: Path | None = Field(
        default=None, description="File of who is on call and who is woken when nobody answers."
    )
    heartbeat: HeartbeatSection | None = Field(
        default=None, description="An outside URL that hears from us only while the whole loop works."
    )

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        has_lists = bool(self.targets_file or self.targets_url)
        if not (self.serving or has_lists or self.prometheus):
            raise ValueError("nothing to watch: name serving, targets_file, targets_url or prometheus")
        if has_lists and self.prometheus:
            raise ValueError(
                "targets_file and targets_url are for the own scraper, which prometheus replaces; drop one"
            )
        for what in ("name", "labels"):
            values = [getattr(server, what) for server in self.prometheus]
            twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
            if twice is not None:
                raise ValueError(
                    f"prometheus: two servers have the {what} {twice!r}; alerts are told apart by their server's labels"
                )
        return self


def load_settings(path: Path) -> Settings:
    """Read and check *path*.

    Raises: ConfigError with every problem of the file, or with what to do when there is no file.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: no such file; name one with --config, or copy the opsbot.yaml that ships with opsbot"
        )
    document, problems = load(path)
    settings = None
    if document is not None:
        settings, more = validate(document, Settings)
        problems = [*problems, *more]
    if settings is None or problems:
        raise ConfigError(f"{path} cannot be used", tuple(str(problem) for problem in problems))
    return settings
