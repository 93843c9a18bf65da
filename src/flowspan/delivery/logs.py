"""The batch processor of log records, bounded at the end of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter

if TYPE_CHECKING:
    from flowspan.delivery.deadline import Deadline


class BoundedLogProcessor(BatchLogRecordProcessor):
    """Exports log records in batches; its end takes no longer than the deadline allows."""

    def __init__(self, exporter: LogRecordExporter, deadline: Deadline) -> None:
        super().__init__(exporter)
        self._deadline = deadline

    def shutdown(self) -> None:
        """Stop within the deadline, where the SDK lets us say so."""
        inner = getattr(self, "_batch_processor", None)
        if inner is None:
            super().shutdown()  # type: ignore[no-untyped-call]
        else:
            inner.shutdown(timeout_millis=int(self._deadline.remaining() * 1000))
