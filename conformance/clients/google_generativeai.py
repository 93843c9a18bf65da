"""Google's older SDK: content, chats and embeddings, over gRPC and over REST."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import google.generativeai as sdk
import grpc
from google.ai.generativelanguage_v1beta.services.generative_service import (
    GenerativeServiceAsyncClient,
    GenerativeServiceClient,
    transports,
)
from google.api_core.exceptions import ServiceUnavailable
from google.api_core.retry import AsyncRetry, Retry

from conformance.gemini_over_grpc import Gateway
from conformance.pictures import PICTURE
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import google_generativeai as rows
from flowspan.testing import FakeProvider

_MODEL: Final = "gemini-2.5-flash"
_SHOWN: Final = [QUESTION, {"mime_type": "image/png", "data": PICTURE}]
_EMBEDDER: Final = "text-embedding-004"
_CONTENT: Final[dict[str, Any]] = {
    "format": "gemini.generate_content",
    "operation": "generate_content",
    "model": _MODEL,
    "can": frozenset[Ability]({"cache", "reasoning", "tools", "choices", "refusal"}),
    # They are older than the ids of answers, too.
    "identified": False,
    "tries": 2,
}
_EMBEDDINGS: Final[dict[str, Any]] = {
    "call": "embed_content",
    "format": "gemini.embeddings",
    "operation": "embeddings",
    "model": _EMBEDDER,
    # The SDK's messages are older than the counts of embeddings.
    "reports": False,
    "identified": False,
}


# --- trying again ------------------------------------------------------------------------------


class _Overloaded:
    """Tells whether to try again: twice for each client, and not for a minute as the SDK would."""

    def __init__(self) -> None:
        self._left = 2

    def __call__(self, error: BaseException) -> bool:
        """Whether that failure is to be tried again."""
        self._left -= isinstance(error, ServiceUnavailable)
        return isinstance(error, ServiceUnavailable) and self._left >= 0


def _retries(kind: type[Retry | AsyncRetry]) -> dict[str, Any]:
    """Options of requests, as the SDK's users give them: soon, and not often."""
    return {"retry": kind(predicate=_Overloaded(), initial=0.01, maximum=0.01)}


# --- clients --------------------------------------------------------------------------------------


class Service:
    """What the SDK would have made by itself for Google's own address, for the provider's.

    An asynchronous channel belongs to the loop that runs when it is made.

    Attributes:
        options: Of each request, as the SDK's users give them.
        client: The service's client.
    """

    def __init__(
        self, provider: FakeProvider, kind: type[Retry | AsyncRetry] = Retry, **options: Any
    ) -> None:
        """Serves the provider over gRPC."""
        self.options = {**_retries(kind), **options}
        self._address = provider.gemini_url.partition("//")[2]
        self._gateway = Gateway(self._address)
        self._channel = grpc.insecure_channel(self._gateway.address)
        transport = transports.GenerativeServiceGrpcTransport(
            channel=self._channel, host=self._address
        )
        self.client = GenerativeServiceClient(transport=transport)
        self._async_channel: Any = None

    @property
    def model(self) -> Any:
        """A model of the SDK that asks the service."""
        model: Any = sdk.GenerativeModel(_MODEL)
        model._client = self.client  # noqa: SLF001 - else it makes one for Google's address
        return model

    @property
    def async_client(self) -> GenerativeServiceAsyncClient:
        """The service's asynchronous client, for the loop that is running."""
        self._async_channel = grpc.aio.insecure_channel(self._gateway.address)
        transport = transports.GenerativeServiceGrpcAsyncIOTransport(
            channel=self._async_channel, host=self._address
        )
        return GenerativeServiceAsyncClient(transport=transport)

    @property
    def async_model(self) -> Any:
        """A model that asks the service asynchronously."""
        model: Any = sdk.GenerativeModel(_MODEL)
        model._async_client = self.async_client  # noqa: SLF001 - likewise
        return model

    def close(self) -> None:
        """Gives the synchronous channel back and ends the service."""
        self._channel.close()
        self._gateway.close()

    async def aclose(self) -> None:
        """The same, after the asynchronous channel."""
        if self._async_channel is not None:
            await self._async_channel.close()
        self.close()


class Rest:
    """The SDK as its users configure it for REST.

    Attributes:
        options: Of each request, as the SDK's users give them.
        client: ``None``: the SDK has its own.
        model: A model of the SDK.
    """

    def __init__(self, provider: FakeProvider, **options: Any) -> None:
        """Leads the SDK to the provider."""
        sdk.configure(
            api_key="gemini-test",
            transport="rest",
            client_options={"api_endpoint": provider.gemini_url},
        )
        self.options = {**_retries(Retry), **options}
        self.client = None
        self.model: Any = sdk.GenerativeModel(_MODEL)

    def close(self) -> None:
        """Leaves the SDK as it is without being configured for a test."""
        sdk.configure(api_key="gemini-test")


_IMPATIENT: Final[dict[str, Any]] = {"timeout": PATIENCE_SECONDS, "retry": None}


def _hurried(connect: Callable[..., Any]) -> Callable[[FakeProvider], Any]:
    return partial(connect, **_IMPATIENT)


def _close(service: Any) -> Any:
    return service.close()


def _close_async(service: Any) -> Any:
    return service.aclose()


# --- calls ----------------------------------------------------------------------------------------


def _generate(service: Any, contents: Any = QUESTION) -> Any:
    return service.model.generate_content(contents, request_options=service.options)


async def _generate_async(service: Any, contents: Any = QUESTION) -> Any:
    return await service.async_model.generate_content_async(
        contents, request_options=service.options
    )


def _generate_stream(service: Any) -> Opened:
    response = service.model.generate_content(
        QUESTION, stream=True, request_options=service.options
    )
    return Opened(response, response.__iter__)


async def _generate_stream_async(service: Any) -> Opened:
    response = await service.async_model.generate_content_async(
        QUESTION, stream=True, request_options=service.options
    )
    return Opened(response, response.__aiter__)


def _send(service: Any) -> Any:
    return service.model.start_chat().send_message(QUESTION, request_options=service.options)


async def _send_async(service: Any) -> Any:
    return await service.async_model.start_chat().send_message_async(
        QUESTION, request_options=service.options
    )


def _send_stream(service: Any) -> Opened:
    response = service.model.start_chat().send_message(
        QUESTION, stream=True, request_options=service.options
    )
    return Opened(response, response.__iter__)


async def _send_stream_async(service: Any) -> Opened:
    response = await service.async_model.start_chat().send_message_async(
        QUESTION, stream=True, request_options=service.options
    )
    return Opened(response, response.__aiter__)


def _embed(service: Any) -> Any:
    return sdk.embed_content(
        f"models/{_EMBEDDER}", QUESTION, client=service.client, request_options=service.options
    )


async def _embed_async(service: Any) -> Any:
    client = service.async_client
    return await sdk.embed_content_async(
        f"models/{_EMBEDDER}", QUESTION, client=client, request_options=service.options
    )


# --- ways -----------------------------------------------------------------------------------------

_Run = Callable[[Any], Any]


def _calls() -> Iterator[tuple[_Run, _Run, dict[str, Any]]]:
    yield _generate, _generate_async, {"call": "generate_content", **_CONTENT}
    streamed = {"stream": True, "ahead": True, **_CONTENT}
    yield _generate_stream, _generate_stream_async, {"call": "generate_content", **streamed}
    yield _send, _send_async, {"call": "chat.send_message", **_CONTENT}
    yield _send_stream, _send_stream_async, {"call": "chat.send_message", **streamed}
    yield _embed, _embed_async, _EMBEDDINGS


def _ways() -> Iterator[Way]:
    for run, run_async, shared in _calls():
        over_grpc = {"impatient": _hurried(Service), "plain": False, **shared}
        seen = run is _generate
        yield Way(
            run=run,
            shows=partial(_generate, contents=_SHOWN) if seen else None,
            connect=Service,
            disconnect=_close,
            **over_grpc,
        )
        yield Way(
            run=run_async,
            shows=partial(_generate_async, contents=_SHOWN) if seen else None,
            connect=partial(Service, kind=AsyncRetry),
            disconnect=_close_async,
            asynchronous=True,
            keeps="connection",
            **over_grpc,
        )
        # Of a stream over REST that is left, the SDK leaves the socket to the collector.
        if "stream" not in shared:
            over_rest = {"connect": Rest, "impatient": _hurried(Rest), **shared}
            yield Way(run=run, disconnect=_close, variant="rest", **over_rest)


CLIENT = Client(
    name="google-generativeai",
    module="google.generativeai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
)
