"""Keeps OpenTelemetry from filling the program's log.

Its OTLP exporters log every attempt while a collector is away.  The first line of each kind becomes
one sentence of ours; the rest is dropped.  An engine that makes its own span in a generator finds
another context where that is closed from elsewhere: nothing is lost, and nothing is said of it.
Where the program has set these loggers up itself, nothing is changed.
"""

from __future__ import annotations

import logging
from typing import Final

from flowspan.safety import report_once

_LOGGERS: Final = ("opentelemetry.exporter.otlp", "opentelemetry.sdk._shared_internal")
_CONTEXTS: Final = "opentelemetry.context"
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


def _is_trouble(record: logging.LogRecord) -> bool:
    """Whether a line about contexts tells of more than of a generator that was closed elsewhere.

    Without a provider these engines' spans are no spans, and the line is not there.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ValueError) and "different Context" in str(error))


def quieten() -> None:
    """Report trouble of OTLP exporters once for each kind instead of once for each attempt."""
    contexts = logging.getLogger(_CONTEXTS)
    if not contexts.handlers and contexts.level == logging.NOTSET:
        contexts.addFilter(_is_trouble)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.handlers or logger.level != logging.NOTSET:
            continue
        logger.addHandler(_Once())
        logger.propagate = False
