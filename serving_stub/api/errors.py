"""Errors on the wire: every failure answers in OpenAI's shape, so official clients raise their own typed errors.

A message names the field and the expectation; nothing here ever repeats a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving_stub.frontdoor.served import served_of

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    412: "conflict_error",
}


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """OpenAI's error shape."""

    error: ErrorDetail


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: the machine-readable reason.
        message: what was wrong and what was expected.
        param: the field at fault.
        headers: to send beside the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> ErrorBody:
        """What is sent."""
        kind = "server_error" if self.status >= 500 else _TYPES.get(self.status, "invalid_request_error")
        return ErrorBody(error=ErrorDetail(message=self.message, type=kind, param=self.param, code=self.code))

    def response(self) -> Response:
        """The whole answer."""
        return json_response(self.body(), self.status, self.headers)


def json_response(body: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer *body* as JSON."""
    return Response(body.model_dump_json(), status, dict(headers or {}), media_type="application/json")


def invalid(error: ValidationError, status: int, code: str) -> ApiError:
    """What to answer when a body does not fit its model: the first problem, without what was sent."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # A union adds the member that it tried ("str", "list[int]") to the location of the field.
    path = [str(part) for part in problem["loc"] if part != "str" and "[" not in str(part)]
    if problem["type"] == "json_invalid" or not path:
        return ApiError(status, code, f"the body must be a JSON object: {problem['msg']}")
    return ApiError(status, code, f"{'.'.join(path)}: {problem['msg']}", param=path[0])


async def answer_api_error(request: Request, error: Exception) -> Response:
    """Exception handler for ApiError."""
    if not isinstance(error, ApiError):
        raise error
    served_of(request.scope).error_code = error.code
    return error.response()


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Exception handler for what routing raises: no such path, or not with this method."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "path_not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    served_of(request.scope).error_code = code
    message = f"{request.method} on this path: {error.detail.lower()}; docs/serving.md lists what there is"
    return ApiError(error.status_code, code, message, headers=error.headers).response()


async def answer_failure(request: Request, error: Exception) -> Response:
    """Exception handler for what nobody expected: this request fails, the server goes on."""
    return ApiError(500, "internal_error", "the server failed to handle this request; its log says more").response()
