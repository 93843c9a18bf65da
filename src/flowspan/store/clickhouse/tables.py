"""The statements that make our view and tables in a collector's database.

::

    otel_traces ──► view spans             no data of its own; the columns of the embedded store
         ├──(mv)──► spans_core             typed, without the long columns; lists and sums read it
         └──(mv)──► traces_core            when each trace was

The view is for whoever writes SQL of their own; flowspan puts the same statement before its
questions where there is none.  The tables are filled as spans come in, and make lists and sums
several times cheaper.  The script may be applied again: the view is replaced, what is there stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flowspan.store.clickhouse.address import TRACES_TABLE
from flowspan.store.clickhouse.relations import CORE, TRACES_CORE, VIEW
from flowspan.store.clickhouse.selecting import (
    COLUMNS,
    NARROW_COLUMNS,
    TIME,
    quoted,
    select_spans,
)
from flowspan.store.schema import SPAN_COLUMNS

_COMPUTED: Final = {
    "state": "'done'",
    "model": "coalesce(response_model, request_model)",
    "duration_ns": "end_ns - start_ns",
    "day": f"toString(toDate({TIME}, 'UTC'))",
    "process_id": "CAST(NULL, 'Nullable(Int64)')",
}
"""Columns of the narrow table that take no room."""

STORED_COLUMNS: Final = tuple(name for name in NARROW_COLUMNS if name not in _COMPUTED)

_VARIED: Final = "Nullable(String) CODEC(ZSTD(1))"
_TYPE_OF: Final = {
    **dict.fromkeys(("trace_id", "span_id"), "String CODEC(ZSTD(1))"),
    **dict.fromkeys(
        (
            "parent_id",
            "status_message",
            "trace_state",
            "run_id",
            "node_id",
            "conversation_id",
            "session_id",
            "resumes",
            "invocation",
        ),
        _VARIED,
    ),
    **dict.fromkeys(("name", "span_kind", "status"), "LowCardinality(String)"),
    **dict.fromkeys(("start_ns", "end_ns"), "Int64 CODEC(Delta, ZSTD(1))"),
    TIME: "DateTime64(9) CODEC(Delta, ZSTD(1))",
}
_TYPE: Final = {
    "TEXT": "LowCardinality(Nullable(String))",
    "INTEGER": "Nullable(Int64)",
    "REAL": "Nullable(Float64)",
}
_SQLITE_TYPE: Final = {column.name: column.type for column in SPAN_COLUMNS}

_TELLS: Final = """\
-- Made by `flowspan store ddl --clickhouse`; apply it to the collector's database:
--   clickhouse-client --database otel --queries-file this.sql
-- The collector must have made {collected} already, which it does with its first spans.
"""
_BEFORE: Final = """\
-- What was collected before is not in the tables, and so not in lists any more; where an older
-- flowspan made them, it is not in the columns that are new. To put it there, once
-- (day by day, WHERE toDate(time) = ..., where there are more than a hundred):
--   INSERT INTO {core} ({columns})
--   SELECT {columns}
--   FROM {view};
--   INSERT INTO {traces} SELECT trace_id, min(start_ns), max(end_ns) FROM {view} GROUP BY trace_id;
--   OPTIMIZE TABLE {core} FINAL;
"""


def script(*, collected: str = TRACES_TABLE, keep_days: int | None = None) -> str:
    """All statements, with comments, in the order in which they must be applied.

    Args:
        collected: The collector's table.
        keep_days: After how many days the rows of the tables go; never unless given. The collector
            has a setting of its own for its tables (``ttl``).
    """
    statements = ";\n\n".join(
        (
            view(collected),
            core(keep_days),
            *_added(),
            _filled(CORE, _select(collected, STORED_COLUMNS)),
            _filled_anew(CORE, _select(collected, STORED_COLUMNS)),
            traces_core(keep_days),
            _filled(TRACES_CORE, _lifetimes(collected)),
        )
    )
    before = _BEFORE.format(
        core=CORE, traces=TRACES_CORE, view=VIEW, columns=", ".join(STORED_COLUMNS)
    )
    return f"{_TELLS.format(collected=collected)}\n{statements};\n\n{before}"


def view(collected: str = TRACES_TABLE) -> str:
    """The view alone."""
    return f"CREATE OR REPLACE VIEW {VIEW} AS\n{_select(collected, COLUMNS)}"


def core(keep_days: int | None = None) -> str:
    """The narrow table; a span that was written twice is one row after a merge."""
    columns = ",\n    ".join(
        [f"{name} {_type(name)}" for name in STORED_COLUMNS]
        + [f"{name} ALIAS {expression}" for name, expression in _COMPUTED.items()]
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {CORE} (\n    {columns},\n"
        "    INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,\n"
        "    INDEX by_run run_id TYPE bloom_filter(0.01) GRANULARITY 1,\n"
        "    INDEX by_kind kind TYPE set(16) GRANULARITY 1\n"
        ") ENGINE = ReplacingMergeTree\n"
        f"PARTITION BY toDate({TIME})\n"
        f"ORDER BY (toStartOfHour({TIME}), trace_id, span_id)"
        + _kept(f"toDateTime({TIME})", keep_days)
        + "\nSETTINGS ttl_only_drop_parts = 1"
    )


def traces_core(keep_days: int | None = None) -> str:
    """The table of traces; the rows of one trace become one by and by."""
    return (
        f"CREATE TABLE IF NOT EXISTS {TRACES_CORE} (\n"
        "    trace_id String CODEC(ZSTD(1)),\n"
        "    first_ns SimpleAggregateFunction(min, Int64),\n"
        "    last_ns SimpleAggregateFunction(max, Int64)\n"
        ") ENGINE = AggregatingMergeTree\nORDER BY trace_id"
        + _kept("fromUnixTimestamp(intDiv(last_ns, 1000000000))", keep_days)
    )


def _added() -> Iterable[str]:
    """The columns that a table of an older flowspan lacks."""
    return (
        f"ALTER TABLE {CORE} ADD COLUMN IF NOT EXISTS {column.name} {_type(column.name)}"
        for column in SPAN_COLUMNS
        if column.since > 1 and column.name in STORED_COLUMNS
    )


def _filled(target: str, statement: str) -> str:
    # Not made anew: what came in meanwhile would be missing in the table.
    return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {target}_mv TO {target} AS\n{statement}"


def _filled_anew(target: str, statement: str) -> str:
    # By what fills it now, where an older flowspan had made it.
    return f"ALTER TABLE {target}_mv MODIFY QUERY\n{statement}"


def _select(collected: str, columns: Iterable[str]) -> str:
    return select_spans(quoted(collected), columns, separator="\n    ")


def _lifetimes(collected: str) -> str:
    return (
        "SELECT TraceId AS trace_id,\n"
        "    min(toUnixTimestamp64Nano(Timestamp)) AS first_ns,\n"
        "    max(toUnixTimestamp64Nano(Timestamp) + greatest(toInt64(Duration), 0)) AS last_ns\n"
        f"FROM {quoted(collected)}\nGROUP BY TraceId"
    )


def _kept(moment: str, days: int | None) -> str:
    return "" if days is None else f"\nTTL {moment} + toIntervalDay({days})"


def _type(name: str) -> str:
    return _TYPE_OF.get(name) or _TYPE[_SQLITE_TYPE.get(name, "TEXT")]
