"""Checks of the arguments of detectors."""

from __future__ import annotations


def checked_integer(name: str, value: int, least: int, most: int) -> int:
    """Return `value` as int; bounded, so that a foreign configuration cannot exhaust the memory."""
    if int(value) != value or not least <= value <= most:
        raise ValueError(
            f"`{name}` must be an integer from {least} to {most}. Received: {name}={value}"
        )
    return int(value)
