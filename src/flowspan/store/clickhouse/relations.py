"""What the questions are asked of in ClickHouse: the relations ``spans``, ``traces``, ``content``.

Each is put before a question under its name (``WITH spans AS (…) SELECT … FROM spans``), made of
the best that the database has::

    spans     for lists       table spans_core, else view spans, else the collector's table
              for one trace                     view spans, else the collector's table
    traces                    table traces_core, else spans
    content                   the collector's table

So nothing need be made in the database, and no right is needed but to read.  A question about
certain traces says when they were, which spares reading other days, and sees each span once, though
a collector may have written it twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from flowspan.store.clickhouse.address import TRACES_TABLE
from flowspan.store.clickhouse.selecting import (
    COLUMNS,
    NARROW_COLUMNS,
    TIME,
    quoted,
    select_spans,
    select_texts,
)
from flowspan.store.dialects import ALL, CONTENT, TRACES, Bounds, Types, spans

VIEW: Final = "spans"
CORE: Final = "spans_core"
TRACES_CORE: Final = "traces_core"
LOOKUP: Final = "{}_trace_id_ts"
"""The collector's own table of traces: when each was, to the second."""

_NEEDED: Final[Mapping[str, Collection[str]]] = {
    VIEW: COLUMNS,
    CORE: NARROW_COLUMNS,
    TRACES_CORE: tuple(TRACES),
}
_SECOND: Final = 1_000_000_000
_ONCE: Final = sa.text("LIMIT 1 BY trace_id, span_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """What one database has.

    Attributes:
        database: Its name.
        columns: Of each table and view in it that is of interest, by name.
        collected: Name of the collector's table.
    """

    database: str
    columns: Mapping[str, Collection[str]]
    collected: str = TRACES_TABLE

    def has(self, name: str) -> bool:
        """Whether there is a table or view of this name that can be used.

        One that an older flowspan made may lack a column; then it is as if it were not there.
        """
        return name in self.columns and set(_NEEDED.get(name, ())) <= set(self.columns[name])

    @property
    def readable(self) -> bool:
        """Whether there is anything to read."""
        return self.has(VIEW) or self.has(self.collected)

    @property
    def keeps_texts(self) -> bool:
        """Whether long texts can be had in full."""
        return self.has(self.collected)

    def bounded(self, statement: sa.Select[Any], bounds: Bounds) -> sa.Select[Any]:
        """A question with the relations that it asks before it."""
        asked = {one.name for one in visitors.iterate(statement) if isinstance(one, sa.TableClause)}
        made = [
            make(bounds)
            for name, make in (
                ("spans", self._spans),
                ("traces", self._traces),
                ("content", self._content),
            )
            if name in asked
        ]
        return statement.add_cte(*made)

    def lifetime(self, trace_id: str) -> sa.Select[Any] | None:
        """When a trace was, to the second; ``None`` where the collector has no such table."""
        name = LOOKUP.format(self.collected)
        if not self.has(name):
            return None
        lookup = sa.text(
            f"SELECT toInt64(toUnixTimestamp(min(Start))) * {_SECOND} AS first_ns, "  # noqa: S608 - names of our own
            f"(toInt64(toUnixTimestamp(max(End))) + 1) * {_SECOND} AS last_ns "
            f"FROM {self._quoted(name)} WHERE TraceId = :trace_id GROUP BY TraceId"
        ).bindparams(trace_id=trace_id)
        found = lookup.columns(first_ns=sa.BigInteger, last_ns=sa.BigInteger).subquery()
        return sa.select(found)

    def _spans(self, bounds: Bounds) -> sa.CTE:
        names = COLUMNS if bounds.whole else NARROW_COLUMNS
        return _within(self._read(names, whole=bounds.whole), names, bounds, _ONCE).cte("spans")

    def _content(self, bounds: Bounds) -> sa.CTE:
        source = select_texts(self._quoted(self.collected))
        once = sa.text("LIMIT 1 BY trace_id, span_id, event, key")
        return _within(source, (*CONTENT, TIME), bounds, once).cte("content")

    def _traces(self, _: Bounds) -> sa.CTE:
        if self.has(TRACES_CORE):
            source = (
                "SELECT trace_id, min(t.first_ns) AS first_ns, max(t.last_ns) AS last_ns "  # noqa: S608 - same
                f"FROM {self._quoted(TRACES_CORE)} AS t GROUP BY trace_id"
            )
        else:
            narrow = self._read(("trace_id", "start_ns", "end_ns"), whole=False)
            source = (
                "SELECT trace_id, min(start_ns) AS first_ns, "  # noqa: S608 - same
                f"max(greatest(start_ns, end_ns)) AS last_ns FROM ({narrow}) GROUP BY trace_id"
            )
        return _text(source).columns(**TRACES).cte("traces")

    def _read(self, names: Collection[str], *, whole: bool) -> str:
        for made in (VIEW,) if whole else (CORE, VIEW):
            if self.has(made):
                return f"SELECT {', '.join(names)} FROM {self._quoted(made)}"  # noqa: S608 - same
        return select_spans(self._quoted(self.collected), names)

    def _quoted(self, name: str) -> str:
        return quoted(self.database, name)


def _text(source: str) -> sa.TextClause:
    return sa.text(source.replace(":", r"\:"))


def _within(
    source: str, names: Collection[str], bounds: Bounds, once: sa.TextClause
) -> sa.Select[Any]:
    types: Types = {**{column.name: column.type for column in spans.c}, **CONTENT, TIME: sa.Text}
    read = _text(source).columns(**{name: types[name] for name in names}).subquery("read")
    statement = sa.select(*read.c)
    if bounds == ALL:
        return statement
    if bounds.trace_ids:
        statement = statement.where(read.c.trace_id.in_(bounds.trace_ids))
    if bounds.period is not None:
        first, last = map(_moment, bounds.period)
        statement = statement.where(read.c[TIME].between(first, last))
    return statement.suffix_with(once)


def _moment(nanoseconds: int) -> sa.ColumnElement[Any]:
    return sa.func.fromUnixTimestamp64Nano(sa.func.toInt64(nanoseconds))
