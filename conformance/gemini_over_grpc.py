"""Gemini's service over gRPC on this machine: hands what it is asked to a fake provider over HTTP.

So the provider's ledger, replies and faults are those of every other way.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Thread
from typing import Any, Final

import grpc
from google.ai import generativelanguage as glm
from google.protobuf.json_format import MessageToDict, ParseError
from opentelemetry.instrumentation.utils import suppress_instrumentation

_OK: Final = 200
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


class _Daemons(Executor):
    """A thread for each call, none of which a process waits for when it ends.

    They stand wherever the provider makes them wait, also while a program leaves in the middle.
    """

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a function in a thread of its own."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whoever asks the future gets it
                future.set_exception(error)

        Thread(target=run, name="gemini-over-grpc", daemon=True).start()
        return future


class Gateway:
    """A gRPC server in front of a provider.

    Attributes:
        address: Host and port.
    """

    def __init__(self, provider_address: str) -> None:
        """Starts serving at once, for the provider at that host and port."""
        self._provider = provider_address
        self._server = grpc.server(_Daemons())
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

    def _answer(
        self, verb: str, request_type: Any, answer_type: Any, data: bytes, context: Any
    ) -> bytes:
        with self._asking(verb, request_type, data, context) as response:
            answer = answer_type.from_json(response.read(), ignore_unknown_fields=True)
        return bytes(answer_type.serialize(answer))

    def _stream(self, data: bytes, context: Any) -> Iterator[bytes]:
        serialize: Callable[[Any], bytes] = glm.GenerateContentResponse.serialize
        verb = "streamGenerateContent?alt=sse"
        with self._asking(verb, glm.GenerateContentRequest, data, context) as response:
            for line in response:
                text = line.decode().strip()
                if text.startswith("data: "):
                    event = text.removeprefix("data: ")
                    yield serialize(
                        glm.GenerateContentResponse.from_json(event, ignore_unknown_fields=True)
                    )
                elif text:
                    context.abort(grpc.StatusCode.INTERNAL, "The stream failed")

    @contextlib.contextmanager
    def _asking(
        self, verb: str, request_type: Any, data: bytes, context: Any
    ) -> Iterator[HTTPResponse]:
        """The provider's answer; a client that left is told to it, and the client what it broke."""
        request = request_type.deserialize(data)
        body = json.dumps(MessageToDict(request_type.pb(request)))
        connection = HTTPConnection(self._provider)
        try:
            with suppress_instrumentation():
                connection.connect()
                context.add_callback(partial(_hang_up, connection))
                connection.request("POST", f"/v1beta/{request.model}:{verb}", body)
                response = connection.getresponse()
                _refuse(response, context)
                yield response
        except (OSError, HTTPException) as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, repr(error))
        except (ValueError, ParseError) as error:
            context.abort(grpc.StatusCode.INTERNAL, repr(error))
        finally:
            connection.close()


def _hang_up(connection: HTTPConnection) -> None:
    """Ends a connection even where another thread waits for its bytes."""
    with contextlib.suppress(OSError, AttributeError):  # it is closed already
        connection.sock.shutdown(socket.SHUT_RDWR)


def _refuse(response: HTTPResponse, context: Any) -> None:
    if response.status != _OK:
        error = json.loads(response.read())["error"]
        status = _STATUSES.get(response.status, grpc.StatusCode.UNKNOWN)
        context.abort(status, error["message"])
