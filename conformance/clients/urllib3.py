"""urllib3."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

import urllib3

from conformance.http_formats import Asked
from conformance.plain_http import Connection, client, ways
from conformance.vocabulary import Opened


class RefusedError(Exception):
    """A status that is no success; urllib3 leaves it to the program to look."""


def _run(connection: Connection, asked: Asked) -> Any:
    response = connection.client.request(
        "POST",
        connection.url + asked.path,
        body=json.dumps(asked.body),
        headers={"content-type": "application/json", **asked.headers},
        preload_content=not asked.stream,
        retries=False,
        timeout=10,
    )
    if response.status >= HTTPStatus.BAD_REQUEST:
        response.close()
        raise RefusedError(response.status)
    if asked.stream:
        return Opened(response, response.stream, response.close)
    return json.loads(response.data)


CLIENT: Final = client(
    "urllib3", "urllib3", ways(urllib3.PoolManager, _run, lambda pools: pools.clear())
)
