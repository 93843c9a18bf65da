"""Two ways to write spans by hand: as one usually does, and as carefully as the SDK allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context


class Pen(Protocol):
    """How the spans of the hand-written side are made."""

    def span(
        self, name: str, attributes: Mapping[str, Any], kind: SpanKind = SpanKind.INTERNAL
    ) -> Any:
        """A context manager in which a new span is current."""

    def describe(self, span: Span, attributes: Mapping[str, Any]) -> None:
        """Set attributes that were not known at the start."""


class UsualPen:
    """``start_as_current_span`` and one ``set_attribute`` for each attribute."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(
        self, name: str, attributes: Mapping[str, Any], kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[Span]:
        """A context manager in which a new span is current."""
        with self._tracer.start_as_current_span(name, kind=kind) as span:
            for key, value in attributes.items():
                span.set_attribute(key, value)
            yield span

    def describe(self, span: Span, attributes: Mapping[str, Any]) -> None:
        """Set attributes that were not known at the start."""
        for key, value in attributes.items():
            span.set_attribute(key, value)


class CarefulPen:
    """Attributes at the start, the rest in one call, attach and detach without a decorator."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def span(
        self, name: str, attributes: Mapping[str, Any], kind: SpanKind = SpanKind.INTERNAL
    ) -> CarefulSpan:
        """A context manager in which a new span is current."""
        return CarefulSpan(self._tracer.start_span(name, kind=kind, attributes=attributes))

    def describe(self, span: Span, attributes: Mapping[str, Any]) -> None:
        """Set attributes that were not known at the start."""
        span.set_attributes(attributes)


class CarefulSpan:
    """Makes a span current while its block runs."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = attach(set_span_in_context(self._span))
        return self._span

    def __exit__(self, *exception: object) -> None:
        detach(self._token)
        self._span.end()
