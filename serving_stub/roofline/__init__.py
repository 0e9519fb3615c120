"""What a device allows and what a model needs: ridge, bound, capacity, swap against recompute."""
