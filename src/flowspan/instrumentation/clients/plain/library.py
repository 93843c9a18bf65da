"""The vocabulary of HTTP libraries: what a row must know of one to tell model calls from others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from flowspan.instrumentation.clients.wire import recognise
from flowspan.instrumentation.clients.wire.headers import told_by
from flowspan.instrumentation.clients.wire.providers import Place, place_of
from flowspan.instrumentation.clients.wire.reading import count
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.integration import Attributes, Call, Patch


class Reader(NamedTuple):
    """How a method that sends is read.

    Attributes:
        glance: Whether a call may be a model call: by method and path, because it is asked of every
            request of a program.
        request: What a call asks, or ``None`` where it is no model call after all.
    """

    glance: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], bool]
    request: Callable[[Call], Request | None]


POST: Final = "POST"
_REDIRECT: Final = 300


class Library(NamedTuple):
    """An HTTP client.

    Attributes:
        name: As users know it.
        requires: Its versions.
        targets: The methods that send, and how a call of each is read.
        body: The bytes of a response whose body was read already, else ``None``.
        observed: The object to observe while a body is yet to be read; the response itself unless
            said.
        attempts: Whether a request inside somebody else's model call is seen as an attempt of it.
        earlier: Why a request is sent again by the library itself, ``None`` where it is not.
        more: Further rows of the library.
    """

    name: str
    requires: str
    targets: Mapping[str, Reader]
    body: Callable[[Any], Any]
    observed: Callable[[Call, Any], Any] = lambda _call, response: response
    attempts: bool = True
    earlier: Callable[[Call], str | None] = lambda _call: None
    more: tuple[Patch, ...] = ()


def status(response: Any) -> int | None:
    """The status of any library's response."""
    found = count(getattr(response, "status_code", None))
    return count(getattr(response, "status", None)) if found is None else found


def answers(response: Any) -> bool:
    """Whether a response is an answer: what a refusal or a redirect says is not waited for."""
    known = status(response)
    return known is None or known < _REDIRECT


def told(response: Any) -> Attributes:
    """What the headers of a response tell of its call."""
    return told_by(status(response), getattr(response, "headers", None))


def may_be(url: str) -> bool:
    """Whether a URL or its path may be a model call's."""
    return recognise.may_be_model_call(url.partition("?")[0] if "?" in url else url)


def place_and_path(url: str, base: str = "") -> tuple[Place, str]:
    """Where a URL leads, and its path; a place without a host where there is none."""
    try:
        parts = urlsplit(urljoin(base, url) if base else url)
    except ValueError:
        return Place(), ""
    return place_of(parts), parts.path


def sent(body: Any) -> bytes | None:
    """The bytes of a body; ``None`` for a stream, which only the library may read."""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else None
