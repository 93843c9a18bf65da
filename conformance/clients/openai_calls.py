"""How methods of OpenAI's SDK are called: whole, raw, streamed, in sync and in async programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from conformance.vocabulary import Opened

Run = Callable[[Any], Any]
Runs = tuple[Run, Run]
"""The same for a synchronous and for an asynchronous client."""


def whole(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method, which gives the answer."""

    def run(client: Any) -> Any:
        return _called(client, path, arguments)

    async def run_async(client: Any) -> Any:
        return await _called(client, path, arguments)

    return run, run_async


def raw(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method of ``with_raw_response``, whose response the program parses."""

    def run(client: Any) -> Any:
        return _called(client, path, arguments).parse()

    async def run_async(client: Any) -> Any:
        return (await _called(client, path, arguments)).parse()

    return run, run_async


def entered(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method of ``with_streaming_response``, whose response is parsed in its block."""

    def run(client: Any) -> Any:
        with _called(client, path, arguments) as response:
            return response.parse()

    async def run_async(client: Any) -> Any:
        async with _called(client, path, arguments) as response:
            return await response.parse()

    return run, run_async


def stream(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method that is asked for a stream."""

    def run(client: Any) -> Opened:
        stream = _called(client, path, arguments)
        return Opened(stream, stream.__iter__, stream.close)

    async def run_async(client: Any) -> Opened:
        stream = await _called(client, path, arguments)
        return Opened(stream, stream.__aiter__, stream.close)

    return run, run_async


def raw_stream(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method of ``with_raw_response`` for a stream."""

    def run(client: Any) -> Opened:
        stream = _called(client, path, arguments).parse()
        return Opened(stream, stream.__iter__, stream.close)

    async def run_async(client: Any) -> Opened:
        stream = (await _called(client, path, arguments)).parse()
        return Opened(stream, stream.__aiter__, stream.close)

    return run, run_async


def lines(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method of ``with_streaming_response`` for a stream, which is read by line."""

    def run(client: Any) -> Opened:
        response = _called(client, path, arguments).__enter__()
        return Opened(response, response.iter_lines, response.close)

    async def run_async(client: Any) -> Opened:
        response = await _called(client, path, arguments).__aenter__()
        return Opened(response, response.iter_lines, response.close)

    return run, run_async


def helper(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Enters what the ``stream`` helpers give."""

    def run(client: Any) -> Opened:
        stream = _called(client, path, arguments).__enter__()
        return Opened(stream, stream.__iter__, stream.close)

    async def run_async(client: Any) -> Opened:
        stream = await _called(client, path, arguments).__aenter__()
        return Opened(stream, stream.__aiter__, stream.close)

    return run, run_async


def content(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method that gives bytes, which the program then takes."""

    def run(client: Any) -> Any:
        return _called(client, path, arguments).content

    async def run_async(client: Any) -> Any:
        return (await _called(client, path, arguments)).content

    return run, run_async


def pieces(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method of ``with_streaming_response``, whose bytes are read as they come."""

    def run(client: Any) -> Opened:
        response = _called(client, path, arguments).__enter__()
        return Opened(response, response.iter_bytes, response.close)

    async def run_async(client: Any) -> Opened:
        response = await _called(client, path, arguments).__aenter__()
        return Opened(response, response.iter_bytes, response.close)

    return run, run_async


def _called(client: Any, path: str, arguments: Mapping[str, Any]) -> Any:
    return attrgetter(path)(client)(**arguments)
