"""Recorded spans as tests like to look at them: by name, as a tree, as one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flowspan import semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class RecordedSpans(Sequence["ReadableSpan"]):
    """Ended spans in the order of their start."""

    def __init__(self, spans: Sequence[ReadableSpan]) -> None:
        self._spans = sorted(spans, key=lambda span: (span.start_time or 0, _span_id(span)))

    def __getitem__(self, index: Any) -> Any:
        return self._spans[index]

    def __len__(self) -> int:
        return len(self._spans)

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name."""
        return [span for span in self._spans if span.name == name]

    def of_kind(self, kind: str) -> list[ReadableSpan]:
        """The spans with that ``flowspan.kind``."""
        return [span for span in self._spans if (span.attributes or {}).get(semconv.KIND) == kind]

    def one(self, name: str | None = None) -> ReadableSpan:
        """The only span (of that name).

        Raises:
            AssertionError: There is none, or more than one.
        """
        found = self._spans if name is None else self.named(name)
        if len(found) != 1:
            raise AssertionError(f"expected one span, found {[span.name for span in found]}")
        return found[0]

    def roots(self) -> list[ReadableSpan]:
        """Spans whose parent is not here: one for each trace unless something is broken."""
        here = {_span_id(span) for span in self._spans}
        return [
            span for span in self._spans if span.parent is None or span.parent.span_id not in here
        ]

    def trace_ids(self) -> set[int]:
        """The ids of all traces."""
        return {span.context.trace_id for span in self._spans if span.context is not None}

    def total(self, attribute: str) -> float:
        """The sum of an attribute over model-call spans."""
        return sum((span.attributes or {}).get(attribute, 0) for span in self.of_kind("llm"))  # type: ignore[misc]

    def tree(self, *attributes: str, events: bool = False) -> str:
        """The spans as an indented text, one line each.

        Args:
            attributes: Names of attributes to show behind each span's name.
            events: Show the names of events, each on a line of its own.
        """
        lines: list[str] = []
        for depth, span in self._walk():
            known = span.attributes or {}
            shown = "".join(f" {key}={known[key]!r}" for key in attributes if key in known)
            failed = "" if span.status.is_unset or span.status.is_ok else " !"
            lines.append(f"{'  ' * depth}{span.name}{failed}{shown}")
            if events:
                lines.extend(f"{'  ' * depth}  · {event.name}" for event in span.events)
        return "\n".join(lines)

    def _walk(self) -> Iterator[tuple[int, ReadableSpan]]:
        children: dict[int, list[ReadableSpan]] = {}
        for span in self._spans:
            if span.parent is not None:
                children.setdefault(span.parent.span_id, []).append(span)
        waiting = [(0, span) for span in reversed(self.roots())]
        while waiting:
            depth, span = waiting.pop()
            yield depth, span
            below = children.get(_span_id(span), [])
            waiting.extend((depth + 1, child) for child in reversed(below))


def _span_id(span: ReadableSpan) -> int:
    return span.context.span_id if span.context is not None else 0
