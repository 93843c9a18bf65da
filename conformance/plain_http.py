"""Makes the ways of an HTTP library from what it does with one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from conformance.http_formats import Asked, asked, connected, disconnected
from conformance.pictures import shown
from conformance.vocabulary import Client, Way
from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import FakeProvider


class Connection(NamedTuple):
    """A library's client, and the provider that it talks to."""

    url: str
    client: Any


def ways(
    make: Callable[[], Any],
    run: Callable[[Connection, Asked], Any],
    close: Callable[[Any], Any],
    *,
    asynchronous: bool = False,
    keeps: Literal["nothing", "stream"] = "nothing",
) -> Iterator[Way]:
    """Every request as a way.

    Args:
        make: Makes the library's client.
        run: Sends a request; gives what came back, or an ``Opened``.
        close: Closes the client.
        asynchronous: Whether ``run`` is a coroutine function.
        keeps: What the client holds until it is closed.
    """

    def connect(provider: FakeProvider) -> Connection:
        return Connection(connected(provider), make())

    def disconnect(connection: Connection) -> Any:
        disconnected()
        return close(connection.client)

    for each in asked():
        body = shown(each.format, each.body)
        picture = None if body is None else each._replace(body=body)
        yield Way(
            call=f"{each.path} {each.variant}".strip(),
            format=each.format,
            operation=each.operation,
            model=each.model,
            connect=connect,
            run=_runner(run, each, asynchronous=asynchronous),
            disconnect=disconnect,
            asynchronous=asynchronous,
            stream=each.stream,
            reports=each.reports,
            can=each.can,
            keeps=keeps,
            shows=None if picture is None else _runner(run, picture, asynchronous=asynchronous),
        )


def _runner(
    run: Callable[[Connection, Asked], Any], each: Asked, *, asynchronous: bool
) -> Callable[[Connection], Any]:
    async def run_async(connection: Connection) -> Any:
        return await run(connection, each)

    return run_async if asynchronous else lambda connection: run(connection, each)


def client(name: str, module: str, *found: Iterator[Way]) -> Client:
    """The client of one library."""
    return Client(
        name=name,
        module=module,
        integrations=(*http.INTEGRATIONS, *bodies.INTEGRATIONS),
        ways=tuple(way for group in found for way in group),
        transport="http",
    )
