"""How much of a fleet may be out at once, as its file says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class OutageLimits(BaseModel):
    """The section `limits` of a fleet's file: the largest shares of capacity that may be out at once.

    Args:
        fleet: of the capacity of all clusters.
        region: of each region's, but those in *regions*.
        model: of each model's, but those in *models*.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fleet: Share = 0.25
    region: Share = 0.5
    model: Share = 0.34
    regions: dict[str, Share] = {}
    models: dict[str, Share] = {}

    def of_region(self, region: str) -> float:
        """The limit of one region."""
        return self.regions.get(region, self.region)

    def of_model(self, model: str) -> float:
        """The limit of one model."""
        return self.models.get(model, self.model)
