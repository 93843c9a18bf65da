"""``http.client`` of the standard library."""

from __future__ import annotations

import http.client
import json
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from conformance.http_formats import Asked
from conformance.plain_http import Connection, client, ways
from conformance.vocabulary import Opened


class RefusedError(Exception):
    """A status that is no success; the standard library leaves it to the program to look."""


class _Connections:
    """Those that were opened, one for each request."""

    def __init__(self) -> None:
        self._open: list[http.client.HTTPConnection] = []

    def to(self, url: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        self._open.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._open:
            connection.close()


def _run(connection: Connection, asked: Asked) -> Any:
    connected = connection.client.to(connection.url)
    headers = {"content-type": "application/json", **asked.headers}
    connected.request("POST", asked.path, json.dumps(asked.body), headers)
    response = connected.getresponse()
    if response.status >= HTTPStatus.BAD_REQUEST:
        response.close()
        raise RefusedError(response.status)
    if asked.stream:
        return Opened(response, lambda: iter(partial(response.read1, 65_536), b""), response.close)
    return json.loads(response.read())


CLIENT: Final = client(
    "http.client", "http.client", ways(_Connections, _run, _Connections.close, keeps="stream")
)
