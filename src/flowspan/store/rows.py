"""One span to the values of its row, outside of any transaction.

Column by column as ``schema.SPAN_COLUMNS`` has them.  A value that a column cannot hold (text where
a number belongs, an integer beyond 64 bits) leaves the column empty; it is still in ``attrs``.
Texts above 1 KiB are moved to ``content``, a preview stays.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from flowspan import semconv
from flowspan.store.schema import (
    KIND_OF_OPERATION,
    LONG_TEXT,
    OF_THE_SPAN,
    PREVIEW,
    SPAN_COLUMNS,
)
from flowspan.store.serialization import (
    CUT,
    plain_dict,
    text_of,
    to_json,
    without_surrogates,
)

Values = tuple[Any, ...]

LONGEST_TEXT: Final = 1 << 20
"""Characters of one value that are kept; the rest is cut, and the text says so."""

MOST_TEXT: Final = 8 << 20
"""Characters of all long values of a span together; what comes after is cut to its preview."""

_LONGEST_MESSAGE: Final = 4_096
_LARGEST_INTEGER: Final = (1 << 63) - 1
_MOST_REMEMBERED: Final = 64
_ROW_SIZE: Final = 600
_STATE: Final = [column.name for column in SPAN_COLUMNS].index("state")

_STATUS: Final = {StatusCode.UNSET: "unset", StatusCode.OK: "ok", StatusCode.ERROR: "error"}
_SPAN_KIND: Final = {kind: kind.name.lower() for kind in SpanKind}


class SpanEntry(NamedTuple):
    """What is written for one span.

    Attributes:
        is_open: True for the row of a span that has only begun.
        span: Values of its row.
        trace: Its trace, and when it was first and last heard of.
        resource: Values of the row of its resource.
        scope: Values of the row of its scope.
        contents: Values of the rows of its long texts.
        size: About how many characters all this is.
    """

    is_open: bool
    span: Values
    trace: tuple[str, int, int]
    resource: Values
    scope: Values
    contents: list[Values]
    size: int


def _text(value: Any) -> str:
    text = text_of(value)
    return text if len(text) <= LONG_TEXT else text[: LONG_TEXT - 1] + CUT


def _integer(value: Any) -> int | None:
    if isinstance(value, int) and -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_INTEGER:
        return int(value)
    return None


def _real(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_COERCE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "TEXT": _text,
    "INTEGER": _integer,
    "REAL": _real,
}
_FROM_ATTRIBUTES: Final = tuple(
    (column.attribute, _COERCE[column.type]) for column in SPAN_COLUMNS if column.attribute
)


class RowBuilder:
    """Builds rows; remembers what resources and scopes look like, as they rarely change."""

    def __init__(self) -> None:
        self._resources: dict[int, tuple[Resource | None, Values]] = {}
        self._scopes: dict[int, tuple[InstrumentationScope | None, Values]] = {}

    def ended(self, span: ReadableSpan) -> SpanEntry:
        """The row of a span that has ended."""
        texts = _Texts()
        row = self._row(span, "done", span.end_time or span.start_time or 0, None, texts)
        return self._entry(span, row, texts)

    def begun(self, span: ReadableSpan, process_id: int) -> SpanEntry:
        """The row of a span that has begun; its long texts are cut until it ends.

        Args:
            span: It may be changed by another thread meanwhile.
            process_id: Row of the process that it belongs to (see ``liveness``).
        """
        texts = _Texts(room=0)
        row = self._row(span, "open", None, process_id, texts)
        return self._entry(span, row, texts)

    def _row(
        self,
        span: ReadableSpan,
        state: str,
        end_ns: int | None,
        process_id: int | None,
        texts: _Texts,
    ) -> Values:
        context, parent, status = span.context, span.parent, span.status
        attributes = plain_dict(span.attributes)
        get = attributes.get
        return (
            format_trace_id(context.trace_id),
            format_span_id(context.span_id),
            None if parent is None else format_span_id(parent.span_id),
            None if parent is None else int(parent.is_remote),
            _text(span.name),
            _kind(attributes),
            _SPAN_KIND.get(span.kind, "internal"),
            state,
            span.start_time or 0,
            end_ns,
            _STATUS.get(status.status_code, "unset"),
            _message(status.description),
            process_id,
            self._resource(span.resource)[0],
            self._scope(span.instrumentation_scope)[0],
            context.trace_state.to_header() or None if context.trace_state else None,
            *[
                None if (value := get(attribute)) is None else coerce(value)
                for attribute, coerce in _FROM_ATTRIBUTES
            ],
            _resumes(attributes, span),
            texts.shortened(attributes) if attributes else "{}",
            _events(span, texts),
            _links(span),
        )

    def _entry(self, span: ReadableSpan, row: Values, texts: _Texts) -> SpanEntry:
        trace_id, span_id = row[0], row[1]
        start_ns = span.start_time or 0
        return SpanEntry(
            is_open=row[_STATE] == "open",
            span=row,
            trace=(trace_id, start_ns, max(start_ns, span.end_time or 0)),
            resource=self._resource(span.resource),
            scope=self._scope(span.instrumentation_scope),
            contents=[(trace_id, span_id, *text) for text in texts.kept],
            size=_ROW_SIZE + len(row[-3]) + len(row[-2]) + len(row[-1]) + texts.size,
        )

    def _resource(self, resource: Resource | None) -> Values:
        known = self._resources.get(id(resource))
        if known is None:
            known = resource, _resource_row(resource)
            _remember(self._resources, id(resource), known)
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> Values:
        known = self._scopes.get(id(scope))
        if known is None:
            known = scope, _scope_row(scope)
            _remember(self._scopes, id(scope), known)
        return known[1]


class _Texts:
    """Takes long texts out of attributes and keeps them aside."""

    def __init__(self, room: int = MOST_TEXT) -> None:
        self.room = room
        self.size = 0
        self.kept: list[tuple[int, str, bool, str]] = []

    def shortened(self, attributes: dict[str, Any]) -> str:
        """JSON of the span's attributes, long ones cut to previews."""
        encoded = to_json(attributes)
        if len(encoded) <= LONG_TEXT:
            return encoded
        previewed = self.previewed(attributes, OF_THE_SPAN)
        return encoded if previewed is attributes else to_json(previewed)

    def previewed(self, attributes: dict[str, Any], event: int) -> dict[str, Any]:
        """The attributes, long ones cut to previews."""
        previews = {
            key: preview
            for key, value in attributes.items()
            if (preview := self._preview(key, value, event)) is not None
        }
        return {**attributes, **previews} if previews else attributes

    def _preview(self, key: str, value: Any, event: int) -> str | None:
        """What stays of a long value; ``None`` for one that is short."""
        is_json = not isinstance(value, str)
        if is_json and isinstance(value, bool | int | float | None):
            return None
        text = to_json(value) if is_json else without_surrogates(value)
        if len(text) <= LONG_TEXT:
            return None
        if len(text) > LONGEST_TEXT:
            cut = len(text) - LONGEST_TEXT
            text, is_json = f"{text[:LONGEST_TEXT]}{CUT} [{cut} characters cut]", False
        if len(text) <= self.room:
            self.room -= len(text)
            self.size += len(text)
            self.kept.append((event, _text(key), is_json, text))
        return text[:PREVIEW] + CUT


def _kind(attributes: Mapping[str, Any]) -> str | None:
    kind = attributes.get(semconv.KIND)
    if kind is not None:
        return _text(kind)
    operation = attributes.get(semconv.OPERATION_NAME)
    return KIND_OF_OPERATION.get(operation) if isinstance(operation, str) else None


def _resumes(attributes: Mapping[str, Any], span: ReadableSpan) -> str | None:
    """The trace of the run that this one goes on with, to which it is linked."""
    if not attributes.get(semconv.RESUMED) or not span.links:
        return None
    return format_trace_id(span.links[0].context.trace_id)


def _message(description: str | None) -> str | None:
    return None if not description else without_surrogates(description[:_LONGEST_MESSAGE])


def _events(span: ReadableSpan, texts: _Texts) -> str:
    events = span.events
    if not events:
        return "[]"
    forms: list[dict[str, Any]] = [
        {
            "name": _text(event.name),
            "time_ns": _integer(event.timestamp) or 0,
            "attrs": plain_dict(event.attributes),
        }
        for event in events
    ]
    encoded = to_json(forms)
    if len(encoded) <= LONG_TEXT:
        return encoded
    for index, form in enumerate(forms):
        form["attrs"] = texts.previewed(form["attrs"], index)
    return to_json(forms)


def _links(span: ReadableSpan) -> str:
    links = span.links
    if not links:
        return "[]"
    cut = _Texts(room=0)
    return "[{}]".format(
        ",".join(
            f'{{"trace_id":"{format_trace_id(link.context.trace_id)}",'
            f'"span_id":"{format_span_id(link.context.span_id)}",'
            f'"attrs":{cut.shortened(plain_dict(link.attributes))}}}'
            for link in links
        )
    )


def _resource_row(resource: Resource | None) -> Values:
    attributes = plain_dict(resource.attributes) if resource is not None else {}
    named = {key: attributes.get(key) for key in (semconv.SERVICE_NAME, semconv.INVOCATION)}
    columns = tuple(None if value is None else _text(value) for value in named.values())
    attrs = to_json(attributes)
    return (_number(attrs), *columns, attrs)


def _scope_row(scope: InstrumentationScope | None) -> Values:
    if scope is None:
        return (0, None, None, None, "{}")
    attrs = to_json(plain_dict(scope.attributes))
    columns = tuple(
        None if value is None else _text(value)
        for value in (scope.name, scope.version, scope.schema_url)
    )
    return (_number(to_json([*columns, attrs])), *columns, attrs)


def _number(text: str) -> int:
    """A row's number from what it says, so that all processes give it the same one."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _remember(known: dict[int, Any], key: int, value: Any) -> None:
    # A resource or scope is held on to, so that its id stays its own; seldom more than a few.
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[key] = value
