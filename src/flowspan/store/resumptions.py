"""Which run goes on with which: by the link that it has, else by what they are parts of.

A process that resumes a run links to it if it knows that run.  Where it does not (a collector's
database, which programs never ask), the last run of the same conversation that stopped is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan.store.records import RunRow

COLUMNS: Final = (
    "trace_id",
    "start_ns",
    "conversation_id",
    "engine",
    "interruption",
    "resumed",
    "resumes",
)
"""What must be known of runs that stopped, and of those that were resumed."""

Row = Mapping[str, Any]


def may_be_joined(run: RunRow) -> bool:
    """Whether there may be a run before or after this one."""
    may_go_on = run.conversation_id is not None and run.status in {"interrupted", "error"}
    return may_go_on or run.resumed or run.interruption is not None


def joined(runs: Sequence[RunRow], rows: Iterable[Row]) -> list[RunRow]:
    """The same runs, each with the one before it and the one after it.

    Args:
        runs: As the store describes them.
        rows: Runs that stopped or were resumed, in their conversations.
    """
    before, after = _neighbours(rows)
    return [_between(run, before.get(run.trace_id), after.get(run.trace_id)) for run in runs]


def _between(run: RunRow, before: str | None, after: str | None) -> RunRow:
    status = "ok" if run.status == "paused" and after is not None else run.status
    resumes = run.resumes or before
    own = resumes == run.trace_id
    return replace(run, status=status, resumes=None if own else resumes, resumed_by=after)


def _neighbours(rows: Iterable[Row]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    stopped: dict[tuple[str, str], str] = {}
    for row in sorted(rows, key=lambda row: (row["start_ns"], row["trace_id"])):
        trace_id, conversation = row["trace_id"], (row["conversation_id"], row["engine"])
        earlier = (row["resumes"] or stopped.get(conversation)) if row["resumed"] else None
        if earlier is not None and earlier != trace_id:
            before.setdefault(trace_id, earlier)
            after.setdefault(earlier, trace_id)
        if row["interruption"] is not None and row["conversation_id"] is not None:
            stopped[conversation] = trace_id
    return before, after
