"""Cohere's SDK: chat, generate and embeddings of both versions of its API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import cohere

from conformance.pictures import shows
from conformance.running import Connects, generator, paired, whole
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import cohere as rows
from flowspan.testing import FakeProvider

_MODEL: Final = "command-a-03-2025"
_OLDER: Final = "command-r-08-2024"
_VECTORS: Final = "embed-v4.0"
_V2: Final = "ClientV2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    """A call of one version of the API.

    Attributes:
        call: Its method.
        client: Name of the client's class.
        format: In the ledger.
        operation: Of its spans.
        model: The model asked for.
        arguments: What else every call has.
        streams: Whether there is a ``…_stream``.
        reports: Whether such a stream says its tokens.
        can: What its answers can have.
    """

    call: str
    client: str
    format: str
    operation: str
    model: str
    arguments: dict[str, Any]
    streams: bool = True
    reports: bool = True
    can: frozenset[Ability] = frozenset()


_APIS: Final = (
    _Api(
        call="chat",
        client=_V2,
        format="cohere.chat",
        operation="chat",
        model=_MODEL,
        arguments={"messages": [{"role": "user", "content": QUESTION}]},
        can=frozenset({"tools"}),
    ),
    _Api(
        call="embed",
        client=_V2,
        format="cohere.embed",
        operation="embeddings",
        model=_VECTORS,
        arguments={
            "texts": [QUESTION],
            "input_type": "search_query",
            "embedding_types": ["float"],
        },
        streams=False,
    ),
    _Api(
        call="chat",
        client="Client",
        format="cohere.v1.chat",
        operation="chat",
        model=_OLDER,
        arguments={"message": QUESTION},
        can=frozenset({"tools"}),
    ),
    _Api(
        call="generate",
        client="Client",
        format="cohere.generate",
        operation="text_completion",
        model="command",
        arguments={"prompt": QUESTION},
        reports=False,
    ),
    _Api(
        call="embed",
        client="Client",
        format="cohere.embed",
        operation="embeddings",
        model=_VECTORS,
        arguments={"texts": [QUESTION], "input_type": "search_query"},
        streams=False,
    ),
)


def _connects(name: str, **options: Any) -> Connects:
    """What makes the sync and the async client of a version."""

    def connect(provider: FakeProvider) -> Any:
        return getattr(cohere, name)(api_key="test", base_url=provider.url, **options)

    def connect_async(provider: FakeProvider) -> Any:
        return getattr(cohere, f"Async{name}")(api_key="test", base_url=provider.url, **options)

    return connect, connect_async


def _close(client: Any) -> Any:
    """The SDK has no method for it."""
    http_client = client._client_wrapper.httpx_client.httpx_client  # noqa: SLF001
    return http_client.aclose() if hasattr(http_client, "aclose") else http_client.close()


def _ways() -> Iterator[Way]:
    for api in _APIS:
        if not hasattr(cohere, api.client):
            continue
        owner = getattr(cohere, api.client)
        shared: dict[str, Any] = {
            "format": api.format,
            "operation": api.operation,
            "model": api.model,
            "can": api.can,
            "disconnect": _close,
            "tries": 2,
            # A stream that stands still is not tried again, and neither is what timed out.
            "impatient": _connects(api.client, timeout=PATIENCE_SECONDS),
            "variant": "v2" if api.client == _V2 else "",
        }
        arguments = {"model": api.model, **api.arguments}
        connects = _connects(api.client)
        if hasattr(owner, api.call):
            seen = shows(api.format, arguments, partial(whole, api.call))
            yield from paired(
                whole(api.call, arguments), connects, call=api.call, shows=seen, **shared
            )
        streamed = f"{api.call}_stream"
        if api.streams and hasattr(owner, streamed):
            runs = generator(streamed, arguments)
            more = {**shared, "stream": True, "reports": api.reports, "tries": 1, "lazy": True}
            yield from paired(runs, connects, call=streamed, **more)


CLIENT: Final = Client(
    name="cohere",
    module="cohere",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
)
