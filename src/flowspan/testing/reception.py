"""From the bytes of a request to what it means."""

from __future__ import annotations

import json
from typing import Any

from flowspan.testing.connection import HttpRequest
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.wire.registry import Route


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, empty where there is no body.

    Raises:
        ValueError: It is something else; the message is fit for an error answer.
    """
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ValueError(f"We could not parse the JSON body of your request: {error}") from None
    if isinstance(value, dict):
        return value
    raise ValueError("The body of your request must be a JSON object")


def understand(
    http: HttpRequest, body: dict[str, Any], asked: Route, index: int
) -> ReceivedRequest:
    """Makes the record of a request, number ``index``."""
    wire, model = asked.wire, body.get("model")
    return ReceivedRequest(
        index=index,
        method=http.method,
        path=http.path,
        headers=http.headers,
        body=body,
        format=None if wire is None else wire.name,
        provider=None if wire is None else wire.provider,
        operation=None if wire is None else "fetch_response" if asked.retrieved else wire.operation,
        model=model if isinstance(model, str) else None,
        stream=wire is not None and wire.events is not None and body.get("stream") is True,
        texts=() if wire is None else tuple(wire.texts(body)),
        request_id=f"req_{index + 1:06d}",
    )
