"""The section `actions` of opsbot.yaml: what runbooks may reach outside of opsbot. Without it, nothing."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from opsbot.yamlfile import Duration

_HOST = re.compile(r"(?i)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_ADDRESS_AND_PORT = re.compile(r"(?P<address>[0-9.]+|\[[0-9a-fA-F:.]+\])(:(?P<port>[0-9]{1,5}))?")

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
PluginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
ProgramName = PluginName


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_allowed_form(text: str) -> str:
    if "/" in text and "//" not in text:
        ipaddress.ip_network(text)
        return text
    match = _ADDRESS_AND_PORT.fullmatch(text)
    if match is not None:
        ipaddress.ip_address(match["address"].strip("[]"))
    elif not _HOST.fullmatch(text):
        raise ValueError(f"{text!r} is none of host, host:port, address, address:port, or range such as 10.0.0.0/8")
    return text.lower()


class HttpSection(_Section):
    """What `http.get` and `http.request` may reach."""

    allow: tuple[Annotated[str, AfterValidator(_is_allowed_form)], ...] = Field(
        default=(),
        max_length=200,
        description=(
            "Hosts as `host[:port]`, the scheme's own port unless stated. A host whose address is private, loopback or "
            "link-local is reached only if that address, or a range with it, is listed too."
        ),
    )
    max_timeout: Duration = Field(default=60.0, gt=0, le=600, description="Longest time that a step may ask for.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that servers are checked against, instead of the machine's."
    )


class SecretsSection(_Section):
    """Which secrets steps may name; their values are read when they are used, and stand nowhere else."""

    env: tuple[EnvName, ...] = Field(default=(), max_length=100, description="Environment variables.")
    files: tuple[Path, ...] = Field(default=(), max_length=100, description="Files, by their whole path.")


class LoadtestSection(_Section):
    """How much load `loadtest.run` may make."""

    max_requests_per_s: float = Field(default=20.0, gt=0, le=500, description="Most requests a second.")
    max_duration: Duration = Field(default=300.0, gt=0, le=3600, description="Longest time.")
    api_key_env: EnvName | None = Field(
        default=None, description="Environment variable of the API key that its requests carry."
    )


class ProgramSection(_Section):
    """One program that `process.run` may start."""

    argv: tuple[Annotated[str, StringConstraints(max_length=4096)], ...] = Field(
        min_length=1, max_length=100, description="The program by its whole path, and its arguments; no shell reads it."
    )
    env: tuple[EnvName, ...] = Field(default=(), max_length=50, description="Environment variables that it gets.")

    @model_validator(mode="after")
    def _is_absolute(self) -> Self:
        if not Path(self.argv[0]).is_absolute():
            raise ValueError(f"argv: {self.argv[0]!r} is no whole path such as /usr/local/bin/rotate-logs")
        return self


class ProcessSection(_Section):
    """Programs of this machine; off while none is named."""

    allow: dict[ProgramName, ProgramSection] = Field(
        default_factory=dict, description="By the name that `process.run` uses: `argv` and `env`."
    )


class ActionsSection(_Section):
    """The whole section."""

    http: HttpSection = Field(default=HttpSection(), description="Hosts that may be reached.")
    secrets: SecretsSection = Field(default=SecretsSection(), description="Secrets that steps may name.")
    loadtest: LoadtestSection = Field(default=LoadtestSection(), description="How much load may be made.")
    process: ProcessSection = Field(default=ProcessSection(), description="Programs that may be started.")
    plugins: dict[PluginName, dict[str, JsonValue]] = Field(
        default_factory=dict, description="Settings of installed plug-ins, by the name of their entry point."
    )
