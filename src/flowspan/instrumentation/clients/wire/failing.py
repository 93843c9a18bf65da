"""Errors inside an answer with status 200: in mid-stream, in a body, a page in its place."""

from __future__ import annotations

import re
from typing import Any, Final

from flowspan.instrumentation.clients.wire.reading import read

OTHER: Final = "_OTHER"
"""The conventions' ``error.type`` for an error whose kind is not known."""

PAGE: Final = "html_page"
"""``error.type`` where a proxy or a login gave a page of HTML, with status 200, for an answer."""

_PAGE: Final = re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_START: Final = 64
_KIND: Final = re.compile(r"[A-Za-z][\w.-]{0,63}")
_CODE: Final = re.compile(r"\d{3,5}")


def error_type_of(body: Any) -> str | None:
    """``error.type`` of the error that a body reports, or ``None`` if it reports none.

    It is the kind that the provider names (``overloaded_error``, ``429``), never a message.
    """
    if isinstance(body, str):  # what some SDKs return then
        return PAGE if is_page(body) else None
    error = read(body, "error")
    if not error:
        return None
    if isinstance(error, str):
        return _named(error) or OTHER
    return _named(read(error, "type")) or _named(read(error, "code")) or OTHER


def is_page(body: str | bytes) -> bool:
    """Whether a body is HTML, which no provider of models answers with."""
    start = body[:_START]
    return _PAGE.match(start.decode("latin-1") if isinstance(start, bytes) else start) is not None


def is_page_by(headers: Any) -> bool:
    """Whether an answer's headers say so."""
    get = getattr(headers, "get", None)
    kind = get("content-type") if callable(get) else None
    return isinstance(kind, str) and kind.lower().startswith("text/html")


def _named(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    name = str(value)
    return name if _KIND.fullmatch(name) or _CODE.fullmatch(name) else None


def status_error(status: int | None) -> str | None:
    """``error.type`` of an HTTP status: the status itself, from 400 on."""
    return str(status) if status is not None and status >= 400 else None  # noqa: PLR2004 - of HTTP
