"""The periodic reader of metrics, bounded at the end of the process."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Final

from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader

from flowspan.delivery.deadline import Deadline, process_deadline

INTERVAL_MILLIS: Final = 10_000
"""Ten seconds instead of the SDK's minute: runs of agents are often shorter than a minute."""


class BoundedReader(PeriodicExportingMetricReader):
    """Collects periodically; its last collection takes no longer than the deadline allows."""

    def __init__(self, exporter: MetricExporter, deadline: Deadline) -> None:
        interval = None if "OTEL_METRIC_EXPORT_INTERVAL" in os.environ else INTERVAL_MILLIS
        super().__init__(exporter, export_interval_millis=interval)
        self._deadline = deadline
        self._done = False

    def shutdown(self, timeout_millis: float = 30_000, **keywords: Any) -> None:
        """Collect and export once more, within the deadline; a second time nothing."""
        if self._done:
            return
        self._done = True
        bounded = min(timeout_millis, self._deadline.remaining() * 1000)
        super().shutdown(timeout_millis=bounded, **keywords)


class OtlpReader(BoundedReader):
    """Metrics over OTLP, by the protocol that the environment asks for.

    It is the entry point ``flowspan_otlp``, which the distribution puts in place of ``otlp``.
    """

    latest: ClassVar[OtlpReader | None] = None
    """The reader that the SDK made by name last; it has no other door for whom it belongs to."""

    def __init__(self) -> None:
        super().__init__(_otlp_exporter(), process_deadline())
        OtlpReader.latest = self


def _otlp_exporter() -> MetricExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - extra
            OTLPMetricExporter as GrpcExporter,
        )

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - slow
        OTLPMetricExporter,
    )

    return OTLPMetricExporter()
