"""Runs, their checkpoints, and exported files."""
