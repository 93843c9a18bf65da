import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flowspan.testing import FakeProvider, Gate, ReceivedRequest, Reply
from flowspan.testing.connection import ClientClosedError, Connection

STREAM = b'{"model":"m","stream":true,"messages":[]}'
PLAIN = b'{"model":"m","messages":[]}'


@contextmanager
def connected(provider: FakeProvider) -> Iterator[socket.socket]:
    port = int(provider.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        yield sock


def ask(sock: socket.socket, body: bytes) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    sock.sendall(head % len(body) + body)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_client_that_resets_a_stream(provider: FakeProvider) -> None:
    """A reset by the client is a hang-up like any other."""
    gate = Gate(after_chunks=1)
    provider.reply(Reply("one two", gate=gate))

    with connected(provider) as sock:
        ask(sock, STREAM)
        gate.wait_until_reached()
        reset(sock)
    [entry] = provider.ledger.wait_for(1)

    assert (entry.outcome, entry.chunks_sent) == ("client_closed", 1)


def test_client_that_is_gone_when_its_answer_is_ready(provider: FakeProvider) -> None:
    """An answer that cannot be delivered is charged; the client was told nothing."""
    gone = threading.Event()
    asked = threading.Event()

    def respond(request: ReceivedRequest) -> str:
        asked.set()
        gone.wait(timeout=5)
        return "too late"

    provider.respond = respond
    with connected(provider) as sock:
        ask(sock, PLAIN)
        asked.wait(timeout=5)
        reset(sock)
    gone.set()
    [entry] = provider.ledger.wait_for(
        lambda entries: [entry.outcome for entry in entries] == ["client_closed"]
    )

    assert entry.usage.output_tokens == 2
    assert not entry.usage_on_wire


def test_client_that_is_gone_at_the_very_end_of_its_stream(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream was not completed if its last event could not be sent."""
    send_chunk = Connection.send_chunk

    def fail_at_the_end(self: Connection, data: bytes, *, last: bool = False) -> None:
        if last:
            raise ClientClosedError
        send_chunk(self, data)

    monkeypatch.setattr(Connection, "send_chunk", fail_at_the_end)
    with connected(provider) as sock:
        ask(sock, STREAM)
        [entry] = provider.ledger.wait_for(
            lambda entries: [entry.outcome for entry in entries] == ["client_closed"]
        )

    assert entry.chunks_sent == 1


def test_client_that_asks_again_before_its_stream_has_ended(provider: FakeProvider) -> None:
    """A request that waits on the connection is no hang-up, and is answered in its turn."""
    gate = Gate(after_chunks=1)
    provider.reply(Reply("one two", gate=gate))

    with connected(provider) as sock:
        ask(sock, STREAM)
        gate.wait_until_reached()
        ask(sock, PLAIN)
        gate.open()
        received = b""
        while b'chat.completion"' not in received:
            received += sock.recv(65536)

    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert [entry.outcome for entry in provider.ledger] == ["completed", "completed"]
