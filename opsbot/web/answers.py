"""What every route of core says alike: typed errors, and bodies that are checked before they are used."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

B = TypeVar("B", bound=BaseModel)


def unauthorized() -> Response:
    """No token, or not the right kind."""
    return error(401, "not_authorized", "an `Authorization: Bearer` token is needed; for writes, your own")


def error(status: int, kind: str, message: str) -> Response:
    """A typed error that says what to do next."""
    content: dict[str, Any] = {"error": {"type": kind, "message": message}}
    return JSONResponse(content, status_code=status)


async def read_body(request: Request, model: type[B]) -> tuple[B | None, str]:
    """The request's body, or what is wrong with it."""
    try:
        return model.model_validate(await request.json()), ""
    except ValidationError as wrong:
        first: Any = wrong.errors()[0]
        return None, f"{'.'.join(str(part) for part in first['loc']) or 'the body'}: {first['msg']}"
    except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
        return None, f"the body is not JSON: {wrong}"
