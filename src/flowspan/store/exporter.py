"""The exporter that puts spans into the embedded store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from flowspan import background, config, safety
from flowspan.errors import StoreError
from flowspan.store.location import store_path
from flowspan.store.retention import Limits, Pruner
from flowspan.store.writer import StoreWriter, shared_writer

_PAUSE_BETWEEN_STEPS: Final = 0.02
_LONGEST_STEP: Final = 0.5


class StoreSpanExporter(SpanExporter):
    """Writes ended spans into the store; meant to be used by a ``BatchSpanProcessor``.

    It never raises: a store that cannot be used is reported once, and the spans wait in memory.

    Attributes:
        path: The store's file; ``None`` where the store is off or its setting cannot be used.
        writer: What writes to it; to be shared with ``OpenRowProcessor``.
    """

    def __init__(
        self, path: Path | None = None, *, settings: config.Settings | None = None
    ) -> None:
        """Nothing is opened before the first batch.

        Args:
            path: The store's file; what the settings say unless given.
            settings: Where the store is and what it may keep; from the environment unless given.
        """
        settings = config.load() if settings is None else settings
        self.path = configured_path(settings) if path is None else path
        self.writer: StoreWriter | None = None if self.path is None else shared_writer(self.path)
        self._limits = Limits(days=settings.store_max_days, megabytes=settings.store_max_mb)
        self._housekeeper: _Housekeeper | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans; failure means that they wait in memory."""
        if self.writer is None:
            return SpanExportResult.SUCCESS
        written = safety.guarded("store export", self.writer.write_ended, spans)
        if not written:
            return SpanExportResult.FAILURE
        if self._housekeeper is None:
            self._housekeeper = _Housekeeper(self.writer, self._limits)
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write what waits; false where that cannot be done in time."""
        writer = self.writer
        if writer is None:
            return True
        seconds = timeout_millis / 1e3
        return bool(safety.guarded("store flush", lambda: writer.flush(seconds, now=True)))

    def shutdown(self, timeout_millis: float = 1_000) -> None:
        """Write what waits and close.

        Args:
            timeout_millis: How long to wait for locks of other processes.
        """
        if self._housekeeper is not None:
            self._housekeeper.stop()
        if self.writer is not None:
            safety.guarded("store shutdown", self.writer.close, timeout_millis / 1e3)


class _Housekeeper:
    """Forgets old runs once, in small steps, soon after a program began; never again."""

    def __init__(self, writer: StoreWriter, limits: Limits) -> None:
        self._writer = writer
        self._stopped = background.Signal()
        # Too late for a thread: the next program does it.
        self._thread = background.start("flowspan-store", self._run, Pruner(writer.path, limits))

    def _run(self, pruner: Pruner) -> None:
        while not self._stopped.wait(_PAUSE_BETWEEN_STEPS):
            if not self._writer.attempt(pruner.step):
                return

    def stop(self) -> None:
        """Let the step under way be the last one; another would open the store again."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_LONGEST_STEP)


def configured_path(settings: config.Settings) -> Path | None:
    """The store's file; ``None`` where the store is off or its setting cannot be used."""
    if not settings.store_enabled:
        return None
    try:
        return store_path(settings.store)
    except StoreError as error:
        safety.report_once(
            f"store setting {settings.store}", f"flowspan: {error}; nothing is stored"
        )
        return None
