"""Errors that providers report inside an answer: in mid-stream, or in a body with status 200."""

from __future__ import annotations

import re
from typing import Any, Final

from flowspan.instrumentation.clients.wire.reading import read

OTHER: Final = "_OTHER"
"""The conventions' ``error.type`` for an error whose kind is not known."""

_KIND: Final = re.compile(r"[A-Za-z][\w.-]{0,63}")
_CODE: Final = re.compile(r"\d{3,5}")


def error_type_of(body: Any) -> str | None:
    """``error.type`` of the error that a body reports, or ``None`` if it reports none.

    It is the kind that the provider names (``overloaded_error``, ``429``), never a message.
    """
    error = read(body, "error")
    if not error:
        return None
    if isinstance(error, str):
        return _named(error) or OTHER
    return _named(read(error, "type")) or _named(read(error, "code")) or OTHER


def _named(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    name = str(value)
    return name if _KIND.fullmatch(name) or _CODE.fullmatch(name) else None


def status_error(status: int | None) -> str | None:
    """``error.type`` of an HTTP status: the status itself, from 400 on."""
    return str(status) if status is not None and status >= 400 else None  # noqa: PLR2004 - of HTTP
