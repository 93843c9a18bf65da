"""OpenAI's SDK: chat, responses, the older completions and embeddings, in every way of the SDK.

Versions differ in what they have (``responses``, ``parse`` outside ``beta``); what the installed
one lacks is no way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Final

import openai

from conformance import pictures
from conformance.clients import openai_calls as calls
from conformance.clients import openai_media as media
from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as rows
from flowspan.testing import FakeProvider

_MESSAGES: Final = [{"role": "user", "content": QUESTION}]
_USAGE: Final = {"stream_options": {"include_usage": True}}
_TOLD: Final[frozenset[Ability]] = frozenset({"cache", "reasoning", "tools", "refusal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Api:
    """One resource of the SDK.

    Attributes:
        resource: Where it is on a client.
        format: The wire format in the provider's ledger.
        operation: Of its spans.
        model: The model asked for.
        arguments: What else every call has.
        method: Its method.
        streamed: What makes a stream report its tokens; ``None`` where nothing is streamed.
        helpers: Whether there are ``parse`` and ``stream``.
        can: What its answers can have.
    """

    resource: str
    format: str
    operation: str
    model: str
    arguments: Mapping[str, Any]
    method: str = "create"
    streamed: Mapping[str, Any] | None = None
    helpers: bool = False
    can: frozenset[Ability] = field(default=frozenset())

    @property
    def known(self) -> dict[str, Any]:
        """The arguments of every call."""
        return {"model": self.model, **self.arguments}


_CHAT: Final = _Api(
    resource="chat.completions",
    format="openai.chat",
    operation="chat",
    model="gpt-4o",
    arguments={"messages": _MESSAGES},
    streamed=_USAGE,
    helpers=True,
    can=_TOLD | {"choices"},
)
_RESPONSES: Final = _Api(
    resource="responses",
    format="openai.responses",
    operation="chat",
    model="gpt-4o",
    arguments={"input": QUESTION},
    streamed={},
    helpers=True,
    can=_TOLD,
)
_COMPLETIONS: Final = _Api(
    resource="completions",
    format="openai.completions",
    operation="text_completion",
    model="gpt-3.5-turbo-instruct",
    arguments={"prompt": QUESTION},
    streamed=_USAGE,
    can=frozenset({"choices"}),
)
_EMBEDDINGS: Final = _Api(
    resource="embeddings",
    format="openai.embeddings",
    operation="embeddings",
    model="text-embedding-3-small",
    arguments={"input": QUESTION},
)
_APIS: Final = (
    _CHAT,
    _RESPONSES,
    _COMPLETIONS,
    _EMBEDDINGS,
)


# --- clients --------------------------------------------------------------------------------------


def _connect(provider: FakeProvider) -> openai.OpenAI:
    return openai.OpenAI(base_url=provider.openai_url, api_key="sk-test")


def _connect_async(provider: FakeProvider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=provider.openai_url, api_key="sk-test")


def _azure(provider: FakeProvider, **more: Any) -> openai.AzureOpenAI:
    place: dict[str, Any] = {"azure_endpoint": provider.url, "api_version": "2025-01-01"}
    return openai.AzureOpenAI(**place, api_key="test", **more)


def _azure_async(provider: FakeProvider, **more: Any) -> openai.AsyncAzureOpenAI:
    place: dict[str, Any] = {"azure_endpoint": provider.url, "api_version": "2025-01-01"}
    return openai.AsyncAzureOpenAI(**place, api_key="test", **more)


def _impatient(provider: FakeProvider) -> openai.OpenAI:
    return _connect(provider).with_options(timeout=PATIENCE_SECONDS, max_retries=0)


def _impatient_async(provider: FakeProvider) -> openai.AsyncOpenAI:
    return _connect_async(provider).with_options(timeout=PATIENCE_SECONDS, max_retries=0)


def _close(client: Any) -> Any:
    return client.close()


def _has(path: str) -> bool:
    """Whether the installed version's client has that."""
    client = openai.OpenAI(base_url="http://127.0.0.1", api_key="sk-test")
    try:
        attrgetter(path)(client)
    except AttributeError:
        return False
    finally:
        client.close()
    return True


# --- ways -----------------------------------------------------------------------------------------

_VARIANTS: Final = (
    ("", "", calls.whole, calls.stream),
    ("raw", "with_raw_response.", calls.raw, calls.raw_stream),
    ("streaming response", "with_streaming_response.", calls.entered, calls.lines),
)
"""Name, what stands before the method, and how it is called whole and streamed."""


_OF_OPENAI: Final = ((_connect, _impatient), (_connect_async, _impatient_async))
_OF_AZURE: Final = (
    (_azure, partial(_azure, timeout=PATIENCE_SECONDS, max_retries=0)),
    (_azure_async, partial(_azure_async, timeout=PATIENCE_SECONDS, max_retries=0)),
)
"""What makes a synchronous and an asynchronous client, and those that do not wait."""


def _paired(
    api: _Api,
    call: str,
    runs: calls.Runs,
    connects: Any = _OF_OPENAI,
    *,
    shows: calls.Runs | None = None,
    **more: Any,
) -> Iterator[Way]:
    shared: dict[str, Any] = {
        "call": call,
        "format": api.format,
        "operation": api.operation,
        "model": api.model,
        "disconnect": _close,
        "can": api.can,
        "tries": 2,
        **more,
    }
    for asynchronous, (run, (connect, impatient)) in enumerate(zip(runs, connects, strict=True)):
        yield Way(
            **shared,
            connect=connect,
            impatient=impatient,
            shows=None if shows is None else shows[asynchronous],
            run=run,
            asynchronous=bool(asynchronous),
        )


def _at_azure(api: _Api) -> Iterator[Way]:
    """The same methods of the clients for Azure, where the model is a deployment."""
    path = f"{api.resource}.{api.method}"
    shared: dict[str, Any] = {
        "call": f"AzureOpenAI.{path}",
        "connects": _OF_AZURE,
        "provider": "azure.ai.openai",
    }
    yield from _paired(api, runs=calls.whole(path, api.known), **shared)
    if api.streamed is not None:
        runs = calls.stream(path, {**api.known, **api.streamed, "stream": True})
        yield from _paired(api, runs=runs, stream=True, **shared)


def _plain(api: _Api) -> Iterator[Way]:
    call = f"{api.resource}.{api.method}"
    for variant, prefix, whole, streamed in _VARIANTS:
        path = f"{api.resource}.{prefix}{api.method}"
        seen = pictures.shows(api.format, api.known, partial(whole, path))
        yield from _paired(api, call, whole(path, api.known), shows=seen, variant=variant)
        if api.streamed is not None:
            runs = streamed(path, {**api.known, **api.streamed, "stream": True})
            yield from _paired(api, call, runs, variant=variant, stream=True)


def _helped(api: _Api) -> Iterator[Way]:
    """``parse``, which takes any text where it is told of no class, and ``stream``."""
    streamed = {**api.known, **(api.streamed or {})}
    if parse := _place_of(f"{api.resource}.parse"):
        yield from _paired(api, parse, calls.whole(parse, api.known))
    if stream := _place_of(f"{api.resource}.stream"):
        yield from _paired(api, stream, calls.helper(stream, streamed), stream=True)


def _place_of(path: str) -> str | None:
    """Where the installed version has it: at its own place, or still under ``beta``."""
    return next(filter(_has, (path, f"beta.{path}")), None)


def _ways() -> Iterator[Way]:
    for api in _APIS:
        if not _has(api.resource):
            continue
        yield from _plain(api)
        if api.helpers:
            yield from _helped(api)
    for api in (_CHAT, _EMBEDDINGS):
        yield from _at_azure(api)
    yield from media.ways((_connect, _connect_async), _close)


def _closes() -> bool:
    """Whether a stream with an event that cannot be read is closed: before 2.8 it is not."""
    major, minor = openai.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (2, 8)


CLIENT: Final = Client(
    name="openai",
    module="openai",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=tuple(_ways()),
    closes_broken=_closes(),
)
