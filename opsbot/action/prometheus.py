"""`prometheus.query`: reads one number, for a later step's condition or for the people who read along."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsbot.errors import ActionError, SourceError
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.probe import Prober, Promql


class QueryArguments(BaseModel):
    """What `prometheus.query` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    query: Promql = Field(description="PromQL that yields one number.")


class QueryOutputs(BaseModel):
    """What `prometheus.query` yields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None = Field(description="The number; null without data.")


class PrometheusQuery(Action[QueryArguments]):
    """Reads one number."""

    name: ClassVar[str] = "prometheus.query"
    summary: ClassVar[str] = "Read one number from the metrics."
    arguments = QueryArguments
    outputs = QueryOutputs
    is_read_only: ClassVar[bool] = True

    def __init__(self, prober: Prober) -> None:
        self._prober = prober

    async def act(self, arguments: QueryArguments, context: ActionContext) -> Outcome:
        try:
            value = await self._prober.value(arguments.query)
        except SourceError as error:
            raise ActionError(f"{arguments.query} could not be read: {error}", retryable=error.retryable) from error
        shown = "no data" if value is None else f"{value:.4g}"
        return Outcome(f"{arguments.query} is {shown}", {"value": value})
