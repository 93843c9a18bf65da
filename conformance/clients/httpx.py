"""httpx."""

from __future__ import annotations

from typing import Any, Final

import httpx

from conformance.http_formats import Asked
from conformance.plain_http import Connection, client, ways
from conformance.vocabulary import Opened


def _request(connection: Connection, asked: Asked) -> Any:
    return connection.client.build_request(
        "POST", connection.url + asked.path, json=asked.body, headers=asked.headers
    )


def run(connection: Connection, asked: Asked) -> Any:
    """Sends a request."""
    response = connection.client.send(_request(connection, asked), stream=asked.stream)
    response.raise_for_status()
    if asked.stream:
        return Opened(response, response.iter_lines, response.close)
    return response.json()


async def run_async(connection: Connection, asked: Asked) -> Any:
    """The same by an asynchronous client."""
    response = await connection.client.send(_request(connection, asked), stream=asked.stream)
    response.raise_for_status()
    if asked.stream:
        return Opened(response, response.aiter_lines, response.aclose)
    return response.json()


CLIENT: Final = client(
    "httpx",
    "httpx",
    ways(httpx.Client, run, lambda client: client.close()),
    ways(httpx.AsyncClient, run_async, lambda client: client.aclose(), asynchronous=True),
)
