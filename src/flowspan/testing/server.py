"""A loopback HTTP server that starts and stops in a millisecond: one thread per connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from flowspan.testing.connection import ClientClosedError, Connection, HttpRequest

_JOIN_SECONDS = 2.0


class LoopbackServer:
    """Accepts connections on 127.0.0.1 and gives their requests to one function."""

    def __init__(self, handle: Callable[[HttpRequest, Connection], None], *, port: int = 0) -> None:
        self.stopping = threading.Event()
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._acceptor = threading.Thread(
            target=self._accept, name="fake-provider-acceptor", daemon=True
        )
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            connection = Connection(sock, self.stopping)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="fake-provider", daemon=True
            )
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            while connection.keep_alive and (request := connection.read()) is not None:
                self._handle(request, connection)
        except ClientClosedError:
            pass
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)

    def stop(self) -> None:
        """Closes all connections and waits for their threads; a second call does nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        # Portable way to wake a thread that stands in accept(): connect once more.
        socket.create_connection(self._listener.getsockname()).close()
        self._acceptor.join(_JOIN_SECONDS)
        self._listener.close()
        with self._lock:
            open_connections = dict(self._connections)
        deadline = time.monotonic() + _JOIN_SECONDS
        for connection in open_connections:
            connection.shut()
        for thread in open_connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))
