"""A run as tests ask about it, wherever its spans were kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from flowspan import semconv


class SeenEvent(NamedTuple):
    """An event on a span."""

    name: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SeenSpan:
    """A span, in the one form that all places where spans are kept can be brought to.

    Attributes:
        name: Its name.
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: The parent's.
        start_ns: Begin, in nanoseconds since the epoch.
        failed: Whether its status is an error.
        attributes: All of them; lists are tuples.
        events: In the order in which they happened.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    failed: bool
    attributes: Mapping[str, Any]
    events: tuple[SeenEvent, ...] = ()

    @property
    def kind(self) -> Any:
        """``flowspan.kind``."""
        return self.attributes.get(semconv.KIND)


class Decision(NamedTuple):
    """A route that was taken."""

    origin: str | None
    to: str | None
    action: str | None


class Prompt(NamedTuple):
    """A prompt that was selected, and where."""

    name: str
    version: str | None
    place: str


@dataclass(frozen=True)
class SeenRun:
    """The spans of one run.

    Attributes:
        spans: In the order of their begin.
    """

    spans: tuple[SeenSpan, ...]
    below: Mapping[str | None, Sequence[SeenSpan]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sort the spans under their parents."""
        here = {span.span_id for span in self.spans}
        below: dict[str | None, list[SeenSpan]] = {}
        for span in self.spans:
            below.setdefault(span.parent_id if span.parent_id in here else None, []).append(span)
        object.__setattr__(self, "below", below)

    @property
    def root(self) -> SeenSpan:
        """The span of the run."""
        return next((span for span in self.spans if span.kind == "run"), self.spans[0])

    @property
    def run_id(self) -> Any:
        """``flowspan.run.id``."""
        return self.root.attributes.get(semconv.RUN_ID)

    @property
    def workflow(self) -> Any:
        """``gen_ai.workflow.name``."""
        return self.root.attributes.get(semconv.WORKFLOW_NAME)

    def of_kind(self, kind: str) -> list[SeenSpan]:
        """The spans with that ``flowspan.kind``."""
        return [span for span in self.spans if span.kind == kind]

    @property
    def route(self) -> list[str]:
        """The names of its nodes, in the order of their begin."""
        return [str(span.attributes.get(semconv.STEP_NAME)) for span in self.of_kind("node")]

    @property
    def decisions(self) -> list[Decision]:
        """The routes that were taken, in order."""
        return [
            Decision(
                _text(attributes.get(semconv.ROUTE_FROM)),
                _text(attributes.get(semconv.ROUTE_TO)),
                _text(attributes.get(semconv.ROUTE_ACTION)),
            )
            for _, attributes in self._events(semconv.EVENT_ROUTE_TAKEN)
        ]

    @property
    def prompts(self) -> list[Prompt]:
        """The prompts of its model calls, and those that were selected."""
        told = [
            (span.name, span.attributes)
            for span in self.spans
            if semconv.PROMPT_NAME in span.attributes
        ]
        told += self._events(semconv.EVENT_PROMPT_SELECTED)
        return [
            Prompt(
                str(attributes[semconv.PROMPT_NAME]),
                _text(attributes.get(semconv.PROMPT_VERSION)),
                place,
            )
            for place, attributes in told
            if semconv.PROMPT_NAME in attributes
        ]

    @property
    def loops(self) -> list[str]:
        """The nodes that were suspected of going round in circles."""
        events = self._events(semconv.EVENT_LOOP_SUSPECTED)
        return [str(attributes.get(semconv.STEP_NAME)) for _, attributes in events]

    @property
    def failures(self) -> list[SeenSpan]:
        """The spans that failed and have no failed span inside: where errors began."""
        return [
            span
            for span in self.spans
            if span.failed and not any(each.failed for each in self.below.get(span.span_id, ()))
        ]

    def _events(self, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The events of a name: the span's name, and their attributes."""
        for span in self.spans:
            for event in span.events:
                if event.name == name:
                    yield span.name, event.attributes

    # --- what it used --------------------------------------------------------------------------

    @cached_property
    def calls(self) -> list[SeenSpan]:
        """Its model calls; without those whose tokens another span has."""
        return [
            span for span in self.of_kind("llm") if not span.attributes.get(semconv.USAGE_ELSEWHERE)
        ]

    @property
    def llm_calls(self) -> int:
        """How many model calls."""
        return len(self.calls)

    @property
    def nodes(self) -> int:
        """How many nodes."""
        return len(self.of_kind("node"))

    @property
    def input_tokens(self) -> int:
        """All input tokens, cached ones included."""
        return self._total(semconv.USAGE_INPUT_TOKENS)

    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning included."""
        return self._total(semconv.USAGE_OUTPUT_TOKENS)

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.input_tokens + self.output_tokens

    @property
    def cost_usd(self) -> float | None:
        """What its priced calls cost; ``None`` where there are calls and none has a price."""
        known = [
            float(span.attributes[semconv.COST_USD])
            for span in self.calls
            if semconv.COST_USD in span.attributes
        ]
        return sum(known) if known or not self.calls else None

    @property
    def unpriced(self) -> list[SeenSpan]:
        """Model calls that used something and have no known price."""
        return [
            span for span in self.calls if span.attributes.get(semconv.COST_STATUS) == "unpriced"
        ]

    def _total(self, attribute: str) -> int:
        return sum(int(span.attributes.get(attribute) or 0) for span in self.calls)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
