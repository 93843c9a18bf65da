"""One chat by plain HTTP, for the tests of what is peculiar to a library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import Recording
from flowspan.usage import Usage

INTEGRATIONS: Final = (*http.INTEGRATIONS, *bodies.INTEGRATIONS)
PATH: Final = "/v1/chat/completions"
ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "Tell me a story please"}],
}
STREAMED: Final[dict[str, Any]] = {
    **ASKED,
    "stream": True,
    "stream_options": {"include_usage": True},
}
CHARGED: Final = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100)


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def own(call: Callable[[], Any]) -> Any:
    """A stand-in for an SDK, whose method makes the request."""
    return call()
