"""Gemini's service over gRPC on this machine: hands what it is asked to a fake provider over HTTP.

So the provider's ledger, replies and faults are those of every other way.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import grpc
import httpx2
from google.ai import generativelanguage as glm
from google.protobuf.json_format import MessageToDict
from opentelemetry.instrumentation.utils import suppress_instrumentation

_SERVICE: Final = "google.ai.generativelanguage.v1beta.GenerativeService"
_STATUSES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
_UNARY: Final[dict[str, tuple[str, Any, Any]]] = {
    "GenerateContent": (
        "generateContent",
        glm.GenerateContentRequest,
        glm.GenerateContentResponse,
    ),
    "EmbedContent": ("embedContent", glm.EmbedContentRequest, glm.EmbedContentResponse),
    "BatchEmbedContents": (
        "batchEmbedContents",
        glm.BatchEmbedContentsRequest,
        glm.BatchEmbedContentsResponse,
    ),
    "CountTokens": ("countTokens", glm.CountTokensRequest, glm.CountTokensResponse),
}


class Gateway:
    """A gRPC server in front of a provider.

    Attributes:
        address: Host and port.
    """

    def __init__(self, provider_url: str) -> None:
        """Starts serving at once."""
        self._http = httpx2.Client(base_url=f"{provider_url}/v1beta/", trust_env=False)
        self._server = grpc.server(ThreadPoolExecutor(4, "gemini-over-grpc"))
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._answer, verb, request, answer),
                request_deserializer=bytes,
                response_serializer=bytes,
            )
            for name, (verb, request, answer) in _UNARY.items()
        }
        handlers["StreamGenerateContent"] = grpc.unary_stream_rpc_method_handler(
            self._stream, request_deserializer=bytes, response_serializer=bytes
        )
        handler = grpc.method_handlers_generic_handler(_SERVICE, handlers)
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stops serving, and leaves what is still under way."""
        self._server.stop(None).wait()
        self._http.close()

    def _answer(
        self, verb: str, request_type: Any, answer_type: Any, data: bytes, context: Any
    ) -> bytes:
        model, body = _asked(request_type, data)
        with suppress_instrumentation(), _told(context):
            response = self._http.post(f"{model}:{verb}", json=body)
            _refuse(response, context)
            answer = answer_type.from_json(response.content, ignore_unknown_fields=True)
        return bytes(answer_type.serialize(answer))

    def _stream(self, data: bytes, context: Any) -> Iterator[bytes]:
        model, body = _asked(glm.GenerateContentRequest, data)
        path = f"{model}:streamGenerateContent?alt=sse"
        serialize: Callable[[Any], bytes] = glm.GenerateContentResponse.serialize
        with (
            suppress_instrumentation(),
            _told(context),
            self._http.stream("POST", path, json=body) as response,
        ):
            context.add_callback(response.close)  # a client that left is told to the provider
            _refuse(response, context)
            for line in response.iter_lines():
                if line.startswith("data: "):
                    text = line.removeprefix("data: ")
                    yield serialize(
                        glm.GenerateContentResponse.from_json(text, ignore_unknown_fields=True)
                    )
                elif line:
                    context.abort(grpc.StatusCode.INTERNAL, "The stream failed")


def _asked(request_type: Any, data: bytes) -> tuple[str, dict[str, Any]]:
    request = request_type.deserialize(data)
    body: dict[str, Any] = MessageToDict(request_type.pb(request))
    return str(request.model), body


def _refuse(response: httpx2.Response, context: Any) -> None:
    if response.status_code != httpx2.codes.OK:
        error = json.loads(response.read())["error"]
        status = _STATUSES.get(response.status_code, grpc.StatusCode.UNKNOWN)
        context.abort(status, error["message"])


@contextlib.contextmanager
def _told(context: Any) -> Iterator[None]:
    """Tells the client that the provider is gone, as gRPC says it."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
        context.abort(grpc.StatusCode.UNAVAILABLE, repr(error))
