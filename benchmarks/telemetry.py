"""The OpenTelemetry providers of a measurement, the same for all sides."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flowspan.testing.recording import CountingIds

_MOST_QUEUED = 100_000
_NEVER_MILLISECONDS = 3_600_000


class ReadingExporter(SpanExporter):
    """Reads all of a span, as every exporter must, and sends it nowhere.

    What a span class puts off until it is read is paid here, so that it counts as well.
    """

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Read."""
        for span in spans:
            self.spans += 1
            for attributes in (span.attributes, *(event.attributes for event in span.events)):
                for _ in (attributes or {}).items():
                    pass
            _ = span.name, span.context, span.parent, span.status, span.links, span.resource
        return SpanExportResult.SUCCESS


class Telemetry:
    """Providers for measuring: a batch processor over an exporter that only reads.

    The batch is handed over between two measurements and never during one, so that the worker
    thread does not run into the figures.
    """

    def __init__(self) -> None:
        self._exporter = ReadingExporter()
        self._emitted: dict[str, int] = {}
        self.processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_MOST_QUEUED,
            schedule_delay_millis=_NEVER_MILLISECONDS,
            max_export_batch_size=_MOST_QUEUED,
        )
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self.processor)
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def settle(self, work: str, *, traced: bool) -> None:
        """Hand over what one measurement left, and see that it measured what it should.

        A side that emits nothing is fast, and its figure is worth nothing; so every measurement
        of a work must have emitted as many spans as the one before it.

        Args:
            work: What was measured.
            traced: False for the side that emits nothing.

        Raises:
            RuntimeError: This measurement emitted fewer spans, or more, than another one.
        """
        self._exporter.spans = 0
        self.processor.force_flush()
        emitted = self._exporter.spans
        expected = self._emitted.setdefault(work, emitted) if traced else 0
        if emitted != expected or (traced and not emitted):
            raise RuntimeError(f"{work}: {emitted} spans were emitted, {expected} were expected")


class Kept(Telemetry):
    """Providers that keep what was emitted, for comparison."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(id_generator=CountingIds(), shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
