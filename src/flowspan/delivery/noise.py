"""Keeps exporters from filling the program's log while a collector is away.

OpenTelemetry's OTLP exporters log every attempt.  The first line of each kind becomes one sentence
of ours; the rest is dropped.  Where the program has set these loggers up itself,
nothing is changed.
"""

from __future__ import annotations

import logging
from typing import Final

from flowspan.safety import report_once

_LOGGERS: Final = ("opentelemetry.exporter.otlp", "opentelemetry.sdk._shared_internal")
_MOST_REASON: Final = 300
_HARMLESS: Final = ("Shutdown in progress", "Exporter already shutdown", "already shutdown")


class _Once(logging.Handler):
    """Turns what an exporter says into one sentence for each kind of trouble."""

    def emit(self, record: logging.LogRecord) -> None:
        """Report the first of its kind."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - somebody else's format string
            message = str(record.msg)
        if record.levelno < logging.WARNING or message.startswith(_HARMLESS):
            return
        reason = " ".join(message.split())[:_MOST_REASON]
        report_once(
            f"{record.name} {str(record.msg)[:40]}",
            f"flowspan: an exporter has trouble ({reason}); the program is not affected. "
            "`flowspan doctor` checks the endpoint.",
        )


def quieten() -> None:
    """Report trouble of OTLP exporters once for each kind instead of once for each attempt."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.handlers or logger.level != logging.NOTSET:
            continue
        logger.addHandler(_Once())
        logger.propagate = False
