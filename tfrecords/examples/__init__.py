"""Clips become examples: faces, crops, masks."""
