"""Which alerts a silence of an incident means, as its dialog has it filled in.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsbot.incident.view import IncidentView

SILENCED_BY = ("cluster", "instance", "pod", "model_name")
"""Labels, beside the alert's name, by which an incident's alerts are told from others of the same name."""
MOST_NAMES = 4
MAX_VALUE = 60
"""Characters of a label's value in a matcher; all of them together fit the dialog's field even when escaped."""


def silence_matchers(view: IncidentView) -> Sequence[str]:
    """Matchers that mean the alerts of an incident and as few others as can be; short enough to be carried."""
    labels = view.incident.labels
    names = list(dict.fromkeys(alert.name for alert in view.alerts)) or [labels.get("alertname", "")]
    if len(names) == 1 and len(names[0]) <= MAX_VALUE:
        matchers = [f'alertname="{_quoted(names[0])}"']
    else:
        # A name that is too long to be carried is meant by how it begins.
        either = "|".join(
            re.escape(name) if len(name) <= MAX_VALUE else f"{re.escape(name[:MAX_VALUE])}.*"
            for name in names[:MOST_NAMES]
        )
        matchers = [f'alertname=~"{_quoted(either)}"']
    own = (name for name in SILENCED_BY if 0 < len(labels.get(name, "")) <= MAX_VALUE)
    return (*matchers, *(f'{name}="{_quoted(labels[name])}"' for name in own))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
