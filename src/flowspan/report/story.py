"""What happened inside a span, in the words of its events: states, prompts, routes, loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flowspan import semconv
from flowspan.report.reason import reason
from flowspan.store.records import SpanRow

END: Final = "end"
"""What comes next where no node does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt that was chosen.

    Attributes:
        name: Of the prompt.
        version: Of the prompt, if it has one.
        reason: Why it was chosen, if the engine says.
    """

    name: str
    version: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The states that one node went through.

    Attributes:
        node_id: Whose they are; ``None`` for the span's own node.
        path: The states in order: one more than there were transitions.
    """

    node_id: str | None
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a node sent the run next.

    Attributes:
        to: The node that comes next; :data:`END` where none does.
        action: What the node answered, which chose the route.
    """

    to: str
    action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A node that came again and again with the same inputs.

    Attributes:
        node: Its name.
        rounds: How often, when that was seen.
    """

    node: str
    rounds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a reader wants to know of a span beside its times and its tokens."""

    prompts: tuple[Prompt, ...] = ()
    states: tuple[States, ...] = ()
    routes: tuple[Route, ...] = ()
    loops: tuple[Loop, ...] = ()
    remarks: tuple[str, ...] = ()
    error: str | None = None


def tell(span: SpanRow) -> Story:
    """The story of one span."""
    return Story(
        prompts=_prompts(span),
        states=_states(span),
        routes=_routes(span),
        loops=_loops(span),
        remarks=tuple(_remarks(span)),
        error=_error(span),
    )


def _prompts(span: SpanRow) -> tuple[Prompt, ...]:
    """The prompts in the order of their choice, each once."""
    chosen: dict[tuple[str, str | None], Prompt] = {}
    for event in span.events:
        name = _text(event.attrs, semconv.PROMPT_NAME)
        if event.name == semconv.EVENT_PROMPT_SELECTED and name:
            version = _text(event.attrs, semconv.PROMPT_VERSION)
            reason = _text(event.attrs, semconv.PROMPT_REASON)
            chosen.setdefault((name, version), Prompt(name=name, version=version, reason=reason))
    if span.prompt_name:
        own = Prompt(name=span.prompt_name, version=span.prompt_version)
        chosen.setdefault((own.name, own.version), own)
    return tuple(chosen.values())


def _states(span: SpanRow) -> tuple[States, ...]:
    """The transitions, joined to paths: a path goes on while each begins where the last ended."""
    paths: list[tuple[str | None, list[str]]] = []
    latest: dict[str | None, list[str]] = {}
    for event in span.events:
        if event.name != semconv.EVENT_STATE_TRANSITION:
            continue
        before = _text(event.attrs, semconv.STATE_FROM) or "?"
        after = _text(event.attrs, semconv.STATE_TO) or "?"
        node_id = _text(event.attrs, semconv.NODE_ID)
        node_id = None if node_id == span.node_id else node_id
        if latest.get(node_id, [""])[-1] != before:
            latest[node_id] = [before]
            paths.append((node_id, latest[node_id]))
        latest[node_id].append(after)
    return tuple(States(node_id=node_id, path=tuple(path)) for node_id, path in paths)


def _routes(span: SpanRow) -> tuple[Route, ...]:
    return tuple(
        Route(
            to=_text(event.attrs, semconv.ROUTE_TO) or END,
            action=_text(event.attrs, semconv.ROUTE_ACTION),
        )
        for event in span.events
        if event.name == semconv.EVENT_ROUTE_TAKEN
    )


def _loops(span: SpanRow) -> tuple[Loop, ...]:
    return tuple(
        Loop(
            node=_text(event.attrs, semconv.STEP_NAME) or "?",
            rounds=_text(event.attrs, semconv.LOOP_ITERATIONS) or "?",
        )
        for event in span.events
        if event.name == semconv.EVENT_LOOP_SUSPECTED
    )


def _remarks(span: SpanRow) -> Iterator[str]:
    """How a span began and ended where that is neither as usual nor an error."""
    if span.attrs.get(semconv.RESUMED):
        yield "resumed"
    if interruption := _text(span.attrs, semconv.INTERRUPTION):
        yield f"ended by {interruption}"
    if span.attrs.get(semconv.STREAM_ABANDONED):
        yield "stream not read to its end"


def _error(span: SpanRow) -> str | None:
    if span.status != "error":
        return None
    kind, message = span.error_type or "", span.status_message
    for event in span.events:
        if event.name == semconv.EVENT_EXCEPTION:
            kind = kind or _text(event.attrs, "exception.type") or ""
            message = message or _text(event.attrs, "exception.message") or ""
    words = reason(kind, message) or "failed"
    return f"status {words}" if words.isdecimal() else words


def _text(attributes: Mapping[str, Any], name: str) -> str | None:
    value = attributes.get(name)
    return None if value is None else str(value)
