"""requests."""

from __future__ import annotations

from typing import Any, Final

import requests

from conformance.http_formats import Asked
from conformance.plain_http import Connection, client, ways
from conformance.vocabulary import Opened


def _run(connection: Connection, asked: Asked) -> Any:
    response = connection.client.post(
        connection.url + asked.path,
        json=asked.body,
        headers=asked.headers,
        stream=asked.stream,
        timeout=10,
    )
    if not response.ok:
        response.close()
    response.raise_for_status()
    if asked.stream:
        return Opened(response, response.iter_lines, response.close)
    return response.json()


CLIENT: Final = client(
    "requests", "requests", ways(requests.Session, _run, lambda session: session.close())
)
