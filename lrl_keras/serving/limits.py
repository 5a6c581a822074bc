"""Limits of the work that a server takes on."""

import dataclasses
import math

from lrl_keras.errors import InputError

# Bodies of the largest size that are held at once.
_BODIES = 8


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits that `lrl_keras.serving.application` was given, checked.

    Raises:
        InputError: naming the argument that is out of its range.
    """

    batch_size: int
    batch_timeout_ms: float
    queue_size: int
    max_body_mb: float

    def __post_init__(self):
        for name in ("batch_size", "queue_size"):
            value = getattr(self, name)
            if value != int(value) or value < 1:
                raise InputError(f"{name} must be a whole number from 1. Received: {value}")
        if not (self.batch_timeout_ms >= 0 and math.isfinite(self.batch_timeout_ms)):
            raise InputError(
                f"batch_timeout_ms must be at least 0. Received: {self.batch_timeout_ms}"
            )
        if not (self.max_body_mb > 0 and math.isfinite(self.max_body_mb)):
            raise InputError(f"max_body_mb must be more than 0. Received: {self.max_body_mb}")

    @property
    def batch_timeout(self):
        """Seconds that an image waits for others."""
        return self.batch_timeout_ms / 1000

    @property
    def body(self):
        """Bytes of one body."""
        return int(self.max_body_mb * (1 << 20))

    @property
    def bodies(self):
        """Bytes of all bodies that are held at once."""
        return _BODIES * self.body
