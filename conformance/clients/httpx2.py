"""httpx2, which is driven as httpx is."""

from __future__ import annotations

from typing import Final

import httpx2

from conformance.clients.httpx import run, run_async
from conformance.plain_http import client, ways

CLIENT: Final = client(
    "httpx2",
    "httpx2",
    ways(httpx2.Client, run, lambda client: client.close()),
    ways(httpx2.AsyncClient, run_async, lambda client: client.aclose(), asynchronous=True),
)
