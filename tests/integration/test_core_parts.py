"""What core builds once and shares: who everybody is, and who reads the clusters."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsbot.clock import SystemClock
from opsbot.config import load_settings
from opsbot.config_secrets import load_secrets
from opsbot.core import Core
from opsbot.vitals_wiring import vital_parts
from tests.support.live_core import ENVIRONMENT
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


class Built:
    """A core that is not started, and how often its parts were made."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Any] = []

        def counted(*args: Any) -> Any:
            self.made.append(vital_parts(*args))
            return self.made[-1]

        monkeypatch.setattr("opsbot.core.vital_parts", counted)
        data = folder / "data"
        data.mkdir()
        known = {"read_at": time.time(), "groups": {"@oncall": ["U1", "U2"]}, "identities": {"U2": "cli:ada"}}
        (data / "user-groups.last-good.json").write_text(json.dumps({"version": 1, **known}), encoding="utf-8")
        settings = {
            "version": 1,
            "data_dir": str(data),
            "runbooks": [],
            "alert_rules": [],
            "serving": [{"cluster": "eu-1", "url": "http://127.0.0.1:1"}],
            "core": {"port": free_port()},
            "slack": {"channel": "incidents"},
            "people": [
                {"user_group": "@oncall", "roles": ["responder"]},
                {"user": "U3", "roles": ["commander"]},
                {"user": "cli:ada", "email": "ada@example.com", "roles": ["author"]},
            ],
        }
        path = folder / "opsbot.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        loaded = load_settings(path)
        self.core = Core(loaded, load_secrets(loaded, ENVIRONMENT), "http://127.0.0.1:1/api/", SystemClock())


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Built]:
    """Closed again afterwards."""
    made = Built(tmp_path, monkeypatch)
    yield made
    made.core._database.close()


def test_who_may_includes_user_groups(built: Built) -> None:
    """Whoever lacks a role hears of those who have it by a group too, and of each person once."""
    assert built.core._run_desk.who_may(["responder"]) == ("U1", "U3", "cli:ada")
    assert built.core._run_desk.who_may(["commander"]) == ("U3",)


def test_what_reads_the_clusters_is_built_once(built: Built) -> None:
    """Messages, commands, the Home tab and reports ask the same reader, so that each cluster is asked once."""
    (parts,) = built.made
    assert built.core._slack._fleet is parts.reader
    assert built.core._vitals is parts
