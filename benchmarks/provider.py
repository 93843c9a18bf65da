"""The real OpenAI client over a transport inside the process: no sockets, no network noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import openai

from benchmarks.engine import CACHED_TOKENS, INPUT_TOKENS, MODEL, OUTPUT_TOKENS

REQUEST: Final[dict[str, Any]] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Say something about tides."}],
    "temperature": 0.2,
    "max_tokens": 800,
}
STREAM: Final = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}

_USAGE: Final = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "completion_tokens_details": {"reasoning_tokens": 64},
}
_HEAD: Final = {"id": "chatcmpl-1", "created": 1_750_000_000, "model": f"{MODEL}-2024-07-18"}


def _answer() -> bytes:
    message = {"role": "assistant", "content": "The moon pulls. " * 20, "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return json.dumps(body).encode()


def _event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    body = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _events(chunks: int) -> list[bytes]:
    """The events of a stream, each in a chunk of its own, as they come over a network."""
    delta = {"index": 0, "delta": {"content": " tide"}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    body = [_event([delta])] * (chunks - 2)
    return [*body, _event([last]), _event([], _USAGE), b"data: [DONE]\n\n"]


class _Body(httpx2.SyncByteStream):
    """A body that arrives in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def client(*, chunks: int = 0) -> openai.OpenAI:
    """A client whose every call is answered at once.

    Args:
        chunks: How many chunks a stream has; 0 for answers in one piece.
    """
    answer = _answer()
    events = _events(chunks) if chunks else []

    def respond(_request: httpx2.Request) -> httpx2.Response:
        if events:
            headers = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=headers, stream=_Body(events))
        headers = {"content-type": "application/json"}
        return httpx2.Response(200, headers=headers, content=answer)

    http = httpx2.Client(transport=httpx2.MockTransport(respond))
    return openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", http_client=http)
