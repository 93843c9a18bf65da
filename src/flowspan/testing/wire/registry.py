"""Which wire format a path stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowspan.testing.wire import anthropic_messages, openai_chat

if TYPE_CHECKING:
    from flowspan.testing.wire.format import WireFormat

FORMATS: tuple[WireFormat, ...] = (openai_chat.FORMAT, anthropic_messages.FORMAT)


def format_of(path: str) -> WireFormat | None:
    """The format of a request's path, whatever stands before its ending and in its query."""
    bare = path.partition("?")[0].rstrip("/")
    return next((wire for wire in FORMATS if bare.endswith(wire.path_ending)), None)
