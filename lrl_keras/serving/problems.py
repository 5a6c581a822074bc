"""Answers to a request that are no predictions."""

from typing import ClassVar


class Problem(Exception):
    """An answer that is no prediction.

    Attributes:
        status: of HTTP.
        reason: one line for whoever sent the request.
    """

    headers: ClassVar[dict[str, str] | None] = None

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Busy(Problem):
    """The server does not take this on now; the same request may succeed later.

    Attributes:
        cause: why, as the metrics name it: `"queue"`, `"memory"` or `"stopping"`.
    """

    headers: ClassVar[dict[str, str]] = {"retry-after": "1"}

    def __init__(self, cause, reason):
        super().__init__(503, f"{reason}; try again in a second")
        self.cause = cause
