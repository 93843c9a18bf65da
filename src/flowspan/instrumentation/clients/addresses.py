"""Where a client's calls go, found out once for each URL object that a client keeps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from flowspan.instrumentation.clients.wire.providers import Place, place_of

_PLACES: Final[dict[int, tuple[Any, Place]]] = {}
"""Host and port by base URL; the URL object is kept so that its id stays its own."""
_MOST_PLACES: Final = 256


@lru_cache(maxsize=_MOST_PLACES)
def address_in(url: str) -> Place:
    """Host and port of a base URL that is a text; none where it is no address at all."""
    try:
        return place_of(urlsplit(url))
    except ValueError:
        return Place()


def address(url: Any) -> Place:
    """Host and port of a base URL: a URL object of httpx or httpx2, or a text."""
    if isinstance(url, str):
        return address_in(url)
    known = _PLACES.get(id(url))
    if known is not None and known[0] is url:
        return known[1]
    found = place_of(url)
    if len(_PLACES) >= _MOST_PLACES:
        _PLACES.clear()
    _PLACES[id(url)] = (url, found)
    return found
