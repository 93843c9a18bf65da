"""From the bytes of a request to what it means."""

from __future__ import annotations

from typing import Any

from flowspan.testing.connection import HttpRequest
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.wire.format import WireFormat, model_in_body, parse_json
from flowspan.testing.wire.registry import Route


def parse_body(http: HttpRequest, asked: Route) -> dict[str, Any]:
    """The members of a request, as its format spells them.

    Raises:
        ValueError: They cannot be read; the message is fit for an error answer.
    """
    parse = parse_json if asked.wire is None else asked.wire.parse
    return parse(http.headers, http.body)


def understand(
    http: HttpRequest, body: dict[str, Any], asked: Route, index: int, *, stream: bool = False
) -> ReceivedRequest:
    """Makes the record of a request, number ``index``; on a socket all answers are streams."""
    wire = asked.wire
    return ReceivedRequest(
        index=index,
        method=http.method,
        path=http.path,
        headers=http.headers,
        body=body,
        format=None if wire is None else wire.name,
        provider=None if wire is None else wire.provider,
        operation=None if wire is None else "fetch_response" if asked.retrieved else wire.operation,
        model=(model_in_body if wire is None else wire.model)(http.path, body),
        stream=stream or _asks_for_stream(wire, http.path, body),
        texts=() if wire is None else tuple(wire.texts(body)),
        request_id=f"req_{index + 1:06d}",
    )


def _asks_for_stream(wire: WireFormat | None, path: str, body: dict[str, Any]) -> bool:
    return wire is not None and wire.events is not None and wire.streams(path, body)
