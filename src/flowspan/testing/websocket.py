"""The server's side of a WebSocket (RFC 6455): handshake, text frames, pings and closing.

Written out, as it is little, and as the fake provider depends on nothing but the standard library.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any, Final

from flowspan.testing.connection import ClientClosedError, Connection, HttpRequest

_KEY: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_SHORT, _MEDIUM = 126, 127


def is_upgrade(http: HttpRequest) -> bool:
    """Whether a request asks for a socket."""
    return http.headers.get("upgrade", "").lower() == "websocket"


class WebSocket:
    """One socket over a connection, from the handshake on; messages are JSON objects."""

    def __init__(
        self, connection: Connection, http: HttpRequest, headers: Mapping[str, str]
    ) -> None:
        self._connection = connection
        asked = http.headers.get("sec-websocket-key", "")
        digest = hashlib.sha1(f"{asked}{_KEY}".encode(), usedforsecurity=False).digest()
        connection.keep_alive = False
        connection.switch(
            {
                "upgrade": "websocket",
                "connection": "Upgrade",
                "sec-websocket-accept": base64.b64encode(digest).decode(),
                **headers,
            }
        )

    def receive(self) -> dict[str, Any] | None:
        """The next message; ``None`` where the client closed the socket."""
        message = b""
        while True:
            final, kind, data = self._frame()
            if kind == _CLOSE:
                self._send(_CLOSE, data[:2])
                return None
            if kind == _PING:
                self._send(_PONG, data)
            elif kind in {_TEXT, _CONTINUATION}:
                message += data
                if final:
                    return dict(json.loads(message))

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message."""
        self._send(_TEXT, json.dumps(message, separators=(",", ":")).encode())

    def check(self) -> None:
        """Takes note of a client that has closed the socket or hung up.

        Raises:
            ClientClosedError: It has.
        """
        self._connection.check()
        first = self._connection.peek()
        if first is not None and first[0] & 0x0F == _CLOSE:
            self.receive()
            raise ClientClosedError

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._connection.take(2)
        length = second & ~_MASKED
        if length == _SHORT:
            (length,) = struct.unpack("!H", self._connection.take(2))
        elif length == _MEDIUM:
            (length,) = struct.unpack("!Q", self._connection.take(8))
        if not second & _MASKED:
            raise ClientClosedError  # clients have to mask; this one speaks something else
        mask = self._connection.take(4)
        data = bytes(
            byte ^ mask[index % 4] for index, byte in enumerate(self._connection.take(length))
        )
        return bool(first & _FINAL), first & 0x0F, data

    def _send(self, kind: int, data: bytes) -> None:
        length = len(data)
        if length < _SHORT:
            head = struct.pack("!BB", _FINAL | kind, length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", _FINAL | kind, _SHORT, length)
        else:
            head = struct.pack("!BBQ", _FINAL | kind, _MEDIUM, length)
        self._connection.write(head + data)
