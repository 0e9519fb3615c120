"""What a server says that cannot take the request now, whoever notices."""

from __future__ import annotations

from serving_stub.api.errors import ApiError

ENGINE_DEAD = ApiError(
    503,
    "engine_dead",
    "the engine has died and is being started again; try again, or ask another server",
    headers={"retry-after": "1"},
)
STOPPING = ApiError(503, "server_stopping", "the server is stopping; ask another one", headers={"retry-after": "5"})
