"""The ASGI application: every route of the contract and what each kind of error answers."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from serving_stub.api import openapi
from serving_stub.api.completions import Completions
from serving_stub.api.control import answer_journal_error, answer_lease_error
from serving_stub.api.control_routes import control_routes
from serving_stub.api.errors import ApiError, answer_api_error, answer_failure, answer_http_exception
from serving_stub.api.observe import Observe
from serving_stub.api.services import Services
from serving_stub.errors import JournalError, LeaseError


def build_app(services: Services) -> Starlette:
    """The application over *services*, which somebody else starts and stops."""
    return Starlette(
        routes=[
            *Completions(services).routes(),
            *control_routes(services),
            *Observe(services).routes(),
            *openapi.routes(),
        ],
        exception_handlers={
            ApiError: answer_api_error,
            LeaseError: answer_lease_error,
            JournalError: answer_journal_error,
            HTTPException: answer_http_exception,
            Exception: answer_failure,
        },
    )
