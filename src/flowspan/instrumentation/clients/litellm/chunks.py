"""Chunks of litellm's streams, which are typed objects in the forms of OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan.instrumentation.clients.wire.chunks import Look, Meaning
from flowspan.instrumentation.clients.wire.reading import items, read
from flowspan.instrumentation.clients.wire.shape import Shape
from flowspan.usage import Usage

__all__ = ["Look", "of_completion", "of_response", "typed"]

_OVER: Final = ("response.completed", "response.incomplete", "response.failed")
_DELTA: Final = ".delta"


def of_completion(chunk: Any) -> tuple[str | None, Meaning]:
    """The text of a chunk of a completion, and whether it says more than that."""
    said: list[str] = []
    kept = getattr(chunk, "usage", None) is not None
    for choice in items(getattr(chunk, "choices", None)):
        kept = kept or getattr(choice, "finish_reason", None) is not None
        kept = _add(said, choice) or kept
    return "".join(said), "kept" if kept else "text"


def _add(said: list[str], choice: Any) -> bool:
    """Add the text of a choice; tells whether it begins a tool call."""
    delta = getattr(choice, "delta", None)
    values = (
        getattr(choice, "text", None),
        getattr(delta, "content", None),
        getattr(delta, "reasoning_content", None),
    )
    said += [value for value in values if isinstance(value, str)]
    begins = False
    for call in items(getattr(delta, "tool_calls", None)):
        function = read(call, "function")
        arguments = read(function, "arguments")
        if isinstance(arguments, str):
            said.append(arguments)
        begins = begins or bool(read(function, "name"))
    return begins


def of_response(event: Any) -> tuple[str | None, Meaning]:
    """The text of an event of a response, and whether it says more than that."""
    kind = read(event, "type")
    kind = str(getattr(kind, "value", kind))
    if kind in _OVER:
        return None, "last"
    if kind.endswith(_DELTA):
        delta = read(event, "delta")
        return (delta if isinstance(delta, str) else None), "text"
    return None, "kept"


def typed(shape: Shape) -> Shape:
    """A shape whose answers and events are litellm's objects.

    Where no tokens are known, they all say 0.
    """

    def usage(body: Any) -> Usage | None:
        found = shape.usage(body)
        return found if found is None or found.input_tokens or found.output_tokens else None

    def fold(events: Sequence[Any]) -> dict[str, Any]:
        return shape.fold([_mapping(event) for event in events])

    return replace(shape, fold=fold, usage=usage)


def _mapping(event: Any) -> Mapping[str, Any]:
    if isinstance(event, Mapping):
        return event
    found: Mapping[str, Any] = event.model_dump()
    return found
