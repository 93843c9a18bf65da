"""What is mutated: real requests and the real answers to them, whole and streamed."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from conformance.http_formats import Asked, asked
from conformance.vocabulary import QUESTION
from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

_SAID: Final = [{"role": "user", "content": QUESTION}]


class Exchange(NamedTuple):
    """One request and its answer, as bytes."""

    path: str
    headers: dict[str, str]
    request: bytes
    answer: bytes


_REPLIES: Final = (
    Reply(chunks=("Once ", "upon ", "a time")),
    Reply(
        'Zwölf \u2028 \U0001f600\n\t"quoted" \\',
        usage=Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100),
    ),
    Reply(tool_calls=(ToolCall("search", {"query": 'a "b"', "done": True, "error": {}}),)),
    Reply(reasoning="Hmm, ", chunks=("well",)),
    Reply("Then it broke", fault=Fault.error_event()),
    Reply(fault=Fault.rate_limited()),
)

_ALSO: Final = (
    Asked("mistral.chat", "/mistral/v1/chat/completions", {"model": "m", "messages": _SAID}),
    Asked(
        "bedrock.converse",
        "/model/anthropic.claude-sonnet-4-5/converse",
        {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]},
    ),
    Asked(
        "openai.chat",
        "/openai/deployments/gpt-4o/chat/completions?api-version=1",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]},
    ),
)


def exchanges() -> list[Exchange]:
    """Every request of the conformance tests with every reply that it can have."""
    return list(_exchanged())


def _exchanged() -> Iterator[Exchange]:
    with FakeProvider() as provider:
        for each in (*asked(), *_ALSO):
            for reply in _REPLIES:
                provider.reply(reply)
                sent = json.dumps(each.body).encode()
                yield Exchange(each.path, each.headers, sent, _answer(provider, each, sent))


def _answer(provider: FakeProvider, each: Asked, sent: bytes) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(provider.url).netloc, timeout=10)
    headers = {"content-type": "application/json", **each.headers}
    try:
        connection.request("POST", each.path, sent, headers)
        return connection.getresponse().read()
    except http.client.IncompleteRead as cut:
        return cut.partial
    finally:
        connection.close()
