"""How long the end of the process may take, all signals together."""

from __future__ import annotations

import time


class Deadline:
    """A budget of seconds that starts to run when somebody first asks for what is left.

    Exporters of spans, metrics and logs share one, so that their sum is bounded.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def begin(self) -> None:
        """The process is ending; time runs from now (or from an earlier call)."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds

    @property
    def has_begun(self) -> bool:
        """Whether the process is ending."""
        return self._end is not None

    def remaining(self) -> float:
        """Seconds left, never negative; begins if nobody did."""
        self.begin()
        assert self._end is not None  # noqa: S101 - begin() has set it
        return max(0.0, self._end - time.monotonic())


_of_this_process: list[Deadline] = []


def process_deadline(seconds: float | None = None) -> Deadline:
    """The one deadline of this process, for exporters that are made by name.

    Args:
        seconds: Makes a new one, of that many seconds.
    """
    if seconds is not None or not _of_this_process:
        _of_this_process[:] = [Deadline(2.0 if seconds is None else seconds)]
    return _of_this_process[0]
