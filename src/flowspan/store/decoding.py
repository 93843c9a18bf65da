"""A row of the view ``spans`` back to a :class:`~flowspan.store.records.SpanRow`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flowspan.store.records import EventRecord, LinkRecord, SpanRow
from flowspan.store.schema import OF_THE_SPAN

Contents = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Long texts by span id, index of the event (-1: the span itself) and attribute."""

Restore = Callable[[dict[str, Any]], dict[str, Any]]
"""Attributes as an engine keeps them to attributes as they were recorded."""


def as_stored(attributes: dict[str, Any]) -> dict[str, Any]:
    """For an engine that keeps types."""
    return attributes


PLAIN_FIELDS: Final = (
    "trace_id",
    "span_id",
    "parent_id",
    "name",
    "kind",
    "span_kind",
    "operation",
    "start_ns",
    "end_ns",
    "status",
    "error_type",
    "run_id",
    "workflow",
    "engine",
    "step",
    "node",
    "node_id",
    "attempt",
    "agent",
    "tool",
    "provider",
    "request_model",
    "response_model",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
    "cost_status",
    "price_source",
    "prompt_name",
    "prompt_version",
    "conversation_id",
    "session_id",
    "service",
    "scope",
)
"""Columns that are fields as they are."""

OTHER_COLUMNS: Final = (
    "parent_is_remote",
    "state",
    "status_message",
    "process_id",
    "estimated",
    "attrs",
    "events",
    "links",
)
"""Columns that are made into something else."""


def span_row(
    row: Mapping[str, Any],
    *,
    siblings: frozenset[str],
    alive: frozenset[int],
    contents: Mapping[int, Mapping[str, Any]] | None,
    restore: Restore = as_stored,
) -> SpanRow:
    """One row, decoded.

    Args:
        row: Columns of the view.
        siblings: Span ids that the trace has.
        alive: Processes that live.
        contents: Its long texts, by index of the event; ``None`` to leave the previews.
        restore: What the engine's attributes need.
    """
    texts = contents or {}
    parent_id = row["parent_id"]
    is_open = row["state"] == "open"
    lives = is_open and row["process_id"] in alive
    return SpanRow(
        **{name: row[name] for name in PLAIN_FIELDS},
        parent_is_remote=bool(row["parent_is_remote"]),
        orphan=parent_id is not None and parent_id not in siblings,
        state=("open" if lives else "interrupted") if is_open else "done",
        status_message=row["status_message"] or "",
        estimated=bool(row["estimated"]),
        attrs=restore({**_object(row["attrs"]), **texts.get(OF_THE_SPAN, {})}),
        events=tuple(
            EventRecord(
                name=str(event.get("name", "")),
                time_ns=int(event.get("time_ns", 0)),
                attrs=restore({**event.get("attrs", {}), **texts.get(index, {})}),
            )
            for index, event in enumerate(_objects(row["events"]))
        ),
        links=tuple(
            LinkRecord(
                trace_id=str(link.get("trace_id", "")),
                span_id=str(link.get("span_id", "")),
                attrs=restore(link.get("attrs", {})),
            )
            for link in _objects(row["links"])
        ),
    )


def contents_by_span(rows: Iterable[Mapping[str, Any]]) -> Contents:
    """Rows of ``content`` as :func:`span_row` wants them."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        texts = found.setdefault(row["span_id"], {}).setdefault(row["event"], {})
        texts[row["key"]] = _value(row["text"]) if row["is_json"] else row["text"]
    return found


def _value(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:  # damaged by another program: what is left is better than nothing
        return text


def _object(text: str | None) -> dict[str, Any]:
    value = _value(text)
    return value if isinstance(value, dict) else {}


def _objects(text: str | None) -> list[dict[str, Any]]:
    value = _value(text)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
