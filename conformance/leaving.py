"""A program that opens every stream of a client, reads a little of each, and exits.

It is run under the distribution; what it leaves must be in the store.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from conformance.discovery import clients
from conformance.vocabulary import Opened, Way
from flowspan.testing.address import ProviderAddress

_HELD: Final[list[Any]] = []
"""Streams and clients that are still open when the process ends."""


def ways(name: str) -> tuple[Way, ...]:
    """The streams of a client, in the order in which they are opened."""
    client = next(each for each in clients() if each.name == name)
    streams = [way for way in client.ways if way.stream]
    return tuple(sorted(streams, key=lambda way: way.asynchronous))


def run(name: str, url: str) -> int:
    """Open the streams, and exit while they are."""
    provider: Any = ProviderAddress(url)
    opened = ways(name)
    for way in opened:
        if not way.asynchronous:
            _open(way, way.connect(provider))
    asyncio.run(_open_awaited([way for way in opened if way.asynchronous], provider))
    return 0


def _open(way: Way, client: Any) -> None:
    stream = way.run(client)
    items = iter(stream.items())
    next(items)
    _HELD.append((client, stream, items))


async def _open_awaited(opened: list[Way], provider: Any) -> None:
    for way in opened:
        client = way.connect(provider)
        stream: Opened = await way.run(client)
        items = aiter(stream.items())
        await anext(items)
        _HELD.append((client, stream, items))
    sys.exit()  # before the loop can finish anything
