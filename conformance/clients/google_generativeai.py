"""Google's older SDK: content, chats and embeddings, over gRPC and over REST."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that it is at its end, and what it will not support
    import google.generativeai as sdk
    from google.ai.generativelanguage_v1beta.services.generative_service import (
        GenerativeServiceAsyncClient,
        GenerativeServiceClient,
        transports,
    )

from conformance.gemini_over_grpc import Gateway
from conformance.vocabulary import QUESTION, Ability, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import google_generativeai as rows
from flowspan.testing import FakeProvider

_MODEL: Final = "gemini-2.5-flash"
_EMBEDDER: Final = "text-embedding-004"
_CONTENT: Final[dict[str, Any]] = {
    "format": "gemini.generate_content",
    "operation": "generate_content",
    "model": _MODEL,
    "can": frozenset[Ability]({"cache", "reasoning", "tools", "choices", "refusal"}),
}
_EMBEDDINGS: Final[dict[str, Any]] = {
    "call": "embed_content",
    "format": "gemini.embeddings",
    "operation": "embeddings",
    "model": _EMBEDDER,
    # The SDK's messages are older than the counts of embeddings.
    "reports": False,
}


# --- clients --------------------------------------------------------------------------------------


class Service:
    """What the SDK would have made by itself for Google's own address, for the provider's.

    An asynchronous channel belongs to the loop that runs when it is made.
    """

    def __init__(self, provider: FakeProvider) -> None:
        self.gateway = Gateway(provider.gemini_url)
        self.channel = grpc.insecure_channel(self.gateway.address)
        transport = transports.GenerativeServiceGrpcTransport(channel=self.channel)
        self.client = GenerativeServiceClient(transport=transport)
        self.async_channel: Any = None

    @property
    def model(self) -> sdk.GenerativeModel:
        """A model of the SDK that asks the service."""
        model = sdk.GenerativeModel(_MODEL)
        model._client = self.client  # noqa: SLF001 - else it makes one for Google's address
        return model

    @property
    def async_client(self) -> GenerativeServiceAsyncClient:
        """The service's asynchronous client, for the loop that is running."""
        self.async_channel = grpc.aio.insecure_channel(self.gateway.address)
        transport = transports.GenerativeServiceGrpcAsyncIOTransport(channel=self.async_channel)
        return GenerativeServiceAsyncClient(transport=transport)

    @property
    def async_model(self) -> sdk.GenerativeModel:
        """A model that asks the service asynchronously."""
        model = sdk.GenerativeModel(_MODEL)
        model._async_client = self.async_client  # noqa: SLF001 - likewise
        return model

    def close(self) -> None:
        """Gives the synchronous channel back and ends the service."""
        self.channel.close()
        self.gateway.close()

    async def aclose(self) -> None:
        """The same, after the asynchronous channel."""
        if self.async_channel is not None:
            await self.async_channel.close()
        self.close()


class Rest:
    """The SDK as its users configure it for REST."""

    def __init__(self, provider: FakeProvider) -> None:
        sdk.configure(
            api_key="gemini-test",
            transport="rest",
            client_options={"api_endpoint": provider.gemini_url},
        )
        self.model = sdk.GenerativeModel(_MODEL)
        self.client = None

    def close(self) -> None:
        """Leaves the SDK as it is without being configured for a test."""
        sdk.configure(api_key="gemini-test")


def _close(service: Any) -> Any:
    return service.close()


def _close_async(service: Any) -> Any:
    return service.aclose()


# --- calls ----------------------------------------------------------------------------------------


def _generate(service: Any) -> Any:
    return service.model.generate_content(QUESTION)


async def _generate_async(service: Any) -> Any:
    return await service.async_model.generate_content_async(QUESTION)


def _generate_stream(service: Any) -> Opened:
    response = service.model.generate_content(QUESTION, stream=True)
    return Opened(response, response.__iter__)


async def _generate_stream_async(service: Any) -> Opened:
    response = await service.async_model.generate_content_async(QUESTION, stream=True)
    return Opened(response, response.__aiter__)


def _send(service: Any) -> Any:
    return service.model.start_chat().send_message(QUESTION)


async def _send_async(service: Any) -> Any:
    return await service.async_model.start_chat().send_message_async(QUESTION)


def _send_stream(service: Any) -> Opened:
    response = service.model.start_chat().send_message(QUESTION, stream=True)
    return Opened(response, response.__iter__)


async def _send_stream_async(service: Any) -> Opened:
    response = await service.async_model.start_chat().send_message_async(QUESTION, stream=True)
    return Opened(response, response.__aiter__)


def _embed(service: Any) -> Any:
    return sdk.embed_content(f"models/{_EMBEDDER}", QUESTION, client=service.client)


async def _embed_async(service: Any) -> Any:
    client = service.async_client
    return await sdk.embed_content_async(f"models/{_EMBEDDER}", QUESTION, client=client)


# --- ways -----------------------------------------------------------------------------------------

_Run = Callable[[Any], Any]


def _calls() -> Iterator[tuple[_Run, _Run, dict[str, Any]]]:
    yield _generate, _generate_async, {"call": "generate_content", **_CONTENT}
    streamed = {"stream": True, **_CONTENT}
    yield _generate_stream, _generate_stream_async, {"call": "generate_content", **streamed}
    yield _send, _send_async, {"call": "chat.send_message", **_CONTENT}
    yield _send_stream, _send_stream_async, {"call": "chat.send_message", **streamed}
    yield _embed, _embed_async, _EMBEDDINGS


def _ways() -> Iterator[Way]:
    for run, run_async, shared in _calls():
        yield Way(connect=Service, run=run, disconnect=_close, **shared)
        yield Way(
            connect=Service, run=run_async, disconnect=_close_async, asynchronous=True, **shared
        )
        yield Way(connect=Rest, run=run, disconnect=_close, variant="rest", **shared)


CLIENT = Client(
    name="google-generativeai",
    module="google.generativeai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
)
