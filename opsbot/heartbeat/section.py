"""The section `heartbeat` of opsbot.yaml."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from opsbot.yamlfile import Duration


class HeartbeatSection(BaseModel):
    """Whom we tell that the whole loop works, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url_env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] = Field(
        description="Environment variable of the URL to call; whoever knows it can pretend that all is well."
    )
    every: Duration = Field(default=60.0, ge=1, le=3600, description="How often it is called while all is well.")
    method: Literal["post", "get"] = Field(default="post", description="The HTTP method that the service wants.")
    patience: Duration = Field(
        default=120.0, ge=5, le=3600, description="How long something may wait to be delivered before the beats stop."
    )


def is_http_url(url: str) -> bool:
    """Whether *url* is one that can be called."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
