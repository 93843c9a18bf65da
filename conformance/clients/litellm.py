"""litellm, asking an OpenAI-like provider by OpenAI's SDK and Anthropic's by plain HTTP."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices at import

import litellm
import openai as openai_sdk

from conformance.vocabulary import PATIENCE_SECONDS, QUESTION, Ability, Client, Opened, Way
from flowspan.instrumentation.clients import anthropic, bodies, http, openai
from flowspan.instrumentation.clients import litellm as rows
from flowspan.testing import FakeProvider

litellm.suppress_debug_info = True

Arguments = dict[str, Any]
Connect = Callable[[FakeProvider], Arguments]

_MESSAGES: Final = [{"role": "user", "content": QUESTION}]
_CHAT: Final[Arguments] = {"model": "openai/gpt-4o", "messages": _MESSAGES}
_CLAUDE: Final[Arguments] = {
    "model": "anthropic/claude-sonnet-4-5",
    "messages": _MESSAGES,
    "max_tokens": 100,
}
_TEXT: Final[Arguments] = {
    "model": "text-completion-openai/gpt-3.5-turbo-instruct",
    "prompt": QUESTION,
}
_INPUT: Final[Arguments] = {"model": "openai/text-embedding-3-small", "input": [QUESTION]}
_RESPONSE: Final[Arguments] = {"model": "openai/gpt-4o", "input": QUESTION}
_STREAM: Final[Arguments] = {"stream": True}
_WITH_USAGE: Final[Arguments] = {"stream": True, "stream_options": {"include_usage": True}}
_IMPATIENT: Final[Arguments] = {"timeout": PATIENCE_SECONDS, "max_retries": 0, "num_retries": 0}

_LOOPS: Final[list[asyncio.AbstractEventLoop]] = []
"""Event loops of synchronous calls under way."""


def _openai(provider: FakeProvider) -> Arguments:
    return {"api_base": provider.openai_url, "api_key": "sk-test"}


def _anthropic(provider: FakeProvider) -> Arguments:
    return {"api_base": f"{provider.anthropic_url}/v1/messages", "api_key": "sk-test"}


def _opened(stream: Any, *ways: Any) -> Opened:
    """A stream that litellm does not hold: until it removed that, it kept its latest call."""
    getattr(litellm, "error_logs", {}).clear()
    return Opened(stream, *ways)


def _whole(name: str, arguments: Arguments) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def run(where: Arguments) -> Any:
        return getattr(litellm, name)(**arguments, **where)

    async def run_async(where: Arguments) -> Any:
        return await getattr(litellm, f"a{name}")(**arguments, **where)

    return run, run_async


def _streamed(name: str, arguments: Arguments) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def run(where: Arguments) -> Opened:
        stream = getattr(litellm, name)(**arguments, **where)
        return _opened(stream, stream.__iter__)

    async def run_async(where: Arguments) -> Opened:
        stream = await getattr(litellm, f"a{name}")(**arguments, **where)
        return _opened(stream, stream.__aiter__, getattr(stream, "aclose", None))

    return run, run_async


def _router(connected: Connect, model: Arguments) -> Callable[[FakeProvider], litellm.Router]:
    def connect(provider: FakeProvider) -> litellm.Router:
        deployment = {"model": model["model"], **connected(provider)}
        return litellm.Router(
            model_list=[{"model_name": "storyteller", "litellm_params": deployment}], num_retries=0
        )

    return connect


def _routed(stream: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:  # noqa: FBT001 - one of two
    more = _WITH_USAGE if stream else {}

    def run(router: litellm.Router) -> Any:
        found = router.completion(model="storyteller", messages=_MESSAGES, **more)
        return _opened(found, found.__iter__) if stream else found

    async def run_async(router: litellm.Router) -> Any:
        found: Any = await router.acompletion(model="storyteller", messages=_MESSAGES, **more)
        return _opened(found, found.__aiter__, getattr(found, "aclose", None)) if stream else found

    return run, run_async


def _own(kind: type[Any], *, hasty: bool = False) -> Connect:
    """With a client of the program's own: those that it makes for texts litellm never closes."""

    def connect(provider: FakeProvider) -> Arguments:
        more: Any = {"timeout": PATIENCE_SECONDS, "max_retries": 0} if hasty else {}
        client = kind(base_url=provider.openai_url, api_key="sk-test", **more)
        return {**_openai(provider), "client": client}

    return connect


def _impatient(connected: Connect) -> Connect:
    return lambda provider: {**connected(provider), **_IMPATIENT}


def _with_loop(connect: Callable[[FakeProvider], Any]) -> Callable[[FakeProvider], Any]:
    """With an event loop that stands still, as a program between two of its tasks has one.

    litellm asks for the current one in synchronous calls as well.  Where there is none, Python
    before 3.14 makes one then, which nobody closes.
    """

    def connected(provider: FakeProvider) -> Any:
        _LOOPS.append(asyncio.new_event_loop())
        asyncio.set_event_loop(_LOOPS[-1])
        return connect(provider)

    return connected


def _clients(name: str) -> list[Any]:
    """What litellm keeps to ask with, out of its hands: in a cache, and one for all.

    It never closes them, and a stream that was not read to its end stays open with them.
    """
    kept = litellm.in_memory_llm_clients_cache
    shared = getattr(litellm, name)
    found = [*kept.cache_dict.values(), shared]
    kept.flush_cache()
    setattr(litellm, name, type(shared)())
    return [client for client in found if hasattr(client, "close")]


def _given(where: Any) -> list[Any]:
    if isinstance(where, litellm.Router):  # which in 1.60 made clients, and kept them, by itself
        kept = where.cache.in_memory_cache.cache_dict.values()
        return [client for client in kept if hasattr(client, "close")]
    return [where["client"]] if isinstance(where, dict) and "client" in where else []


def _disconnect(where: Any) -> None:
    for client in (*_given(where), *_clients("module_level_client")):
        if not inspect.iscoroutinefunction(client.close):
            client.close()
    _LOOPS.pop().close()
    asyncio.set_event_loop(None)


async def _disconnect_async(where: Any) -> None:
    for client in (*_given(where), *_clients("module_level_aclient")):
        if inspect.isawaitable(closing := client.close()):
            await closing


def _pair(
    runs: tuple[Callable[..., Any], Callable[..., Any]],
    connect: Any,
    impatient: Any = None,
    **more: Any,
) -> Iterator[Way]:
    connects = connect if isinstance(connect, tuple) else (connect, connect)
    hasty = impatient or tuple(_impatient(each) for each in connects)
    timed = more["operation"] != "embeddings"  # which are not sent piece by piece
    yield Way(
        run=runs[0],
        connect=_with_loop(connects[0]),
        impatient=_with_loop(hasty[0]) if timed else None,
        disconnect=_disconnect,
        **more,
    )
    yield Way(
        run=runs[1],
        connect=connects[1],
        impatient=hasty[1] if timed else None,
        asynchronous=True,
        disconnect=_disconnect_async,
        **more,
    )


def _chats() -> Iterator[Way]:
    can: frozenset[Ability] = frozenset({"cache", "reasoning", "tools", "choices", "refusal"})
    openai_like: dict[str, Any] = {
        "call": "completion",
        "format": "openai.chat",
        "operation": "chat",
        "model": "gpt-4o",
        "can": can,
        "tries": 2,
    }
    yield from _pair(_whole("completion", _CHAT), _openai, **openai_like)
    asked = _streamed("completion", {**_CHAT, **_WITH_USAGE})
    yield from _pair(asked, _openai, stream=True, **openai_like)
    silent = _streamed("completion", {**_CHAT, **_STREAM})
    unasked: dict[str, Any] = {**openai_like, "variant": "no usage asked", "reports": False}
    yield from _pair(silent, _openai, stream=True, **unasked)
    claude: dict[str, Any] = {
        "call": "completion",
        "format": "anthropic.messages",
        "operation": "chat",
        "model": "claude-sonnet-4-5",
        "can": frozenset({"cache", "tools"}),
        "variant": "anthropic",
    }
    yield from _pair(_whole("completion", _CLAUDE), _anthropic, **claude)
    yield from _pair(
        _streamed("completion", {**_CLAUDE, **_STREAM}), _anthropic, stream=True, **claude
    )
    routed: dict[str, Any] = {**openai_like, "call": "Router.completion"}
    routers = (_router(_openai, _CHAT), (_router(_impatient(_openai), _CHAT),) * 2)
    yield from _pair(_routed(stream=False), *routers, **routed)
    yield from _pair(_routed(stream=True), *routers, stream=True, **routed)


def _others() -> Iterator[Way]:
    text: dict[str, Any] = {
        "call": "text_completion",
        "format": "openai.completions",
        "operation": "text_completion",
        "model": "gpt-3.5-turbo-instruct",
        "tries": 2,
    }
    kinds = (openai_sdk.OpenAI, openai_sdk.AsyncOpenAI)
    own = (
        tuple(_own(kind) for kind in kinds),
        tuple(_own(kind, hasty=True) for kind in kinds),
    )
    yield from _pair(_whole("text_completion", _TEXT), *own, **text)
    yield from _pair(
        _streamed("text_completion", {**_TEXT, **_STREAM}),
        *own,
        stream=True,
        reports=False,
        lazy=True,
        **text,
    )
    vector: dict[str, Any] = {
        "call": "embedding",
        "format": "openai.embeddings",
        "operation": "embeddings",
        "model": "text-embedding-3-small",
        "tries": 2,
    }
    yield from _pair(_whole("embedding", _INPUT), _openai, **vector)
    if not hasattr(litellm, "aresponses"):
        return
    answer: dict[str, Any] = {
        "call": "responses",
        "format": "openai.responses",
        "operation": "chat",
        "model": "gpt-4o",
        "can": frozenset({"cache", "reasoning", "tools"}),
    }
    yield from _pair(_whole("responses", _RESPONSE), _openai, **answer)
    streamed = _streamed("responses", {**_RESPONSE, **_STREAM})
    yield from _pair(streamed, _openai, stream=True, **answer)
    bridged: dict[str, Any] = {
        **answer,
        "format": "anthropic.messages",
        "model": "claude-sonnet-4-5",
        "variant": "anthropic",
        "can": frozenset({"tools"}),
    }
    claude = {"model": _CLAUDE["model"], "input": QUESTION, "max_output_tokens": 100}
    yield from _pair(_whole("responses", claude), _anthropic, **bridged)
    yield from _pair(
        _streamed("responses", {**claude, **_STREAM}), _anthropic, stream=True, **bridged
    )


CLIENT: Final = Client(
    name="litellm",
    module="litellm",
    integrations=(
        rows.INTEGRATION,
        openai.INTEGRATION,
        anthropic.INTEGRATION,
        *http.INTEGRATIONS,
        *bodies.INTEGRATIONS,
    ),
    ways=(*_chats(), *_others()),
)
