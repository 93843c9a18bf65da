"""The SQL of the questions, as SQLAlchemy Core expressions over ``spans`` and ``traces``.

Labels of sums never equal a column's name (ClickHouse takes such a name for the sum everywhere).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from flowspan.store.dialects import spans
from flowspan.store.records import RunFilter
from flowspan.store.resumptions import COLUMNS as RESUMPTION_COLUMNS
from flowspan.store.runs import HEAD_COLUMNS

Select = sa.Select[Any]

_AFTER_ANY: Final = "\U0010ffff"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _is(column: str, value: str | int) -> sa.ColumnElement[bool]:
    # Written into the statement: a partial index is not used for a parameter.
    return spans.c[column] == sa.literal(value, literal_execute=True)


_IS_ROOT: Final = spans.c.parent_id.is_(None) | _is("parent_is_remote", 1)
_IS_LLM: Final = _is("kind", "llm")
_HAS_TOKENS: Final = spans.c.input_tokens.is_not(None) | spans.c.output_tokens.is_not(None)
_IS_UNPRICED: Final = sa.and_(
    _IS_LLM,
    _is("state", "done"),
    spans.c.cost_usd.is_(None),
    _is("cost_status", "unpriced") | (spans.c.cost_status.is_(None) & _HAS_TOKENS),
)


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _sum_of_calls(column: str) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((_IS_LLM, spans.c[column])))


_TOTALS: Final[dict[str, sa.ColumnElement[Any]]] = {
    "spans": sa.func.count(),
    "open_spans": _count(_is("state", "open")),
    "steps": _count(_is("kind", "step")),
    "nodes": _count(_is("kind", "node")),
    "llm_calls": _count(_IS_LLM),
    "failed": _count(_is("status", "error")),
    "input_tokens": _sum_of_calls("input_tokens"),
    "output_tokens": _sum_of_calls("output_tokens"),
    "unpriced_calls": _count(_IS_UNPRICED),
    "estimated_calls": _count(_IS_LLM & (spans.c.estimated == 1)),
    "cost_usd": _sum_of_calls("cost_usd"),
}
TOTAL: Final = "total_{}"
"""Label of a sum."""


def newest_first(traces: sa.TableClause) -> Select:
    """All traces."""
    return sa.select(traces.c.trace_id, traces.c.first_ns, traces.c.last_ns).order_by(
        traces.c.first_ns.desc(), traces.c.trace_id.desc()
    )


def candidates(traces: sa.TableClause, wanted: RunFilter) -> Select:
    """Traces that may match, newest first; what became of them is asked afterwards."""
    statement = newest_first(traces)
    if wanted.since is not None:
        microseconds = (wanted.since - _EPOCH).total_seconds() * 1e6
        statement = statement.where(traces.c.first_ns >= int(microseconds) * 1_000)
    if wanted.workflow is not None:
        statement = statement.where(_has_run(traces, spans.c.workflow == wanted.workflow))
    if wanted.engine is not None:
        statement = statement.where(_has_run(traces, spans.c.engine == wanted.engine))
    if wanted.invocation is not None:
        belongs = sa.select(spans.c.trace_id).where(
            _IS_ROOT, spans.c.invocation == wanted.invocation
        )
        statement = statement.where(traces.c.trace_id.in_(belongs))
    return statement


def _has_run(traces: sa.TableClause, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return traces.c.trace_id.in_(sa.select(spans.c.trace_id).where(_is("kind", "run"), condition))


def after(statement: Select, traces: sa.TableClause, first_ns: int, trace_id: str) -> Select:
    """What comes after a trace in the order of :func:`newest_first`."""
    return statement.where(
        (traces.c.first_ns < first_ns)
        | ((traces.c.first_ns == first_ns) & (traces.c.trace_id < trace_id))
    )


def named(traces: sa.TableClause, name: str, *, exactly: bool) -> Select:
    """Traces whose id, or one of whose runs' ids, is so or begins so."""
    by_run = sa.select(spans.c.trace_id).where(
        _is("kind", "run"), *_begins(spans.c.run_id, name, exactly=exactly)
    )
    by_trace = _begins(traces.c.trace_id, name.lower(), exactly=exactly)
    return newest_first(traces).where(traces.c.trace_id.in_(by_run) | sa.and_(*by_trace))


def named_by_root(traces: sa.TableClause, name: str, *, exactly: bool) -> Select:
    """The same by the id that a root carries which is no run: a node that was called alone."""
    by_root = sa.select(spans.c.trace_id).where(
        _IS_ROOT, *_begins(spans.c.run_id, name, exactly=exactly)
    )
    return newest_first(traces).where(traces.c.trace_id.in_(by_root))


def _begins(
    column: sa.ColumnElement[Any], text: str, *, exactly: bool
) -> tuple[sa.ColumnElement[bool], ...]:
    # Not LIKE, which knows wildcards, ignores case and uses no index.
    return (column == text,) if exactly else (column >= text, column < text + _AFTER_ANY)


def totals(trace_ids: Sequence[str]) -> Select:
    """Sums over each of these traces."""
    sums = [value.label(TOTAL.format(name)) for name, value in _TOTALS.items()]
    return (
        sa.select(spans.c.trace_id, *sums)
        .where(spans.c.trace_id.in_(trace_ids))
        .group_by(spans.c.trace_id)
    )


def passed_on(trace_ids: Sequence[str]) -> Select:
    """For each trace how many failed spans failed because a child of theirs did."""
    # Not a join: after one, ClickHouse (26.9) leaves out rows from later answers, because its cache
    # of conditions remembers what the join did not want.
    failed = (spans.c.trace_id.in_(trace_ids), spans.c.status == "error")
    named = sa.select(spans.c.trace_id, spans.c.span_id).where(*failed)
    parent = sa.tuple_(spans.c.trace_id, spans.c.parent_id)
    return (
        sa.select(spans.c.trace_id, sa.func.count(spans.c.parent_id.distinct()).label("failures"))
        .where(*failed, parent.in_(named))
        .group_by(spans.c.trace_id)
    )


def heads(trace_ids: Sequence[str]) -> Select:
    """Of each trace the rows that tell what became of it: roots, runs, and what is open."""
    return sa.select(*_head_columns()).where(
        spans.c.trace_id.in_(trace_ids),
        _IS_ROOT | _is("kind", "run") | _is("state", "open"),
    )


def resumptions(trace_ids: Sequence[str], conversations: Sequence[str]) -> Select:
    """Runs that go on with one of these, and what stopped or was resumed beside them."""
    # Each side says that it is of runs: else all runs are read, where indexes know these.
    after = _is("kind", "run") & spans.c.resumes.in_(trace_ids)
    beside = sa.and_(
        _is("kind", "run"),
        spans.c.conversation_id.in_(conversations),
        spans.c.interruption.is_not(None) | (spans.c.resumed == 1),
    )
    return sa.select(*(spans.c[name] for name in RESUMPTION_COLUMNS)).where(after | beside)


def earliest(trace_id: str) -> Select:
    """The first span of a trace that has no root."""
    return (
        sa.select(*_head_columns())
        .where(spans.c.trace_id == trace_id)
        .order_by(spans.c.start_ns, spans.c.span_id)
        .limit(1)
    )


def _head_columns() -> list[sa.ColumnElement[Any]]:
    return [spans.c[name] for name in HEAD_COLUMNS]
