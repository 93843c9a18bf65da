"""Requests that programs write themselves: each format's path and body, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from conformance.vocabulary import QUESTION, Ability
from flowspan.instrumentation.clients import http
from flowspan.testing import FakeProvider

_SAID: Final = [{"role": "user", "content": QUESTION}]


class Asked(NamedTuple):
    """One request.

    Attributes:
        format: The wire format in the provider's ledger.
        path: Where it goes on the provider.
        body: What is sent.
        operation: ``gen_ai.operation.name`` of its span.
        stream: Whether its answer is streamed.
        headers: Further headers.
        can: What its answers can have.
        reports: Whether its answer says its tokens.
        variant: Told apart from another request of the same format.
    """

    format: str
    path: str
    body: dict[str, Any]
    operation: str = "chat"
    stream: bool = False
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    can: frozenset[Ability] = frozenset()
    reports: bool = True
    variant: str = ""
    model: str = ""


def connected(provider: FakeProvider) -> str:
    """Names the provider's host as the user would by ``FLOWSPAN_HTTP_HOSTS``; gives its URL."""
    http.configure((provider.url.removeprefix("http://"),))
    return provider.url


def disconnected() -> None:
    """Names no host any more."""
    http.configure()


def _openai() -> Iterator[Asked]:
    everything: frozenset[Ability] = frozenset(
        {"cache", "reasoning", "tools", "choices", "refusal"}
    )
    chat = Asked(
        "openai.chat",
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": _SAID},
        can=everything,
    )
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    yield chat
    yield chat._replace(body={**chat.body, **streamed}, stream=True)
    responses = Asked(
        "openai.responses",
        "/v1/responses",
        {"model": "gpt-4o", "input": QUESTION},
        can=everything - {"choices"},
    )
    yield responses
    yield responses._replace(body={**responses.body, "stream": True}, stream=True)
    text = Asked(
        "openai.completions",
        "/v1/completions",
        {"model": "gpt-3.5-turbo-instruct", "prompt": QUESTION},
        "text_completion",
        can=frozenset({"choices"}),
    )
    yield text
    yield text._replace(body={**text.body, **streamed}, stream=True)
    yield Asked(
        "openai.embeddings",
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": QUESTION},
        "embeddings",
    )


def _anthropic() -> Iterator[Asked]:
    message = Asked(
        "anthropic.messages",
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": _SAID},
        headers={"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"},
        can=frozenset({"cache", "reasoning", "tools", "refusal"}),
    )
    yield message
    yield message._replace(body={**message.body, "stream": True}, stream=True)


def _cohere() -> Iterator[Asked]:
    chat = Asked(
        "cohere.chat",
        "/v2/chat",
        {"model": "command-r-plus", "messages": _SAID},
        can=frozenset({"tools"}),
    )
    yield chat
    yield chat._replace(body={**chat.body, "stream": True}, stream=True)
    older = Asked("cohere.v1.chat", "/v1/chat", {"model": "command-r-plus", "message": QUESTION})
    yield older
    yield older._replace(body={**older.body, "stream": True}, stream=True)


def _ollama() -> Iterator[Asked]:
    # It streams unless told not to.
    chat = Asked(
        "ollama.chat",
        "/api/chat",
        {"model": "llama3.2", "messages": _SAID},
        stream=True,
        can=frozenset({"tools"}),
    )
    yield chat
    yield chat._replace(body={**chat.body, "stream": False}, stream=False)
    text = Asked(
        "ollama.generate",
        "/api/generate",
        {"model": "llama3.2", "prompt": QUESTION},
        "text_completion",
        stream=True,
    )
    yield text
    yield text._replace(body={**text.body, "stream": False}, stream=False)
    yield Asked(
        "ollama.embed", "/api/embed", {"model": "nomic-embed-text", "input": QUESTION}, "embeddings"
    )


def _gemini() -> Iterator[Asked]:
    model = "gemini-2.5-flash"
    path = f"/v1beta/models/{model}"
    asked = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    content = Asked(
        "gemini.generate_content",
        f"{path}:generateContent",
        asked,
        "generate_content",
        can=frozenset({"cache", "reasoning", "tools", "choices", "refusal"}),
        model=model,
    )
    streamed = content._replace(path=f"{path}:streamGenerateContent", stream=True)
    yield content
    yield streamed._replace(path=f"{streamed.path}?alt=sse")
    yield streamed._replace(variant="array")


def asked() -> Iterator[Asked]:
    """Every request."""
    for each in (*_openai(), *_anthropic(), *_gemini(), *_cohere(), *_ollama()):
        yield each._replace(model=each.model or str(each.body.get("model", "")))
