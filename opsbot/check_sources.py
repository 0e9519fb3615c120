"""What `opsbot check` says of metrics sources without asking anybody: the files that the settings name for them."""

from __future__ import annotations

from pathlib import Path

from opsbot.config import Settings
from opsbot.errors import ConfigError, SourceError
from opsbot.source.discovery import read_targets
from opsbot.source.servers import ServerAddress
from opsbot.yamlfile import Document, Problem


def source_problems(document: Document, settings: Settings) -> list[Problem]:
    """Lists of targets and certificates that cannot be used, each at its place in the settings."""
    problems: list[Problem] = []
    for index, path in enumerate(settings.targets_file):
        if mistake := targets_mistake(path):
            problems.append(document.problem(("targets_file", index), f"targets_file: {mistake}"))
    for index, server in enumerate(settings.prometheus):
        try:
            ServerAddress(server.url, server.name, ca_file=server.ca_file).check_certificates()
        except ConfigError as error:
            problems.append(document.problem(("prometheus", index, "ca_file"), str(error)))
    return problems


def targets_mistake(path: Path) -> str:
    """Why a list of targets cannot be used; empty if it can."""
    try:
        read_targets(path)
    except SourceError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return ""
