"""Google's older SDK (``google-generativeai``), over gRPC and REST.

The rows are on the service client of ``google-ai-generativelanguage`` below it, which others use as
well (LangChain's older integration): each of its methods is one request, in either transport, and
each turn of automatic function calling is one.  Streams are iterators of ``google-api-core``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.methods import Method, failure, row
from flowspan.instrumentation.clients.plain.attempts import ANSWERED, retried
from flowspan.instrumentation.clients.plain.calls import is_owned
from flowspan.instrumentation.clients.wire.chunks import Look, Meaning
from flowspan.instrumentation.clients.wire.failing import status_error
from flowspan.instrumentation.clients.wire.gemini import GENERATE, fold
from flowspan.instrumentation.clients.wire.gemini_embeddings import EMBEDDINGS
from flowspan.instrumentation.clients.wire.gemini_paths import model_named
from flowspan.instrumentation.clients.wire.openai_chat import asked
from flowspan.instrumentation.clients.wire.protos import Members, converted, is_message
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import count, text, word
from flowspan.instrumentation.clients.wire.shape import Body, Shape
from flowspan.instrumentation.integration import Attributes, Call, Event, Integration, Patch

_PARAMETERS: Final = ("generationConfig", "outputDimensionality")


def _fold(chunks: Sequence[Any]) -> dict[str, Any]:
    return fold([converted(chunk) for chunk in chunks])


STREAMED: Final = replace(
    GENERATE, request={**GENERATE.request, "stream": ((semconv.REQUEST_STREAM, asked),)}, fold=_fold
)
"""The same format, where what asks for a stream is the name of the method."""


# --- the request --------------------------------------------------------------------------------


def _members(found: Body) -> Body:
    """The request's message, or its members as keywords."""
    request = found.get("request")
    more = {"stream": True} if found.get("stream") is True else None
    return Members(found if request is None else request, shown=_PARAMETERS, more=more)


def _model(_call: Call, members: Body) -> str | None:
    named = word(members.get("model"))
    return None if named is None else model_named(named)


def _place(call: Call) -> Place:
    """Host and port; over REST the transport may have them with their scheme."""
    transport = getattr(call.instance, "transport", None)
    host = text(getattr(transport, "host", None)) or text(getattr(transport, "_host", None))
    if not host:
        return Place()
    return address(host if "://" in host else f"https://{host}")


# --- the answer -----------------------------------------------------------------------------------


def _look(chunk: Any) -> tuple[str | None, Meaning]:
    """Text and meaning of a chunk, from the message that the SDK's own wraps, which is fast."""
    message = getattr(chunk, "_pb", chunk)
    candidates = message.candidates
    parts = [part for candidate in candidates for part in candidate.content.parts]
    said = "".join([part.text for part in parts])
    if candidates and all(candidate.finish_reason for candidate in candidates):
        return said, "last"
    if any(part.HasField("function_call") for part in parts):
        return said, "kept"
    return said, "newest"


def _body(result: Any) -> Body | None:
    """The members of a message; anything else (a stream that could not be observed) is let be."""
    return Members(result) if is_message(result) else None


def _stream(_call: Call, result: Any) -> Any:
    return result


def _failure(call: Call, error: BaseException) -> Attributes:
    """An error of gRPC has the HTTP status that it would have been."""
    found = dict(failure(call, error))
    if found.get(semconv.HTTP_STATUS_CODE) is None:
        found[semconv.HTTP_STATUS_CODE] = _status(error)
    return found


def _status(error: BaseException) -> int | None:
    status = count(getattr(error, "code", None))
    return None if status is None else int(status)


# --- attempts over gRPC ---------------------------------------------------------------------------


def _sent_unseen(call: Call) -> bool:
    """Whether the attempts of the call are not seen already, as those over REST are."""
    return is_owned(call) and call.enclosing is not None and ANSWERED not in call.enclosing.notes


def _retried(call: Call, _seconds: Any) -> Iterable[Event]:
    """What failed, once it is decided how long to wait before it is tried again."""
    error = call.argument("exc", 0)
    if call.frame is None or not isinstance(error, BaseException):
        return ()
    failed = status_error(_status(error)) or type(error).__qualname__
    return (retried(call.frame, failed),)


# --- rows ---------------------------------------------------------------------------------------


class _Service(NamedTuple):
    """A method of the service's clients."""

    name: str
    shape: Shape
    look: Look | None = None


_SERVICES: Final = (
    _Service("generate_content", GENERATE),
    _Service("stream_generate_content", STREAMED, _look),
    _Service("embed_content", EMBEDDINGS),
    _Service("batch_embed_contents", EMBEDDINGS),
)
_PACKAGE: Final = "google.ai.generativelanguage_v1beta.services.generative_service"
_CLIENTS: Final = (
    f"{_PACKAGE}.client:GenerativeServiceClient",
    f"{_PACKAGE}.async_client:GenerativeServiceAsyncClient",
)
_RETRIES: Final = "google.api_core.retry.retry_{}:_retry_error_helper"
_ATTEMPTS: Final = Patch(
    target=_RETRIES.format("base"),
    # Each way of trying again has imported it.
    names=tuple(map(_RETRIES.format, ("unary", "unary_async", "streaming", "streaming_async"))),
    label="attempt",
    after=_retried,
    when=_sent_unseen,
    optional=True,  # google-api-core before 2.16 decides inside a loop
)
_STREAMS: Final = (
    Patch(target="google.api_core.grpc_helpers:_StreamingResponseIterator.__next__", role="next"),
    Patch(target="google.api_core.grpc_helpers:_StreamingResponseIterator.cancel", role="close"),
    Patch(target="google.api_core.rest_streaming:ResponseIterator.__next__", role="next"),
    Patch(target="google.api_core.rest_streaming:ResponseIterator.cancel", role="close"),
    Patch(
        target="google.api_core.grpc_helpers_async:_WrappedStreamResponseMixin.__aiter__",
        role="iterate",
    ),
)


def _tool(call: Call) -> str | None:
    return word(getattr(call.instance, "name", None))


def _rows() -> Iterator[Patch]:
    for client in _CLIENTS:
        for service in _SERVICES:
            streamed = service.look is not None
            method = Method(
                targets=(f"{client}.{service.name}",),
                shape=service.shape,
                place=_place,
                positional=("request",),
                fixed={"stream": True} if streamed else {},
                model=_model,
                members=_members,
                body=_body,
                look=service.look,
                response=_stream if streamed else None,
            )
            yield replace(row(method), failure=_failure)
    yield _ATTEMPTS
    yield from _STREAMS
    # What automatic function calling runs between the calls of a chat.
    functions = "google.generativeai.types.content_types:CallableFunctionDeclaration"
    yield Patch(target=f"{functions}.__call__", kind="tool", name=_tool, optional=True)


INTEGRATION: Final = Integration("google-generativeai", "google-generativeai>=0.8", tuple(_rows()))
