"""litellm: completions, text completions, embeddings and responses, with any provider.

A call of one of its functions is a model call, the retries inside it included.  What leads to
several (``fallbacks``, a ``Router``) is none itself: each deployment that is tried is a call of its
own, and one that fails a failed one.  A function goes by several names (its module's, the
package's, the one that chooses between Python and compiled code), and inside each other they are
one call.

Below it is an SDK or an HTTP library, which know more than litellm passes on (``defers``).  Its
streams are observed as what they are, whatever they read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.litellm import answers, chunks, deployments
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.chunks import ChunkJoiner
from flowspan.instrumentation.clients.wire.openai_chat import CHAT, TEXT
from flowspan.instrumentation.clients.wire.openai_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.openai_responses import RESPONSES
from flowspan.instrumentation.clients.wire.shape import Shape
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Integration,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage


class _Function(NamedTuple):
    """A function that makes a model call.

    Attributes:
        name: Its name.
        modules: Where it has that name, the module that defines it first.
        shape: The format that it takes and gives.
        positions: Names of its first arguments.
        look: What a chunk of its streams brings.
        asks_late: Its streams ask nobody before they are read.
        optional: Some supported versions do not have it.
    """

    name: str
    modules: tuple[str, ...]
    shape: Shape
    positions: tuple[str, ...]
    look: chunks.Look = chunks.of_completion
    asks_late: bool = False
    optional: bool = False


_FUNCTIONS: Final = (
    _Function(
        "completion",
        ("litellm.main", "litellm", "litellm.chat_completions.dispatch"),
        CHAT,
        ("model", "messages"),
    ),
    _Function(
        "text_completion",
        ("litellm.main", "litellm"),
        TEXT,
        ("prompt", "model"),
        asks_late=True,
    ),
    _Function(
        "embedding",
        ("litellm.main", "litellm", "litellm.embeddings.dispatch"),
        EMBEDDINGS,
        ("model", "input"),
    ),
    _Function(
        "responses",
        ("litellm.responses.main", "litellm", "litellm.responses.dispatch"),
        RESPONSES,
        ("input", "model"),
        chunks.of_response,
        optional=True,
    ),
)

_STREAMS: Final = (
    ("litellm.litellm_core_utils.streaming_handler", "CustomStreamWrapper"),
    ("litellm.utils", "TextCompletionStreamWrapper"),
)
_RESPONSE_STREAMS: Final = (
    ("litellm.responses.streaming_iterator", "ResponsesAPIStreamingIterator", ("__anext__",)),
    ("litellm.responses.streaming_iterator", "SyncResponsesAPIStreamingIterator", ("__next__",)),
    (
        "litellm.responses.streaming_iterator",
        "MockResponsesAPIStreamingIterator",
        ("__next__", "__anext__"),
    ),
    (
        "litellm.responses.streaming_iterator",
        "CachedResponsesAPIStreamingIterator",
        ("__next__", "__anext__"),
    ),
    (
        "litellm.responses.litellm_completion_transformation.streaming_iterator",
        "LiteLLMCompletionStreamingIterator",
        ("__next__", "__anext__"),
    ),
)


class _Extractors:
    """What is read of a call of one function."""

    def __init__(self, function: _Function) -> None:
        self._positions = function.positions
        self._look = function.look
        self._asks_late = function.asks_late
        self.shape = chunks.typed(function.shape)

    def _given(self, call: Call) -> dict[str, Any]:
        return {**dict(zip(self._positions, call.args, strict=False)), **call.kwargs}

    def name(self, call: Call) -> str | None:
        return deployments.model_name(self._given(call))

    def request(self, call: Call) -> Attributes:
        given = self._given(call)
        found = describe.request_attributes(self.shape, given, deployments.place(given))
        return {**found, **deployments.attributes(given)}

    def response(self, call: Call, result: Any) -> Attributes:
        found = describe.response_attributes(self.shape, answers.answer(result))
        return {**found, **answers.attributes(call, result)}

    def usage(self, call: Call, result: Any) -> Usage | None:
        if answers.is_free(call, result):
            return None
        found = answers.answer(result)
        # A request that was made all the same is told of by the call below, with its tokens.
        if self._asks_late and call.kwargs.get("stream") and found.body is None:
            return None
        return describe.usage_of(self.shape, self._given(call), found)

    def content(self, call: Call, result: Any) -> Content:
        if result is None:
            return describe.input_content(self.shape, self._given(call))
        return describe.output_content(self.shape, answers.answer(result))

    def tools(self, _call: Call, result: Any) -> Iterable[ToolRequest]:
        return describe.requested_tools(self.shape, answers.answer(result))

    def join(self, call: Call) -> ChunkJoiner:
        return ChunkJoiner(self.shape, self._look, content=call.content)


def _row(function: _Function, prefix: str) -> Patch:
    read = _Extractors(function)
    targets = [f"{module}:{prefix}{function.name}" for module in function.modules]
    return Patch(
        target=targets[0],
        names=tuple(targets[1:]),
        kind="llm",
        operation=function.shape.operation,
        name=read.name,
        request=read.request,
        response=read.response,
        failure=answers.failure,
        usage=read.usage,
        tools=read.tools if function.shape.generates else None,
        content=read.content,
        join=read.join,
        lazy=answers.observed,
        when=deployments.is_one_call,
        defers=True,
        optional=function.optional,
    )


def _rows() -> Iterator[Patch]:
    for function in _FUNCTIONS:
        yield _row(function, "")
        yield _row(function, "a")
    for module, owner in _STREAMS:
        for method in ("__next__", "__anext__"):
            yield Patch(target=f"{module}:{owner}.{method}", role="next")
    module, owner = _STREAMS[0]
    yield Patch(target=f"{module}:{owner}.aclose", role="close", optional=True)
    for module, owner, methods in _RESPONSE_STREAMS:
        for method in methods:
            yield Patch(target=f"{module}:{owner}.{method}", role="next", optional=True)


INTEGRATION: Final = Integration("litellm", "litellm>=1.60", tuple(_rows()))

__all__ = ["INTEGRATION"]
