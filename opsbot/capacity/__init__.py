"""Capacity: what the fleet carries, when that meets its limits, and how many GPUs a demand needs."""
