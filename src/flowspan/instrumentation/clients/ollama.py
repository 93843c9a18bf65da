"""Ollama's SDK: chat, generate and embeddings, on the methods of its two clients.

The module's own functions (``ollama.chat``) are bound methods of a client that is made when the
module is imported, after the class was patched.  Streams are generators, whose request is sent when
their first line is wanted: one that is never read was never asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.methods import Method, row
from flowspan.instrumentation.clients.wire.chunks import Look, Meaning
from flowspan.instrumentation.clients.wire.ollama import CHAT, EMBED, EMBEDDINGS, GENERATE
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import read, text
from flowspan.instrumentation.clients.wire.shape import Shape
from flowspan.instrumentation.integration import Call, Integration, Patch


def _place(call: Call) -> Place:
    http_client = getattr(call.instance, "_client", None)
    return address(getattr(http_client, "base_url", None))


def _said(line: Any, said: Any, member: str) -> tuple[str | None, Meaning]:
    found = text(read(said, member)) or text(read(said, "thinking"))
    if read(line, "done") is True:
        return found, "last"
    return found, "kept" if read(said, "tool_calls") else "text"


def _look_at_chat(line: Any) -> tuple[str | None, Meaning]:
    return _said(line, read(line, "message"), "content")


def _look_at_text(line: Any) -> tuple[str | None, Meaning]:
    return _said(line, line, "response")


_CALLS: Final[tuple[tuple[str, Shape, Look | None, tuple[str, ...], bool], ...]] = (
    ("chat", CHAT, _look_at_chat, ("model", "messages"), False),
    ("generate", GENERATE, _look_at_text, ("model", "prompt", "suffix"), False),
    ("embed", EMBED, None, ("model", "input"), True),
    ("embeddings", EMBEDDINGS, None, ("model", "prompt"), False),
)
"""Name of the method, its format, how its chunks are read, its positional arguments, optional."""


def _rows() -> Iterator[Patch]:
    for name, shape, look, positional, optional in _CALLS:
        for owner in ("Client", "AsyncClient"):
            yield row(
                Method(
                    targets=(f"ollama._client:{owner}.{name}",),
                    shape=shape,
                    place=_place,
                    positional=positional,
                    look=look,
                    optional=optional,
                )
            )


INTEGRATION: Final = Integration("ollama", "ollama>=0.2", tuple(_rows()))
