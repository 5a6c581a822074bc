"""Layers computed in another way while trained on a CPU: faster, and the same each time."""
