"""How methods of a client are called, whole and streamed, by a sync and by an async program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from conformance.vocabulary import Opened, Way

Run = Callable[[Any], Any]
Runs = tuple[Run, Run]
"""The same for a synchronous and for an asynchronous client."""
Connects = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""What makes a synchronous and an asynchronous client."""


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def whole(path: str, arguments: Mapping[str, Any], *, async_path: str | None = None) -> Runs:
    """Calls the method at ``path`` (dotted) of a client; some SDKs name the async one otherwise."""

    def run(client: Any) -> Any:
        return attrgetter(path)(client)(**arguments)

    async def run_async(client: Any) -> Any:
        return await attrgetter(async_path or path)(client)(**arguments)

    return run, run_async


def generator(path: str, arguments: Mapping[str, Any]) -> Runs:
    """Calls a method that returns a generator, which is closed as generators are."""

    def run(client: Any) -> Opened:
        stream = attrgetter(path)(client)(**arguments)
        return Opened(stream, stream.__iter__, stream.close)

    async def run_async(client: Any) -> Opened:
        stream = await _awaited(attrgetter(path)(client)(**arguments))
        return Opened(stream, stream.__aiter__, stream.aclose)

    return run, run_async


def paired(
    runs: Runs,
    connects: Connects,
    *,
    impatient: Connects | None = None,
    shows: Runs | None = None,
    **more: Any,
) -> Iterator[Way]:
    """The sync and the async way of one call."""
    shared: dict[str, Any] = more
    for number, run in enumerate(runs):
        yield Way(
            **shared,
            connect=connects[number],
            impatient=None if impatient is None else impatient[number],
            shows=None if shows is None else shows[number],
            run=run,
            asynchronous=number == 1,
        )
