"""One HTTP/1.1 connection, seen from the server: reading requests, and answering well or badly."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flowspan.testing.script import Gate

_POLL_SECONDS = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as bytes have it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ClientClosedError(Exception):
    """The client hung up, or the server is being stopped."""


class Connection:
    """Reads requests from a socket and writes answers to it.

    The parser is written out, as ``http.server`` takes a multiple of the time of everything else
    that the fake provider does for a request.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.stopping = stopping
        self.keep_alive = True
        self._reader = sock.makefile("rb")

    def read(self) -> HttpRequest | None:
        """Reads the next request; None where the client sent no further one."""
        try:
            line = self._reader.readline()
            if not line.strip():
                return None
            method, path, version = line.decode("latin-1").split()
            headers = self._read_headers()
            body = self._read_body(headers)
        except (OSError, ValueError):
            return None
        wish = headers.get("connection", "").lower()
        self.keep_alive = version == "HTTP/1.1" and wish != "close"
        return HttpRequest(method=method, path=path, headers=headers, body=body)

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while (line := self._reader.readline()) not in {b"\r\n", b"\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._reader.read(int(headers.get("content-length", "0")))
        pieces = []
        while size := int(self._reader.readline().partition(b";")[0], 16):
            pieces.append(self._reader.read(size))
            self._reader.readline()
        self._read_headers()
        return b"".join(pieces)

    def send(
        self, status: int, headers: Mapping[str, str], body: bytes, *, upto: int | None = None
    ) -> None:
        """Sends an answer with its length; with ``upto`` only so many bytes of its body."""
        head = _head(status, {**headers, "content-length": str(len(body))})
        self.write(head + body[:upto])

    def begin_stream(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the head of an answer that follows in chunks."""
        self.write(_head(status, {**headers, "transfer-encoding": "chunked"}))

    def send_chunk(self, data: bytes, *, last: bool = False) -> None:
        """Sends a chunk; the last one together with the end of the answer."""
        self.write(b"%x\r\n%s\r\n%s" % (len(data), data, b"0\r\n\r\n" if last else b""))

    def switch(self, headers: Mapping[str, str]) -> None:
        """Agrees to speak another protocol from now on."""
        self.write(_head(101, headers))

    def take(self, size: int) -> bytes:
        """Reads so many bytes of whatever is spoken.

        Raises:
            ClientClosedError: There are not as many to come.
        """
        try:
            data = self._reader.read(size)
        except OSError:
            raise ClientClosedError from None
        if len(data) < size:
            raise ClientClosedError
        return data

    def write(self, data: bytes) -> None:
        """Sends bytes as they are.

        Raises:
            ClientClosedError: The client has hung up.
        """
        try:
            self.socket.sendall(data)
        except OSError:
            raise ClientClosedError from None

    def check(self) -> None:
        """Raises ClientClosedError if the client has hung up or the server is being stopped."""
        if self.stopping.is_set():
            raise ClientClosedError
        if self.peek() == b"":
            raise ClientClosedError

    def peek(self) -> bytes | None:
        """The next byte, which stays there; none where it hung up, ``None`` where it waits."""
        try:
            self.socket.settimeout(0)
            return self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        finally:
            self.socket.settimeout(None)

    def pause(self, seconds: float) -> None:
        """Waits, but not longer than the server and the client live."""
        if seconds > 0:
            self.stopping.wait(seconds)
            self.check()

    def wait_at(self, gate: Gate, *, check: Callable[[], None] | None = None) -> None:
        """Waits until the gate is open, but not longer than the server and the client live."""
        gate.reached.set()
        while not gate.opened.wait(_POLL_SECONDS):
            (check or self.check)()

    def reset(self) -> None:
        """Drops the connection so that the client sees a reset instead of an end."""
        self.keep_alive = False
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._reader.close()
        self.socket.close()

    def shut(self) -> None:
        """Ends the connection after what was sent; wakes the thread that reads from it."""
        self.keep_alive = False
        with contextlib.suppress(OSError):  # it is shut already, or was reset
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection and gives its descriptor back; for its own thread only."""
        self.shut()
        self._reader.close()
        self.socket.close()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Overloaded"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")
