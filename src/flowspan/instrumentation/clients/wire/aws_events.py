"""AWS event streams: messages in a binary frame, whose payloads are JSON.

::

    total: u32 │ headers: u32 │ CRC │ headers … │ payload … │ CRC
    header: length of name (u8), name, type (u8), value

Checksums are the client's to verify; here a message is only read.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any, Final

_PRELUDE: Final = struct.Struct(">II")
_BEFORE_HEADERS: Final = 12
_AFTER_PAYLOAD: Final = 4
_LEAST: Final = _BEFORE_HEADERS + _AFTER_PAYLOAD
_MOST: Final = 64_000_000
"""Bytes of one message that are held; AWS sends no more than 24 MB."""
_TEXT: Final = 7
_BYTES: Final = 6
_LENGTHS: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Lengths of header values by their type; texts and bytes tell theirs."""


class MessageSplitter:
    """Takes bytes as they arrive and gives each message that is complete, as a JSON event.

    What a model sent (``{"bytes": …}`` of InvokeModel) is given as the model wrote it; of others
    the event's name becomes its type: ``{"type": "metadata", "metadata": …}``.

    Attributes:
        pending: Whether part of a message has arrived and its end has not.
    """

    __slots__ = ("_broken", "_held", "pending")

    def __init__(self) -> None:
        self.pending = False
        self._held = bytearray()
        self._broken = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, give the events that they completed."""
        if self._broken:
            return []
        held = self._held
        held += chunk
        events: list[bytes] = []
        at = 0
        while len(held) - at >= _LEAST:
            total, headers = _PRELUDE.unpack_from(held, at)
            if not _LEAST + headers <= total <= _MOST:
                self._broken = True  # no event stream after all, or one that lost its place
                held.clear()
                break
            if len(held) - at < total:
                break
            events.append(_event(bytes(held[at : at + total]), headers))
            at += total
        del held[:at]
        self.pending = bool(held)
        return events

    def flush(self) -> list[bytes]:
        """Nothing: a message without its end means nothing."""
        return []


def _event(message: bytes, length: int) -> bytes:
    payload = message[_BEFORE_HEADERS + length : -_AFTER_PAYLOAD]
    headers = _headers(message[_BEFORE_HEADERS : _BEFORE_HEADERS + length])
    if headers.get(":message-type", "event") != "event":
        kind = headers.get(":exception-type") or headers.get(":error-code") or "error"
        return json.dumps({"type": "error", "error": {"type": kind}}).encode()
    kind = headers.get(":event-type", "")
    if kind == "chunk":
        return _content(payload)
    return b'{"type":%b,%b:%b}' % (json.dumps(kind).encode(), json.dumps(kind).encode(), payload)


def _content(payload: bytes) -> bytes:
    try:
        return base64.b64decode(json.loads(payload)["bytes"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return b""


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are texts."""
    found: dict[str, str] = {}
    try:
        at = 0
        while at < len(data):
            end = at + 1 + data[at]
            name, kind = data[at + 1 : end].decode(), data[end]
            value, at = _value(data, end + 1, kind)
            if isinstance(value, str):
                found[name] = value
    except (IndexError, KeyError, ValueError, struct.error):
        pass
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind not in {_TEXT, _BYTES}:
        return None, at + _LENGTHS[kind]
    end = at + 2 + int(struct.unpack_from(">H", data, at)[0])
    value = data[at + 2 : end]
    return (value.decode() if kind == _TEXT else None), end
