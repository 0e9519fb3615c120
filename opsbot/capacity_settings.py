"""What the settings say of the fleet's hardware, as capacity reckons with it."""

from __future__ import annotations

from opsbot.capacity.catalogue import Catalogue, load_catalogue
from opsbot.capacity.hardware import Figures
from opsbot.config import Settings


def capacity_figures(settings: Settings) -> Figures:
    """What the settings say of the hardware."""
    section = settings.capacity
    return Figures(catalogue_if_any(settings), section.format, section.device, section.max_num_seqs)


def catalogue_if_any(settings: Settings) -> Catalogue | None:
    """KV and batch need no catalogue, so without one everything goes on."""
    path = settings.capacity.catalogue
    return load_catalogue(path) if path.exists() or "catalogue" in settings.capacity.model_fields_set else None
