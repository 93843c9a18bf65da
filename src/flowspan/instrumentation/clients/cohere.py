"""Cohere's SDK: chat, generate and embeddings of both versions of its API.

A client of version 2 is one of version 1 with other methods, and ``client.v2`` is one as well; so
the rows are on the generated classes beneath.  Streams are generator functions, whose call begins
when the first event is wanted.  ``embed`` of version 1 splits many texts over several requests, in
threads of its own: each of them is a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.methods import Method, row
from flowspan.instrumentation.clients.wire.chunks import Look, Meaning
from flowspan.instrumentation.clients.wire.cohere import CHAT, CHAT_V1, EMBED, GENERATE
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import read, text
from flowspan.instrumentation.clients.wire.shape import Shape
from flowspan.instrumentation.integration import Call, Integration, Patch


def _place(call: Call) -> Place:
    owner = call.instance
    wrapper = getattr(owner, "_client_wrapper", None)
    if wrapper is None:
        wrapper = getattr(getattr(owner, "_raw_client", None), "_client_wrapper", None)
    return address(getattr(wrapper, "_base_url", None))


# --- chunks ---------------------------------------------------------------------------------------


def _look_at_event(event: Any) -> tuple[str | None, Meaning]:
    """An event of version 2."""
    kind = read(event, "type")
    if kind == "content-delta":
        content = read(read(read(event, "delta"), "message"), "content")
        return text(read(content, "text")) or text(read(content, "thinking")), "text"
    if kind == "message-end":
        return None, "last"
    said = read(read(event, "delta"), "message")
    if kind == "tool-plan-delta":
        return text(read(said, "tool_plan")), "text"
    if kind == "tool-call-delta":
        function = read(read(said, "tool_calls"), "function")
        return text(read(function, "arguments")), "text"
    return None, "kept" if kind == "tool-call-start" else "text"


def _look_at_line(line: Any) -> tuple[str | None, Meaning]:
    """A line of version 1."""
    if read(line, "is_finished") is True or read(line, "event_type") == "stream-end":
        return None, "last"
    return text(read(line, "text")), "kept" if read(line, "tool_calls") else "text"


# --- rows -----------------------------------------------------------------------------------------


class _Call(NamedTuple):
    """A method: the class that has it, its name, its format, and how its chunks are read."""

    module: str
    owner: str
    name: str
    shape: Shape
    look: Look | None = None
    optional: bool = False


_V1: Final = "cohere.base_client", "BaseCohere"
_V2: Final = "cohere.v2.client", "V2Client"
_CALLS: Final = (
    _Call(*_V1, "chat", CHAT_V1),
    _Call(*_V1, "chat_stream", CHAT_V1, _look_at_line),
    _Call(*_V1, "generate", GENERATE, optional=True),
    _Call(*_V1, "generate_stream", GENERATE, _look_at_line, optional=True),
    _Call(*_V1, "embed", EMBED),
    _Call(*_V2, "chat", CHAT, optional=True),
    _Call(*_V2, "chat_stream", CHAT, _look_at_event, optional=True),
    _Call(*_V2, "embed", EMBED, optional=True),
)
_STREAMED: Final = {"stream": True}


def _rows() -> Iterator[Patch]:
    for call in _CALLS:
        for prefix in ("", "Async"):
            yield row(
                Method(
                    targets=(f"{call.module}:{prefix}{call.owner}.{call.name}",),
                    shape=call.shape,
                    place=_place,
                    fixed={} if call.look is None else _STREAMED,
                    look=call.look,
                    optional=call.optional,
                )
            )


INTEGRATION: Final = Integration("cohere", "cohere>=5.16", tuple(_rows()))
