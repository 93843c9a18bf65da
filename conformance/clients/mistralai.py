"""Mistral's SDK: chat, agents, completions of code and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from operator import attrgetter
from typing import Any, Final

from conformance.pictures import shows
from conformance.running import Runs, paired, whole
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Opened, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import mistralai as rows
from flowspan.testing import FakeProvider

try:
    from mistralai.client import Mistral
except ImportError:  # before version 2
    from mistralai import Mistral  # type: ignore[attr-defined, no-redef]

__all__ = ["CLIENT", "Mistral"]

_MESSAGES: Final = [{"role": "user", "content": QUESTION}]
_CHAT_CAN: Final[frozenset[Ability]] = frozenset({"cache", "tools", "choices"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    """One resource of the SDK.

    Attributes:
        resource: Its name on a client, and in the ledger.
        operation: Of its spans.
        model: The model asked for; none where only an agent is named.
        arguments: Of every call.
        method: What makes a call; streams are ``stream``.
        streams: Whether there are any.
        can: What its answers can have.
    """

    resource: str
    operation: str
    model: str
    arguments: Mapping[str, Any]
    method: str = "complete"
    streams: bool = True
    can: frozenset[Ability] = _CHAT_CAN


_APIS: Final = (
    _Api(
        resource="chat",
        operation="chat",
        model="mistral-small-latest",
        arguments={"model": "mistral-small-latest", "messages": _MESSAGES},
    ),
    _Api(
        resource="agents",
        operation="chat",
        model="",
        arguments={"agent_id": "ag:1", "messages": _MESSAGES},
    ),
    _Api(
        resource="fim",
        operation="text_completion",
        model="codestral-latest",
        arguments={"model": "codestral-latest", "prompt": QUESTION},
        can=frozenset(),
    ),
    _Api(
        resource="embeddings",
        operation="embeddings",
        model="mistral-embed",
        arguments={"model": "mistral-embed", "inputs": QUESTION},
        method="create",
        streams=False,
        can=frozenset(),
    ),
)


def _connect(provider: FakeProvider) -> Any:
    return Mistral(api_key="test", server_url=provider.mistral_url)


def _impatient(provider: FakeProvider) -> Any:
    patience = int(PATIENCE_SECONDS * 1000)
    return Mistral(api_key="test", server_url=provider.mistral_url, timeout_ms=patience)


def _close(client: Any) -> Any:
    """The client has no method for it: it closes what it made when it is left or dropped."""
    return client.__exit__(None, None, None)


async def _close_async(client: Any) -> None:
    await client.__aexit__(None, None, None)


def _stream(path: str, arguments: Mapping[str, Any]) -> Runs:
    def run(client: Any) -> Opened:
        stream = attrgetter(path)(client)(**arguments)
        return Opened(stream, stream.__iter__, lambda: stream.__exit__(None, None, None))

    async def run_async(client: Any) -> Opened:
        stream = await attrgetter(f"{path}_async")(client)(**arguments)
        return Opened(stream, stream.__aiter__, lambda: stream.__aexit__(None, None, None))

    return run, run_async


def _pair(api: _Api, runs: Runs, method: str, **more: Any) -> Iterator[Way]:
    ways = paired(
        runs,
        (_connect, _connect),
        impatient=(_impatient, _impatient),
        call=f"{api.resource}.{method}",
        format=f"mistral.{api.resource}",
        operation=api.operation,
        model=api.model,
        can=api.can,
        provider="mistral_ai",
        **more,
    )
    closers: tuple[Callable[[Any], Any], ...] = (_close, _close_async)
    for way, disconnect in zip(ways, closers, strict=True):
        yield Way(**{**_fields(way), "disconnect": disconnect})


def _fields(way: Way) -> dict[str, Any]:
    return {name: getattr(way, name) for name in way.__dataclass_fields__}


def _ways() -> Iterator[Way]:
    for api in _APIS:
        path = f"{api.resource}.{api.method}"
        runs = whole(path, api.arguments, async_path=f"{path}_async")
        asks = partial(whole, path, async_path=f"{path}_async")
        seen = shows(f"mistral.{api.resource}", api.arguments, asks)
        yield from _pair(api, runs, api.method, shows=seen)
        if api.streams:
            streamed = _stream(f"{api.resource}.stream", api.arguments)
            yield from _pair(api, streamed, "stream", stream=True)


CLIENT: Final = Client(
    name="mistralai",
    module="mistralai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
    closes_broken=int(version("mistralai").partition(".")[0]) > 1,
)
