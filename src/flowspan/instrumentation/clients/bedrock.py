"""Amazon Bedrock through boto3: Converse and InvokeModel, whole and streamed.

boto3 makes the classes of its clients while the program runs; every method of theirs calls
``BaseClient._make_api_call``, which is patched, and left alone for all other services.

A streamed answer is observed where boto3 hands out its events, the lazy body of InvokeModel where
its bytes are read.  Bedrock counts the tokens of InvokeModel in the headers of the answer, so that
they are known even if nobody reads it.  Retries are requests of urllib3, whose rows count them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from flowspan import semconv
from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.wire import describe
from flowspan.instrumentation.clients.wire.bedrock_converse import CONVERSE, look
from flowspan.instrumentation.clients.wire.bedrock_invoke import METRICS, metrics_in, shape_of
from flowspan.instrumentation.clients.wire.chunks import ChunkJoiner
from flowspan.instrumentation.clients.wire.failing import PAGE, error_type_of, is_page_by
from flowspan.instrumentation.clients.wire.reading import count, read, word
from flowspan.instrumentation.clients.wire.shape import Answer, Body, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner
from flowspan.instrumentation.integration import (
    Attributes,
    Call,
    Content,
    Integration,
    Joiner,
    Observed,
    Patch,
    ToolRequest,
)
from flowspan.usage import Usage

_SERVICE: Final = "bedrock-runtime"
_PROMPT: Final = re.compile(r":prompt/([A-Za-z0-9-]+)(?::([A-Za-z0-9]+))?$")
_MOST_BODY: Final = 20_000_000
"""Bytes of a request body beyond which it is not looked into."""

_ASKED: Final = "bedrock.asked"
_METRICS: Final = "bedrock.metrics"
_ANSWER: Final = "bedrock.answer"


class _Operation(NamedTuple):
    """One of the service's operations: whether it invokes, and what of its result is a stream."""

    invokes: bool
    stream: str = ""


_OPERATIONS: Final = {
    "Converse": _Operation(invokes=False),
    "ConverseStream": _Operation(invokes=False, stream="stream"),
    "InvokeModel": _Operation(invokes=True),
    "InvokeModelWithResponseStream": _Operation(invokes=True, stream="body"),
}


class _Asked(NamedTuple):
    """A request: its format, and its members."""

    shape: Shape
    body: Body


class PayloadJoiner:
    """Joins the events of InvokeModel's stream: each brings an event of the model's own."""

    __slots__ = ("_inner",)

    def __init__(self, shape: Shape, *, content: bool) -> None:
        """Join an answer of ``shape``; with ``content`` every event is kept for its message."""
        self._inner = BodyJoiner(shape, content=content)

    @property
    def complete(self) -> bool:
        """True once the model's own stream said that it is over."""
        return self._inner.complete

    def add(self, event: Any) -> bool:
        """Take an event as boto3 gives it."""
        payload = read(read(event, "chunk"), "bytes")
        return isinstance(payload, bytes) and self._inner.add(b"data: %b\n\n" % payload)

    def result(self) -> Answer:
        """The answer as far as it has come."""
        return self._inner.result()


# --- the request --------------------------------------------------------------------------------


def _operation_of(call: Call) -> _Operation:
    return _OPERATIONS[call.args[0]]


def _is_model_call(call: Call) -> bool:
    if not call.args or call.args[0] not in _OPERATIONS:
        return False
    return getattr(call.instance.meta.service_model, "service_name", None) == _SERVICE


def _params(call: Call) -> Mapping[str, Any]:
    params = call.argument("api_params", 1)
    return params if isinstance(params, Mapping) else {}


def _model(call: Call) -> str | None:
    return word(_params(call).get("modelId"))


def _asked(call: Call) -> _Asked:
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ASKED)) is None:
        known = notes[_ASKED] = _read_request(call)
    return cast("_Asked", known)


def _read_request(call: Call) -> _Asked:
    params = _params(call)
    if not _operation_of(call).invokes:
        return _Asked(CONVERSE, params)
    body = _loaded(params.get("body"))
    return _Asked(shape_of(_model(call), body), body)


def _loaded(body: Any) -> Body:
    """The members of a body that is there as text or bytes; a file is the client's to read."""
    if not isinstance(body, str | bytes | bytearray) or len(body) > _MOST_BODY:
        return {}
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _operation(call: Call) -> str:
    return _asked(call).shape.operation


def _request(call: Call) -> Attributes:
    asked = _asked(call)
    place = address(getattr(call.instance.meta, "endpoint_url", None))
    found = describe.request_attributes(asked.shape, asked.body, place)
    found[semconv.TRANSPORT] = "sdk"
    found[semconv.REQUEST_STREAM] = True if _operation_of(call).stream else None
    if (prompt := _PROMPT.search(_model(call) or "")) is not None:
        found[semconv.PROMPT_NAME], found[semconv.PROMPT_VERSION] = prompt.groups()
    return found


# --- the answer -----------------------------------------------------------------------------------


def _observed(call: Call, result: Any) -> Any:
    """The events of a stream; the body of an invocation, and urllib3's response below it."""
    operation = _operation_of(call)
    headers = read(read(result, "ResponseMetadata"), "HTTPHeaders")
    if call.frame is not None and is_page_by(headers):
        call.frame.notes[_ANSWER] = Answer(output_bytes=0, error=PAGE)
    if operation.stream:
        return read(result, operation.stream)
    if not operation.invokes:
        return None
    if call.frame is not None:
        call.frame.notes[_METRICS] = metrics_in(headers)
    body = read(result, "body")
    return None if body is None else Observed(body, members=("_raw_stream",))


def _join(call: Call) -> Joiner:
    shape, operation = _asked(call).shape, _operation_of(call)
    if not operation.invokes:
        return ChunkJoiner(shape, look, content=call.content)
    if operation.stream:
        return PayloadJoiner(shape, content=call.content)
    return BodyJoiner(shape, content=call.content)


def _answer(call: Call, result: Any) -> Answer:
    notes = {} if call.frame is None else call.frame.notes
    if (known := notes.get(_ANSWER)) is None:
        known = result if isinstance(result, Answer) else Answer(result)
        if metrics := notes.get(_METRICS):
            known.body = {METRICS: metrics, **(known.body if isinstance(known.body, dict) else {})}
        known.error = known.error or error_type_of(known.body)
        notes[_ANSWER] = known
    return cast("Answer", known)


def _response(call: Call, result: Any) -> Attributes:
    return describe.response_attributes(_asked(call).shape, _answer(call, result))


def _usage(call: Call, result: Any) -> Usage | None:
    asked = _asked(call)
    return describe.usage_of(asked.shape, asked.body, _answer(call, result))


def _tools(call: Call, result: Any) -> Iterable[ToolRequest]:
    return describe.requested_tools(_asked(call).shape, _answer(call, result))


def _outcome(call: Call, result: Any) -> str | None:
    return describe.error_type(_answer(call, result))


def _content(call: Call, result: Any) -> Content:
    asked = _asked(call)
    if result is None:
        return describe.input_content(asked.shape, asked.body)
    return describe.output_content(asked.shape, _answer(call, result))


def _failure(_call: Call, error: BaseException) -> Attributes:
    """What a ``ClientError`` says: Amazon's own name of the failure, the status, the request."""
    response = getattr(error, "response", None)
    metadata = read(response, "ResponseMetadata")
    kind = error_type_of({"error": {"code": read(read(response, "Error"), "Code")}})
    return {
        semconv.ERROR_TYPE: kind if isinstance(response, Mapping) else None,
        semconv.HTTP_STATUS_CODE: count(read(metadata, "HTTPStatusCode")),
        semconv.PROVIDER_REQUEST_ID: word(read(metadata, "RequestId")),
    }


INTEGRATION: Final = Integration(
    "bedrock",
    "botocore>=1.34.116",
    (
        Patch(
            target="botocore.client:BaseClient._make_api_call",
            kind="llm",
            operation=_operation,
            name=_model,
            request=_request,
            response=_response,
            failure=_failure,
            usage=_usage,
            tools=_tools,
            outcome=_outcome,
            content=_content,
            join=_join,
            lazy=_observed,
            when=_is_model_call,
        ),
        Patch(target="botocore.eventstream:EventStream.__iter__", role="read"),
        Patch(target="botocore.eventstream:EventStream.close", role="close"),
    ),
)
