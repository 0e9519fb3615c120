"""How the router is set: from when on a cluster counts as full, and which views of it are believed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving_stub.yamlfile import Duration


class RouterSettings(BaseModel):
    """The section `router` of a fleet's file.

    Args:
        spill_kv: share of the KV cache in use from which on a cluster has no room.
        spill_batch: running and waiting requests over the batch limit from which on it has none.
        spill_wait: seconds that a newcomer would wait for its turn from which on it has none. Arithmetic may be short
            where neither KV cache nor batch is: long prompts with short answers.
        max_view_age: oldest view that is believed; older ones count as frozen.
        frozen_gap: requests, as a share of the batch limit, by which the router's own count may exceed what a view
            shows before the view is taken for a lie.
        max_own_load: for a cluster whose view is not believed, requests of the router's own over the batch limit
            from which on it has no room. Below `spill_batch`, since others may send to it too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spill_kv: Annotated[float, Field(gt=0, le=1)] = 0.9
    spill_batch: Annotated[float, Field(gt=0, le=10)] = 1.0
    spill_wait: Annotated[Duration, Field(gt=0, le=3600)] = 1.0
    max_view_age: Annotated[Duration, Field(gt=0, le=3600)] = 10.0
    frozen_gap: Annotated[float, Field(gt=0, le=10)] = 0.25
    max_own_load: Annotated[float, Field(gt=0, le=10)] = 0.8
