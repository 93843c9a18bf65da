"""The collector's columns as those of the view ``spans``: one SQL expression for each column.

The collector's table has one row for each span that has ended, with attributes as text in a map.
What a program cannot have meant by an empty text counts as absent, since a map answers with one
where it has nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flowspan import semconv
from flowspan.store.schema import (
    HIDDEN,
    KIND_OF_OPERATION,
    LONG_TEXT,
    OF_THE_SPAN,
    PREVIEW,
    SPAN_COLUMNS,
    Column,
)
from flowspan.store.serialization import CUT

LONG_COLUMNS: Final = ("attrs", "events", "links")
"""What only the question for the spans of one trace reads."""

TIME: Final = "time"
"""The begin as the collector has it: conditions on it spare reading the other days."""

_LONGEST_MESSAGE: Final = 4_096


def _attribute(name: str, of: str = "SpanAttributes") -> str:
    return f"{of}['{name}']"


def _text(value: str) -> str:
    return f"nullIf({value}, '')"


def _integer(value: str) -> str:
    return f"toInt64OrNull({value})"


def _real(value: str) -> str:
    number = f"toFloat64OrNull({value})"
    return f"if(isFinite({number}), {number}, NULL)"


def _flag(value: str) -> str:
    return f"if({value} = '', NULL, toInt64({value} = 'true'))"


_READ: Final = {"TEXT": _text, "INTEGER": _integer, "REAL": _real}


def _listed(texts: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"


def _kind() -> str:
    operation = _attribute(semconv.OPERATION_NAME)
    known, kinds = _listed(KIND_OF_OPERATION), _listed(KIND_OF_OPERATION.values())
    by_operation = _text(f"transform({operation}, {known}, {kinds}, '')")
    return f"coalesce({_text(_attribute(semconv.KIND))}, {by_operation})"


def _without(prefix: str, column: str) -> str:
    """Earlier collectors wrote ``SPAN_KIND_CLIENT`` and ``STATUS_CODE_OK``."""
    return f"replaceOne(lower({column}), '{prefix}', '')"


def _previews(attributes: str) -> str:
    cut = f"concat(substringUTF8(v, 1, {PREVIEW}), '{CUT}')"
    shortened = f"if(lengthUTF8(v) > {LONG_TEXT}, {cut}, v)"
    return f"mapApply((k, v) -> (k, {shortened}), {attributes})"


def _objects(names: str, values: str, form: str, *columns: str) -> str:
    made = f"CAST(({values}), 'Tuple({form})')"
    return f"toJSONString(arrayMap(({names}) -> {made}, {', '.join(columns)}))"


_OWN: Final[dict[str, str]] = {
    "trace_id": "TraceId",
    "span_id": "SpanId",
    "parent_id": _text("ParentSpanId"),
    # The collector drops the flag that says so; what serves a request was called from elsewhere.
    "parent_is_remote": "if(ParentSpanId = '', NULL, toUInt8(span_kind IN ('server', 'consumer')))",
    "name": "SpanName",
    "kind": _kind(),
    "span_kind": _without("span_kind_", "SpanKind"),
    "state": "'done'",
    "start_ns": "toUnixTimestamp64Nano(Timestamp)",
    "end_ns": "start_ns + toInt64(Duration)",
    "status": _without("status_code_", "StatusCode"),
    "status_message": _text(f"substringUTF8(StatusMessage, 1, {_LONGEST_MESSAGE})"),
    "trace_state": _text("TraceState"),
    "estimated": _flag(_attribute(semconv.USAGE_ESTIMATED)),
    "resumed": _flag(_attribute(semconv.RESUMED)),
    "resumes": _text(f"if({_attribute(semconv.RESUMED)} = 'true', Links.TraceId[1], '')"),
    "attrs": f"toJSONString({_previews('SpanAttributes')})",
    "events": _objects(
        "n, t, a",
        f"n, toUnixTimestamp64Nano(t), {_previews('a')}",
        "name String, time_ns Int64, attrs Map(String, String)",
        "Events.Name",
        "Events.Timestamp",
        "Events.Attributes",
    ),
    "links": _objects(
        "t, s, a",
        f"t, s, {_previews('a')}",
        "trace_id String, span_id String, attrs Map(String, String)",
        "Links.TraceId",
        "Links.SpanId",
        "Links.Attributes",
    ),
}
"""Columns that are not simply an attribute."""

_STEP: Final = _text(_attribute(semconv.STEP_NAME))

_DERIVED: Final[dict[str, str]] = {
    "node": f"if(kind = 'node', {_STEP}, NULL)",
    "step": f"if(kind = 'node', NULL, {_STEP})",
    "model": "coalesce(response_model, request_model)",
    "duration_ns": "toInt64(Duration)",
    "day": "toString(toDate(Timestamp, 'UTC'))",
    "process_id": "CAST(NULL, 'Nullable(Int64)')",
    "service": _text("ServiceName"),
    "invocation": _text(_attribute(semconv.INVOCATION, "ResourceAttributes")),
    "scope": _text("ScopeName"),
    TIME: "Timestamp",
}
"""What the view has beside the columns of ``span``."""


def _expression(column: Column) -> str:
    own = _OWN.get(column.name)
    if own is None:
        own = _READ[column.type](_attribute(str(column.attribute)))
    return own


_EXPRESSIONS: Final[dict[str, str]] = {
    **{column.name: _expression(column) for column in SPAN_COLUMNS if column.name not in HIDDEN},
    **_DERIVED,
}

COLUMNS: Final = tuple(_EXPRESSIONS)
"""All columns of the view."""

NARROW_COLUMNS: Final = tuple(name for name in COLUMNS if name not in LONG_COLUMNS)
"""The same without the long ones."""


def quoted(*names: str) -> str:
    """A name, or names that lead to one another, as SQL has them."""
    return ".".join(f"`{name.replace('`', '``')}`" for name in names)


def select_spans(table: str, columns: Iterable[str] = COLUMNS, *, separator: str = " ") -> str:
    """The statement that reads the collector's table as ``spans``.

    Args:
        table: The collector's table, quoted.
        columns: Which columns.
        separator: What stands between them.
    """
    listed = f",{separator}".join(f"{_EXPRESSIONS[name]} AS {name}" for name in columns)
    return f"SELECT{separator}{listed}\nFROM {table}"


def select_texts(table: str) -> str:
    """The statement that reads long texts, as the embedded store's table ``content`` has them."""
    return (
        f"SELECT TraceId AS trace_id, SpanId AS span_id, Timestamp AS {TIME}, "  # noqa: S608 - names of our own
        f"toInt64({OF_THE_SPAN}) AS event, key, 0 AS is_json, text FROM {table} "
        "ARRAY JOIN mapKeys(SpanAttributes) AS key, mapValues(SpanAttributes) AS text "
        f"WHERE lengthUTF8(text) > {LONG_TEXT} "
        f"UNION ALL SELECT TraceId, SpanId, Timestamp, toInt64(place) - 1, key, 0, text FROM "
        "(SELECT TraceId, SpanId, Timestamp, place, attributes "
        f"FROM {table} ARRAY JOIN arrayEnumerate(Events.Name) AS place, "
        "Events.Attributes AS attributes) "
        "ARRAY JOIN mapKeys(attributes) AS key, mapValues(attributes) AS text "
        f"WHERE lengthUTF8(text) > {LONG_TEXT}"
    )
