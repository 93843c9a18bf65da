"""Which exporters the environment asks for, signal by signal.

======================  ==========================================  ==============================
signal                  nothing set                                 an OTLP endpoint set
======================  ==========================================  ==============================
traces                  the embedded store                          the embedded store and OTLP
metrics                 none                                        OTLP
logs                    none                                        OTLP where events go to logs
======================  ==========================================  ==============================

``OTEL_*_EXPORTER`` says it explicitly and wins; ``FLOWSPAN_STORE=off`` takes the store out, and so
does the address of a database, which readers read and a collector writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from flowspan.store.clickhouse.address import is_address

if TYPE_CHECKING:
    from flowspan.config import Settings

Signal = Literal["traces", "metrics", "logs"]

STORE: Final = "flowspan"
OTLP: Final = "otlp"
OTLP_METRICS: Final = "flowspan_otlp"
"""Our reader for metrics over OTLP, which is bounded at the end of the process."""

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Exporters(NamedTuple):
    """Names of exporters (entry points) for each signal; ``store`` is not among them."""

    store: bool
    traces: tuple[str, ...]
    metrics: tuple[str, ...]
    logs: tuple[str, ...]


def endpoint(environ: Mapping[str, str], signal: Signal) -> str | None:
    """The OTLP endpoint that the environment names for a signal."""
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    return own or environ.get(_ENDPOINT, "").strip() or None


def exporters(environ: Mapping[str, str], settings: Settings) -> Exporters:
    """What the environment asks for."""
    traces = _named(environ, "traces")
    if traces is None:
        traces = [STORE] + ([OTLP] if endpoint(environ, "traces") else [])
    metrics = _named(environ, "metrics")
    if metrics is None:
        metrics = [OTLP] if endpoint(environ, "metrics") else []
    logs = _named(environ, "logs")
    if logs is None:
        wanted = settings.events != "span" and endpoint(environ, "logs")
        logs = [OTLP] if wanted else []
    return Exporters(
        store=STORE in traces and settings.store_enabled and not is_address(settings.store),
        traces=tuple(name for name in traces if name != STORE),
        metrics=tuple(OTLP_METRICS if name == OTLP else name for name in metrics),
        logs=tuple(logs),
    )


def _named(environ: Mapping[str, str], signal: Signal) -> list[str] | None:
    text = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not text:
        return None
    names = [name.strip() for name in text.split(",")]
    return [name for name in names if name and name.lower() != "none"]
