"""Where telemetry would go, and whether anybody listens there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from flowspan.config import Settings
from flowspan.report.findings import Finding
from flowspan.signals import OTLP, OTLP_METRICS, Signal, endpoint, exporters

_SECONDS: Final = 1.5
_SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_DEFAULT_PORT: Final = {"http": 80, "https": 443, "": 4317}
_STANDARD: Final = "http://localhost:4318"


class Address(NamedTuple):
    """Where a connection goes."""

    host: str
    port: int


def findings(environ: Mapping[str, str], wanted: Settings) -> list[Finding]:
    """Which exporters there would be; one connection attempt to each endpoint that is set."""
    chosen = exporters(environ, wanted)
    names = {"traces": chosen.traces, "metrics": chosen.metrics, "logs": chosen.logs}
    found = []
    places: dict[str, list[Signal]] = {}
    for signal in _SIGNALS:
        shown = [OTLP if name == OTLP_METRICS else name for name in names[signal]]
        if signal == "traces" and chosen.store:
            shown.insert(0, "store")
        found.append(
            Finding("ok", signal, ", ".join(shown) or "not exported", data={"exporters": shown})
        )
        if any(name.startswith(OTLP) for name in shown):
            places.setdefault(endpoint(environ, signal) or _STANDARD, []).append(signal)
    found += [_reached(url, signals) for url, signals in places.items()]
    return found + list(_nowhere(chosen.store, chosen.traces))


def _nowhere(store: bool, traces: tuple[str, ...]) -> Iterator[Finding]:  # noqa: FBT001 - a fact
    if not store and not traces:
        yield Finding(
            "problem",
            "traces",
            "go nowhere: no store is written and no exporter is set",
            "unset FLOWSPAN_STORE and OTEL_TRACES_EXPORTER, or set OTEL_EXPORTER_OTLP_ENDPOINT",
        )


def address(url: str) -> Address:
    """Host and port of an endpoint.

    Raises:
        ValueError: It is not an endpoint.
    """
    parts = urlsplit(url if "://" in url else f"//{url}")
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname:
        raise ValueError(url)
    return Address(parts.hostname, parts.port or _DEFAULT_PORT[parts.scheme])


def _reached(url: str, signals: list[Signal]) -> Finding:
    data = {"endpoint": url, "signals": signals}
    try:
        host, port = address(url)
    except ValueError:
        return Finding(
            "problem",
            "endpoint",
            f"{url} is not an endpoint: expected http://HOST:PORT",
            "correct OTEL_EXPORTER_OTLP_ENDPOINT",
            {**data, "reachable": False},
        )
    began = time.perf_counter()
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return Finding(
            "problem",
            "endpoint",
            f"{url} for {' and '.join(signals)} cannot be reached: {reason}",
            "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT; "
            "programs run on, and the store keeps their runs",
            {**data, "reachable": False},
        )
    milliseconds = (time.perf_counter() - began) * 1000
    return Finding(
        "ok",
        "endpoint",
        f"{url} for {' and '.join(signals)} accepts connections ({milliseconds:.0f} ms)",
        data={**data, "reachable": True},
    )
