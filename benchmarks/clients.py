"""What a call costs more through each client, and each chunk of a stream: CPU time of the program.

The drivers of ``conformance/`` make real calls over real sockets; the provider is another process,
so that its time is not the program's.  Both sides take turns in blocks: with the client's rows
applied, and with all of them taken back.  A chunk is what a long stream costs more than a short
one, divided by the chunks between them.
"""

from __future__ import annotations

import asyncio
import inspect
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple, cast

from benchmarks.clock import Spread, quiet_collector
from benchmarks.result import Report, Row
from benchmarks.sides import FLOWSPAN, PLAIN
from conformance.discovery import absent, clients
from conformance.vocabulary import Client, Opened, Way
from flowspan.testing import FakeProvider, ReceivedRequest, Reply, record
from flowspan.testing.process import provider_process

SHORT: Final = 2
LONG: Final = 202
_WARM_UP: Final = 3


def short(_request: ReceivedRequest) -> Reply:
    """An answer of few chunks."""
    return Reply(chunks=("tide ",) * SHORT)


def long(_request: ReceivedRequest) -> Reply:
    """An answer of many."""
    return Reply(chunks=("tide ",) * LONG)


class Measured(NamedTuple):
    """Microseconds of CPU time of one call, one value for each round."""

    plain: list[float]
    traced: list[float]

    @property
    def added(self) -> float:
        """What flowspan adds, in the middle of all rounds."""
        pairs = zip(self.plain, self.traced, strict=True)
        return statistics.median(traced - plain for plain, traced in pairs)


class Caller:
    """Makes the same call again and again with one client."""

    def __init__(self, way: Way, provider: Any) -> None:
        self._way = way
        self._runner = asyncio.Runner() if way.asynchronous else None
        self._client = self._done(way.connect(cast("FakeProvider", provider)))

    def __call__(self) -> None:
        """One call; a stream is read to its end."""
        if self._runner is None:
            self._drain()
        else:
            self._done(self._read())

    def close(self) -> None:
        """Give the client's connections back."""
        if self._way.disconnect is not None:
            self._done(self._way.disconnect(self._client))
        if self._runner is not None:
            self._runner.close()

    def _done(self, value: Any) -> Any:
        if self._runner is None or not inspect.isawaitable(value):
            return value
        return self._runner.run(_awaited(value))

    def _drain(self) -> None:
        result = self._way.run(self._client)
        if isinstance(result, Opened):
            for _ in result.items():
                pass

    async def _read(self) -> None:
        result = await self._way.run(self._client)
        if isinstance(result, Opened):
            async for _ in result.items():
                pass


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def representatives(client: Client) -> list[Way]:
    """The client's first way of each manner: sync or async, whole or streamed."""
    found: dict[tuple[bool, bool], Way] = {}
    for way in client.ways:
        if way.text:
            found.setdefault((way.asynchronous, way.stream), way)
    return list(found.values())


def _microseconds(call: Callable[[], None], count: int) -> float:
    for _ in range(_WARM_UP):
        call()
    started = time.process_time_ns()
    for _ in range(count):
        call()
    return (time.process_time_ns() - started) / count / 1000


def _measured(way: Way, provider: Any, count: int) -> float:
    """With a client of its own: some keep their methods when they are made."""
    caller = Caller(way, provider)
    try:
        return _microseconds(caller, count)
    finally:
        caller.close()


def _compare(client: Client, way: Way, provider: Any, *, rounds: int, count: int) -> Measured:
    measured = Measured([], [])
    for _ in range(rounds):
        measured.plain.append(_measured(way, provider, count))
        with record(*client.integrations, priced=True) as recording:
            measured.traced.append(_measured(way, provider, count))
        if len(recording.spans) < count:
            raise RuntimeError(f"{client.name}: {way.name} was not seen each time")
    return measured


@contextmanager
def _providers() -> Iterator[tuple[Any, Any]]:
    with ExitStack() as stack:
        yield (
            stack.enter_context(provider_process(respond=f"{__name__}:short")),
            stack.enter_context(provider_process(respond=f"{__name__}:long")),
        )


def measure(report: Report, *, quick: bool) -> None:
    """Add each client's calls and chunks to a report."""
    rounds, count = (3, 5) if quick else (9, 20)
    with _providers() as (brief, lengthy), quiet_collector():
        for client in clients():
            for way in representatives(client):
                subject = f"{client.name}: {way.name}"
                call = _compare(client, way, brief, rounds=rounds, count=count)
                report.rows += _of_call(subject, call)
                if way.stream:
                    stream = _compare(client, way, lengthy, rounds=rounds, count=max(count // 4, 2))
                    report.rows += _of_chunk(subject, call, stream)
    report.remarks += [
        f"{name} is not measured: {', '.join(lacking)} is not installed"
        for name, lacking in absent().items()
    ]


def _of_call(subject: str, measured: Measured) -> Iterator[Row]:
    yield Row(subject=subject, side=PLAIN, value=Spread.of(measured.plain), unit="µs")
    yield Row(
        subject=subject,
        side=FLOWSPAN,
        value=Spread.of(measured.traced),
        unit="µs",
        added=measured.added,
    )


def _of_chunk(subject: str, call: Measured, stream: Measured) -> Iterator[Row]:
    between = LONG - SHORT
    subject = f"{subject}, each chunk"
    for side, few, many in (
        (PLAIN, call.plain, stream.plain),
        (FLOWSPAN, call.traced, stream.traced),
    ):
        values = [(more - less) / between for less, more in zip(few, many, strict=True)]
        added = (stream.added - call.added) / between if side == FLOWSPAN else None
        yield Row(subject=subject, side=side, value=Spread.of(values), unit="µs", added=added)
