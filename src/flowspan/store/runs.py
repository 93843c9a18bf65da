"""What became of a run, from the few of its rows that tell.

A run is a trace.  Its root is the span without a parent, else one whose parent is in another
process, else the earliest there is.  Where open rows are kept and that trace has none, nothing
of ours was cut off: then the parent is with another provider of the program's.  Else the root never
came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.store.records import RunRow, RunStatus

HEAD_COLUMNS: Final = (
    "trace_id",
    "span_id",
    "parent_id",
    "parent_is_remote",
    "name",
    "kind",
    "state",
    "start_ns",
    "end_ns",
    "status",
    "status_message",
    "error_type",
    "run_id",
    "workflow",
    "engine",
    "service",
    "process_id",
    "conversation_id",
    "interruption",
    "resumed",
    "resumes",
)
"""What must be known of the rows that tell."""

_COUNTS: Final = (
    "spans",
    "open_spans",
    "steps",
    "nodes",
    "llm_calls",
    "input_tokens",
    "output_tokens",
    "unpriced_calls",
    "estimated_calls",
)

Row = Mapping[str, Any]


def run_row(  # noqa: PLR0913 - all that is known
    trace: Row,
    heads: Sequence[Row],
    totals: Row,
    passed_on: int,
    alive: frozenset[int],
    *,
    silent_since_ns: float | None = None,
) -> RunRow:
    """One run.

    Args:
        trace: Its ``trace_id``, ``first_ns`` and ``last_ns``.
        heads: Its roots, runs and open spans; its earliest span where there are none.
        totals: Its sums, by name.
        passed_on: How many of its failed spans failed because a child of theirs did.
        alive: Processes that live.
        silent_since_ns: A trace that was heard of after this goes on, though nothing of it is open;
            ``None`` where what is open is told.
    """
    root = min(heads, key=_rank)
    run = min((head for head in heads if head["kind"] == "run"), key=_begin, default=root)
    if silent_since_ns is None:
        status = _status(root, heads, alive)
    else:
        status = _status_by_silence(root, goes_on=trace["last_ns"] > silent_since_ns)
    ended = status in {"ok", "error"}
    last = _last_run(heads, run)
    counts: dict[str, Any] = {name: int(totals[name] or 0) for name in _COUNTS}
    return RunRow(
        trace_id=trace["trace_id"],
        run_id=run["run_id"] or root["run_id"],
        name=root["name"],
        workflow=run["workflow"] or root["workflow"],
        engine=run["engine"] or root["engine"],
        service=root["service"],
        status="paused" if status == "ok" and _waits(last) else status,
        started_ns=trace["first_ns"],
        ended_ns=root["end_ns"] if ended else None,
        last_ns=trace["last_ns"],
        error_type=root["error_type"],
        error_message=root["status_message"] or "",
        conversation_id=last["conversation_id"],
        interruption=last["interruption"],
        resumed=bool(run["resumed"]),
        resumes=run["resumes"],
        cost_usd=totals["cost_usd"],
        errors=int(totals["failed"]) - passed_on,
        **counts,
    )


def _last_run(heads: Sequence[Row], run: Row) -> Row:
    """Of several runs in a trace the one that began last, without those inside it."""
    outermost: dict[str | None, Row] = {}
    for head in sorted((head for head in heads if head["kind"] == "run"), key=_begin):
        outermost.setdefault(head["run_id"], head)
    return max(outermost.values(), key=_begin, default=run)


def _waits(run: Row) -> bool:
    """Whether it stopped until somebody resumes it."""
    return run["interruption"] is not None and run["interruption"] not in semconv.ENDINGS


def _rank(head: Row) -> tuple[bool, bool, int, str]:
    """Smallest for the root: no parent, then a parent elsewhere, then the earliest."""
    has_parent = head["parent_id"] is not None
    return (has_parent, not head["parent_is_remote"], *_begin(head))


def _begin(head: Row) -> tuple[int, str]:
    return head["start_ns"], head["span_id"]


def _status(root: Row, heads: Sequence[Row], alive: frozenset[int]) -> RunStatus:
    """What became of a run in a store that is told what begins."""
    begun = [head for head in heads if head["state"] == "open"]
    if root["state"] == "done" and (_is_root(root) or not begun):
        return _ended(root)
    return "running" if any(head["process_id"] in alive for head in begun) else "interrupted"


def _status_by_silence(root: Row, *, goes_on: bool) -> RunStatus:
    """What became of a run in a store that is told what ends."""
    if _is_root(root):
        return _ended(root)
    return "running" if goes_on else "interrupted"


def _is_root(head: Row) -> bool:
    return head["parent_id"] is None or bool(head["parent_is_remote"])


def _ended(root: Row) -> RunStatus:
    return "error" if root["status"] == "error" else "ok"
