"""What the formats of Amazon Bedrock share: paths, headers, errors, and streams in AWS frames."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from flowspan.testing.wire.aws_eventstream import message, with_wrong_checksum
from flowspan.testing.wire.format import (
    Answer,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
)
from flowspan.usage import Usage

PROVIDER = "aws.bedrock"
METRICS = "amazon-bedrock-invocationMetrics"
_JSON = "application/json"
_ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def model(path: str, _body: Mapping[str, Any]) -> str | None:
    """The model, which only the path names."""
    name = path.partition("/model/")[2].rpartition("/")[0]
    return unquote(name) or None


def streams(path: str, _body: Mapping[str, Any]) -> bool:
    """Whether a path asks for a stream."""
    return path.endswith("-stream")


def headers(request_id: str) -> dict[str, str]:
    """The headers of every answer."""
    return {"x-amzn-requestid": request_id}


def error(_status: int, text: str, _request_id: str) -> Json:
    """The body of an error; its kind is in a header."""
    return {"message": text}


def error_headers(status: int) -> dict[str, str]:
    """The kind of an error."""
    kind = _ERRORS.get(status, "InternalServerException")
    return {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


def uncached(usage: Usage) -> int:
    """Input tokens as Bedrock counts them: what the cache had or got stands beside."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    return (usage.input_tokens or 0) - read - written


def event(kind: str, data: Json, *, content: bool = False, usage: bool = False) -> Frame:
    """An event of a stream."""
    names = {":event-type": kind, ":content-type": _JSON, ":message-type": "event"}
    return Frame(message(names, encode(data)), content, usage)


def _exception(text: str, sent: int) -> Frame:
    del sent
    names = {
        ":exception-type": "modelStreamErrorException",
        ":content-type": _JSON,
        ":message-type": "exception",
    }
    return Frame(message(names, encode({"message": text, "originalStatusCode": 500})))


def events(frames: Callable[[Answer], Iterator[Frame]]) -> EventFormat:
    """A stream in AWS frames."""
    return EventFormat(
        frames=frames,
        error=_exception,
        media_type="application/vnd.amazon.eventstream",
        malformed=with_wrong_checksum,
    )


# --- InvokeModel ----------------------------------------------------------------------------------


def _counts(answer: Answer) -> dict[str, int]:
    usage = answer.usage
    found = {"input-token-count": uncached(usage), "output-token-count": usage.output_tokens or 0}
    if usage.cache_read_tokens is not None:
        found["cache-read-input-token-count"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        found["cache-write-input-token-count"] = usage.cache_write_tokens
    return found


def _count_headers(answer: Answer) -> dict[str, str]:
    counts = {f"x-amzn-bedrock-{name}": str(count) for name, count in _counts(answer).items()}
    return {**counts, "x-amzn-bedrock-invocation-latency": "400"}


def _metrics(answer: Answer) -> Json:
    counts: Json = {}
    for name, count in _counts(answer).items():
        first, *rest = name.split("-")
        counts[first + "".join(word.title() for word in rest)] = count
    return {**counts, "invocationLatency": 400, "firstByteLatency": 100}


def _chunks(
    pieces: Callable[[Answer], Iterable[tuple[Json, bool]]],
) -> Callable[[Answer], Iterator[Frame]]:
    def frames(answer: Answer) -> Iterator[Frame]:
        found = list(pieces(answer))
        for position, (piece, content) in enumerate(found):
            last = position == len(found) - 1
            data = {**piece, METRICS: _metrics(answer)} if last else piece
            chunk = {"bytes": base64.b64encode(encode(data)).decode(), "p": "abcdefgh"}
            yield event("chunk", chunk, content=content, usage=last)

    return frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of models, whose bodies Bedrock passes on as they are.

    Attributes:
        name: Last part of the format's name.
        of: What the names of its models contain.
        texts: The texts of the prompt.
        body: An answer that is not streamed.
        pieces: The chunks of a streamed one, and whether each carries content.
        limit: The member that limits the output.
        operation: Value of ``gen_ai.operation.name``.
        response_id: The id in the body.
    """

    name: str
    of: str
    texts: Callable[[Mapping[str, Any]], Iterable[str]]
    body: Callable[[Answer], Json | bytes]
    pieces: Callable[[Answer], Iterable[tuple[Json, bool]]] | None = None
    limit: str = "max_tokens"
    operation: str = "chat"
    response_id: Callable[[Answer], str | None] = lambda _: None


def invoked(family: Family) -> WireFormat:
    """The format of a family's answers to InvokeModel."""
    return WireFormat(
        name=f"bedrock.{family.name}",
        provider=PROVIDER,
        operation=family.operation,
        path_endings=("/invoke", "/invoke-with-response-stream"),
        serves=lambda path: family.of in unquote(path),
        texts=family.texts,
        body=family.body,
        output_limit=(family.limit,),
        response_id=family.response_id,
        headers=headers,
        answer_headers=_count_headers,
        error=error,
        error_headers=error_headers,
        events=None if family.pieces is None else events(_chunks(family.pieces)),
        model=model,
        streams=streams,
    )
