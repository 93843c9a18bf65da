"""What programs read of HTTP responses: reported for the responses that a model call observes.

The rows make no spans.  A model call whose answer is read bit by bit (``stream=True``, the raw and
the streaming responses of an SDK) observes the HTTP response at the bottom, because everything
above reads through it and closes it: an SDK's stream object, its helpers, iteration by line or
text.  ``isinstance`` and identity of all of them stay as they are.

They are integrations of their own, apart from :mod:`.http`: users switch off the instrumentation of
an HTTP client by its name, and that must not blind the SDKs above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.integration import Call, Integration, Patch, Role

Taken = Callable[[Call, Any], tuple[Any, bool]]


class _Row(NamedTuple):
    """A method of a response (or of its stream): what it does to the body."""

    path: str
    role: Role
    taken: Taken | None = None
    optional: bool = False


# --- what was taken -------------------------------------------------------------------------------


def _read(call: Call, result: Any) -> tuple[Any, bool]:
    """``read(amount)`` as files have it: the end is an empty result, and all if no amount is."""
    amount = call.argument("amt", 0)
    everything = amount is None or amount < 0
    return result, everything or (not result and amount != 0)


def _read_stdlib(call: Call, result: Any) -> tuple[Any, bool]:
    """The same; the response also lets go of its socket as soon as nothing is left."""
    chunk, last = _read(call, result)
    return chunk, last or call.instance.isclosed()


def _read_some(call: Call, result: Any) -> tuple[Any, bool]:
    """``read1`` and ``readline``, whose amount is only a limit."""
    limit = call.args[0] if call.args else None
    return result, (not result and limit != 0) or call.instance.isclosed()


def _read_some_decoded(call: Call, result: Any) -> tuple[Any, bool]:
    """``read1`` of urllib3, which may hold decoded bytes after its socket is closed."""
    return result, not result and call.argument("amt", 0) != 0


def _read_into(call: Call, result: Any) -> tuple[Any, bool]:
    """``readinto(buffer)``, which returns how much it put there."""
    buffer = memoryview(call.args[0]).cast("B")
    closed = getattr(call.instance, "isclosed", None)
    over = not result and len(buffer) > 0
    return bytes(buffer[: result or 0]), over or (closed is not None and closed())


def _from_stream(call: Call, result: Any) -> tuple[Any, bool]:
    """The methods of aiohttp's stream, which knows its end."""
    return result, call.instance.at_eof()


def _read_chunk(call: Call, result: Any) -> tuple[Any, bool]:
    """``readchunk`` of aiohttp: the bytes, and whether a chunk of the transfer ends there."""
    return result[0], call.instance.at_eof()


# --- rows -----------------------------------------------------------------------------------------

_HTTPX: Final = (
    # read(), iter_text(), iter_lines() and json() go through these.
    _Row("Response.iter_bytes", "read"),
    _Row("Response.iter_raw", "read"),
    _Row("Response.aiter_bytes", "read"),
    _Row("Response.aiter_raw", "read"),
    _Row("Response.close", "close"),
    _Row("Response.aclose", "close"),
)
_REQUESTS: Final = (
    # content, text, json(), iter_lines() and iteration go through it; raw is urllib3's.
    _Row("Response.iter_content", "read"),
    _Row("Response.close", "close"),
)
_URLLIB3: Final = (
    # data, json() and iteration go through these.
    _Row("HTTPResponse.stream", "read"),
    _Row("HTTPResponse.read_chunked", "read"),
    _Row("HTTPResponse.read", "take", _read),
    _Row("HTTPResponse.read1", "take", _read_some_decoded, optional=True),  # since 2.3
    _Row("HTTPResponse.close", "close"),
    _Row("HTTPResponse.release_conn", "close"),
)
_AIOHTTP: Final = (
    # read(), text(), json() and every way of iterating go through these.
    _Row("streams:StreamReader.read", "take", _from_stream),
    _Row("streams:StreamReader.readany", "take", _from_stream),
    _Row("streams:StreamReader.readuntil", "take", _from_stream),
    _Row("streams:StreamReader.readchunk", "take", _read_chunk),
    _Row("streams:StreamReader.read_nowait", "take", _from_stream),
    _Row("client_reqrep:ClientResponse.close", "close"),
    _Row("client_reqrep:ClientResponse.release", "close"),
)
_STDLIB: Final = (
    _Row("HTTPResponse.read", "take", _read_stdlib),
    _Row("HTTPResponse.read1", "take", _read_some),
    _Row("HTTPResponse.readline", "take", _read_some),
    _Row("HTTPResponse.readinto", "take", _read_into),
    _Row("HTTPResponse.close", "close"),
)


def _integration(name: str, requires: str, module: str, rows: tuple[_Row, ...]) -> Integration:
    patches = tuple(
        Patch(target=f"{module}{row.path}", role=row.role, taken=row.taken, optional=row.optional)
        for row in rows
    )
    return Integration(f"{name}-bodies", requires, patches)


INTEGRATIONS: Final = (
    _integration("requests", "requests>=2.28", "requests:", _REQUESTS),
    _integration("httpx", "httpx>=0.25", "httpx:", _HTTPX),
    _integration("httpx2", "httpx2>=2", "httpx2:", _HTTPX),
    _integration("urllib3", "urllib3>=1.26", "urllib3.response:", _URLLIB3),
    _integration("aiohttp", "aiohttp>=3.9", "aiohttp.", _AIOHTTP),
    _integration("http.client", "", "http.client:", _STDLIB),
)
