"""What `opsbot check` says of metrics sources without asking anybody: the files that the settings name for them."""

from __future__ import annotations

from opsbot.config import Settings
from opsbot.errors import ConfigError, SourceError
from opsbot.source.discovery import read_targets
from opsbot.source.servers import ServerAddress
from opsbot.yamlfile import Document, Problem


def source_problems(document: Document, settings: Settings) -> list[Problem]:
    """Lists of targets and certificates that cannot be used, each at its place in the settings."""
    problems: list[Problem] = []
    for index, path in enumerate(settings.targets_file):
        try:
            read_targets(path)
        except SourceError as error:
            problems.append(document.problem(("targets_file", index), f"targets_file: {error}"))
        except OSError as error:
            problems.append(document.problem(("targets_file", index), f"targets_file: {path}: {error.strerror}"))
    for index, server in enumerate(settings.prometheus):
        try:
            ServerAddress(server.url, server.name, ca_file=server.ca_file).check_certificates()
        except ConfigError as error:
            problems.append(document.problem(("prometheus", index, "ca_file"), str(error)))
    return problems
