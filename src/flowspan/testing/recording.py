"""An in-memory run: what a program emits, with counting ids and a counting clock.

::

    with record(INTEGRATION) as recording:
        engine.run()
    assert recording.spans.tree() == '''
    invoke_workflow demo
      run_step first
    '''
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from flowspan import safety
from flowspan.cost import CostHook
from flowspan.instrumentation import streams
from flowspan.instrumentation.adoption import Adoption
from flowspan.instrumentation.decorators import live
from flowspan.instrumentation.events import EventOutlet
from flowspan.instrumentation.guests import House
from flowspan.instrumentation.machine import Machine
from flowspan.instrumentation.metrics import Instruments
from flowspan.instrumentation.patching import Patcher
from flowspan.instrumentation.threads import ThreadContext
from flowspan.instrumentation.untold import is_untold
from flowspan.pricing import Pricer
from flowspan.testing.spans import RecordedSpans

if TYPE_CHECKING:
    from flowspan.config import Clients, ContentMode, Detail
    from flowspan.instrumentation.hooks import CallHook
    from flowspan.instrumentation.integration import Integration
    from flowspan.instrumentation.patching import RowStatus


_PATIENCE_SECONDS: Final = 30.0


class CountingIds(IdGenerator):
    """Trace and span ids that count from 1, so that whole spans can be compared."""

    def __init__(self) -> None:
        self._spans = 0
        self._traces = 0

    def generate_span_id(self) -> int:
        """The next span id."""
        self._spans += 1
        return self._spans

    def generate_trace_id(self) -> int:
        """The next trace id."""
        self._traces += 1
        return self._traces


class Recording:
    """What was emitted while recording."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(id_generator=CountingIds(), shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(Adoption())
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.instruments = Instruments(self.meter_provider.get_meter("flowspan"))
        self.patcher: Patcher | None = None

    @property
    def spans(self) -> RecordedSpans:
        """The ended spans; streams that were dropped have ended when this returns."""
        streams.settle()
        finished: tuple[ReadableSpan, ...] = self._exporter.get_finished_spans()
        return RecordedSpans([span for span in finished if not is_untold(span)])

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Data points by metric name: attributes, and the value (sum and count of histograms)."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [_point(point) for point in metric.data.data_points]
        return found

    def statuses(self) -> list[RowStatus]:
        """What became of each row."""
        return [] if self.patcher is None else self.patcher.statuses()


@cache
def _pricer() -> Pricer:
    """One for the process: its price list is read once, and is there before a test begins."""
    pricer = Pricer()
    pricer.load(within=_PATIENCE_SECONDS)
    return pricer


def _point(point: Any) -> tuple[dict[str, Any], Any]:
    if hasattr(point, "value"):
        return dict(point.attributes), point.value
    return dict(point.attributes), {"sum": point.sum, "count": point.count}


@contextmanager
def record(  # noqa: PLR0913 - each is a setting of its own
    *integrations: Integration,
    hooks: tuple[CallHook, ...] = (),
    priced: bool = False,
    detail: Detail = "normal",
    content: ContentMode = "off",
    asks_for_usage: bool = False,
    clients: Clients = "own",
    loop_rounds: int = 5,
    threads: bool = False,
    strict: bool = True,
) -> Iterator[Recording]:
    """Record what the given integrations see, in memory; errors of telemetry are raised.

    Args:
        integrations: Whose rows are applied for the time of the recording.
        hooks: Act on calls.
        priced: Price model calls, as the distribution does.
        detail: How much is recorded.
        content: Whether messages are recorded.
        asks_for_usage: Whether streams are asked for their usage where the program does not.
        loop_rounds: After how many rounds of a node a loop is suspected; 0 for never.
        clients: Who owns model calls that spans of others stand for.
        threads: Whether what happens in threads and pools is a part of the run that started it, as
            in a watched program.
        strict: ``False`` swallows telemetry errors as in production.
    """
    recording = Recording()
    machine = Machine(
        tracer=recording.tracer_provider.get_tracer("flowspan"),
        instruments=recording.instruments,
        outlet=EventOutlet("span", None),
        hooks=(*hooks, CostHook(_pricer(), recording.instruments)) if priced else hooks,
        detail=detail,
        content=content,
        asks_for_usage=asks_for_usage,
        loop_rounds=loop_rounds,
    )
    House.open(machine, yields=clients == "foreign")
    live.connect(machine)
    recording.patcher = Patcher(machine)
    former = safety.set_strict(strict)
    carrier = ThreadContext() if threads else None
    try:
        if carrier is not None:
            carrier.install()
        for integration in integrations:
            recording.patcher.install(integration)
        yield recording
    finally:
        streams.end_open()
        recording.patcher.uninstall()
        if carrier is not None:
            carrier.uninstall()
        live.disconnect(machine)
        House.close()
        safety.set_strict(former)
