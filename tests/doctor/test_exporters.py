"""Where telemetry would go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from flowspan import config
from flowspan.doctor import exporters
from flowspan.doctor.exporters import Address, address


def _findings(**environ: str) -> list[Any]:
    return exporters.findings(environ, config.load(environ))


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_nothing_set() -> None:
    """Without any setting there is the store, and not one connection attempt."""
    found = _findings()

    assert [(one.subject, one.text) for one in found] == [
        ("traces", "store"),
        ("metrics", "not exported"),
        ("logs", "not exported"),
    ]


def test_reachable(listener: int) -> None:
    """An endpoint that answers is fine."""
    found = _findings(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{listener}")

    assert [one.text for one in found[:3]] == ["store, otlp", "otlp", "not exported"]
    assert found[3].level == "ok"
    assert found[3].data == {
        "endpoint": f"http://127.0.0.1:{listener}",
        "signals": ["traces", "metrics"],
        "reachable": True,
    }


def test_refused(free_port: int) -> None:
    """An endpoint that nobody listens at is a problem."""
    (found,) = [
        one
        for one in _findings(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{free_port}")
        if one.subject == "endpoint"
    ]

    assert found.level == "problem"
    assert "cannot be reached: Connection refused" in found.text
    assert not found.data["reachable"]


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that does not answer is not waited for."""
    monkeypatch.setattr(exporters, "_SECONDS", 0.05)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # they fill the queue, so that nobody else gets in
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))

        found = _findings(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")[-1]

        for one in waiting:
            one.close()
    assert found.text.endswith("cannot be reached: no answer")


def test_no_endpoint_at_all() -> None:
    """What is no endpoint is said to be none."""
    found = _findings(OTEL_EXPORTER_OTLP_ENDPOINT="ftp://x")[-1]

    assert found.level == "problem"
    assert "expected http://HOST:PORT" in found.text


def test_standard_endpoint() -> None:
    """An exporter that is named without an endpoint goes to the standard one."""
    found = _findings(OTEL_TRACES_EXPORTER="otlp")[-1]

    assert found.data["endpoint"] == "http://localhost:4318"


def test_nowhere() -> None:
    """Traces that go nowhere are a problem."""
    found = _findings(FLOWSPAN_STORE="off")[-1]

    assert (found.level, found.subject) == ("problem", "traces")


def test_store_of_readers() -> None:
    """A database is not written: without a collector traces go nowhere."""
    found = _findings(FLOWSPAN_STORE="clickhouse://host/otel")

    assert found[0].data["exporters"] == []
    assert (found[-1].level, found[-1].subject) == ("problem", "traces")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://collector:4318/v1", Address("collector", 4318)),
        ("http://collector", Address("collector", 80)),
        ("https://collector", Address("collector", 443)),
        ("collector:4317", Address("collector", 4317)),
        ("collector", Address("collector", 4317)),
        ("http://[::1]:4318", Address("::1", 4318)),
    ],
)
def test_address(url: str, expected: Address) -> None:
    """An endpoint is a URL, or host and port alone, as gRPC has it."""
    assert address(url) == expected


@pytest.mark.parametrize("url", ["/", "http://", "ftp://x", "http://x:99999", "http://x:port"])
def test_no_address(url: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"."):
        address(url)
