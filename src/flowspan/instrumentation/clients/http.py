"""Model calls made by plain HTTP: requests, httpx, httpx2, urllib3, aiohttp and ``http.client``.

Two rows on each method that requests of a library pass:

- outside any model call, a request that is one (see :mod:`.wire.recognise`) gets its span;
- inside a model call, whose owner is an SDK, an engine or a library above, a request makes no span.
  It is an attempt of the call around it, which hears of a retry from the second attempt on.

Redirects are sent by the same method again and find themselves inside the model call.  A request
that is neither is left alone.  How each library is read is in :mod:`.plain`; what programs read of
the responses is reported by :mod:`.bodies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flowspan.instrumentation.clients.plain import (
    aiohttp,
    attempts,
    calls,
    httpx,
    requests,
    stdlib,
    urllib3,
)
from flowspan.instrumentation.clients.plain.attempts import ANSWERED, LATEST_RESPONSE
from flowspan.instrumentation.clients.plain.library import Library
from flowspan.instrumentation.clients.wire.recognise import configure
from flowspan.instrumentation.integration import Integration, Patch

__all__ = ["ANSWERED", "INTEGRATIONS", "LATEST_RESPONSE", "configure"]

_LIBRARIES: Final = (
    requests.LIBRARY,
    httpx.HTTPX,
    httpx.HTTPX2,
    urllib3.LIBRARY,
    aiohttp.LIBRARY,
    stdlib.LIBRARY,
)


def _rows(library: Library) -> Iterator[Patch]:
    for target, reader in library.targets.items():
        yield calls.row(library, target, reader)
        if library.attempts:
            yield attempts.row(library, target)
    yield from library.more


INTEGRATIONS: Final = tuple(
    Integration(library.name, library.requires, tuple(_rows(library))) for library in _LIBRARIES
)
