"""aiohttp."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

from conformance.http_formats import Asked
from conformance.plain_http import Connection, client, ways
from conformance.vocabulary import Opened


class _Session:
    """A session is made inside a loop, when it is first used."""

    def __init__(self) -> None:
        self._made: aiohttp.ClientSession | None = None

    @property
    def made(self) -> aiohttp.ClientSession:
        if self._made is None:
            self._made = aiohttp.ClientSession()
        return self._made

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()


async def _run(connection: Connection, asked: Asked) -> Any:
    response = await connection.client.made.post(
        connection.url + asked.path, json=asked.body, headers=asked.headers
    )
    response.raise_for_status()
    if asked.stream:
        return Opened(response, response.content.iter_chunks, response.close)
    return await response.json()


CLIENT: Final = client(
    "aiohttp",
    "aiohttp",
    ways(_Session, _run, lambda session: session.close(), asynchronous=True, keeps="stream"),
)
