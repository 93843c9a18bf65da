"""Why a run ended early, and which runs are before and after it, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flowspan.store.records import RunRow

SHORT_ID: Final = 8
"""Digits of a trace id that are shown, and that ``flowspan show`` takes."""


def sequel(run: RunRow) -> Iterator[str]:
    """What is to be said beside the status, if anything."""
    if run.resumes is not None:
        yield f"goes on with {run.resumes[:SHORT_ID]}"
    elif run.resumed:
        yield "goes on with an earlier run"
    if run.status == "paused":
        yield f"waits to be resumed ({run.interruption})"
    elif run.interruption is not None and run.resumed_by is None:
        yield f"ended by {run.interruption}"
    if run.resumed_by is not None:
        yield f"resumed by {run.resumed_by[:SHORT_ID]}"
