"""What programs read of HTTP responses: reported for the responses that a model call observes.

The rows make no spans.  A model call whose answer is read bit by bit (``stream=True``, the raw and
the streaming responses of an SDK) observes the HTTP response at the bottom, because everything
above reads through it and closes it: an SDK's stream object, its helpers, iteration by line or
text.  ``isinstance`` and identity of all of them stay as they are.

They are integrations of their own, apart from :mod:`.http`: users switch off the instrumentation of
an HTTP client by its name, and that must not blind the SDKs above it.

Not seen: what is read from ``requests.Response.raw``, below the response.
"""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.integration import Integration, Patch, Role

_HTTPX: Final[tuple[tuple[str, Role], ...]] = (
    # read(), iter_text(), iter_lines() and json() go through these.
    ("Response.iter_bytes", "read"),
    ("Response.iter_raw", "read"),
    ("Response.aiter_bytes", "read"),
    ("Response.aiter_raw", "read"),
    ("Response.close", "close"),
    ("Response.aclose", "close"),
)
_REQUESTS: Final[tuple[tuple[str, Role], ...]] = (
    # content, text, json(), iter_lines() and iteration go through it.
    ("Response.iter_content", "read"),
    ("Response.close", "close"),
)


def _integration(module: str, requires: str, rows: tuple[tuple[str, Role], ...]) -> Integration:
    patches = tuple(Patch(target=f"{module}:{path}", role=role) for path, role in rows)
    return Integration(f"{module}-bodies", requires, patches)


INTEGRATIONS: Final = (
    _integration("requests", "requests>=2.28", _REQUESTS),
    _integration("httpx", "httpx>=0.25", _HTTPX),
    _integration("httpx2", "httpx2>=2", _HTTPX),
)
