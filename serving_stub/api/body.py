"""Request bodies: read no further than the limit, and only ever as the model that is expected."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from serving_stub.api.errors import ApiError, invalid

Model = TypeVar("Model", bound=BaseModel)


async def read(request: Request, model: type[Model], max_bytes: int, *, status: int, code: str) -> Model:
    """Read and check a JSON body.

    Raises: ApiError 413 when it is larger than *max_bytes*, *status* with *code* when it does not fit *model*.
    """
    too_large = ApiError(413, "body_too_large", f"the body is larger than the {max_bytes} bytes that are accepted")
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > max_bytes:
        raise too_large
    content = bytearray()
    try:
        async for piece in request.stream():
            content += piece
            if len(content) > max_bytes:
                raise too_large
    except ClientDisconnect as error:
        raise ApiError(400, "client_gone", "the client left before its request was complete") from error
    try:
        return model.model_validate_json(bytes(content))
    except ValidationError as error:
        raise invalid(error, status, code) from error
