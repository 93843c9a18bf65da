"""The parts of one process: processors, machine, patches, and how they come to an end."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import get_logger
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from flowspan import estimates, foreign, safety, semconv
from flowspan.bytepairs import BytePairs
from flowspan.cost import CostHook
from flowspan.delivery.deadline import process_deadline
from flowspan.delivery.endings import Endings
from flowspan.delivery.logs import BoundedLogProcessor
from flowspan.delivery.metrics import OtlpReader
from flowspan.delivery.processor import DeliveryProcessor
from flowspan.foreign import THREADING, disabled_integrations
from flowspan.instrumentation import discovery
from flowspan.instrumentation.adoption import Adoption
from flowspan.instrumentation.clients import http
from flowspan.instrumentation.conversations import Conversations
from flowspan.instrumentation.decorators import live
from flowspan.instrumentation.events import EventOutlet
from flowspan.instrumentation.guests import House
from flowspan.instrumentation.machine import Machine
from flowspan.instrumentation.metrics import Instruments
from flowspan.instrumentation.patching import Patcher
from flowspan.instrumentation.processes import ProcessContext
from flowspan.instrumentation.surroundings import Surroundings
from flowspan.instrumentation.threads import ThreadContext
from flowspan.pricing import Pricer, load_overrides, override_files
from flowspan.resource import flowspan_version
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.open_rows import OpenRowProcessor
from flowspan.store.recall import Recall

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider as AnyTracerProvider

    from flowspan.config import Settings
    from flowspan.instrumentation.integration import Integration


_carried_by: Final[weakref.WeakKeyDictionary[TracerProvider, list[SpanProcessor]]] = (
    weakref.WeakKeyDictionary()
)
"""What delivers the spans of a provider, also where flowspan was taken back and comes again."""


def underlying(provider: Any) -> Any:
    """The SDK's provider, where another distribution (Logfire) has put one of its own around it."""
    inner = getattr(provider, "provider", None)
    return inner if isinstance(inner, TracerProvider) else provider


class Assembly:
    """Everything that flowspan is in one process.

    Attributes:
        settings: What the user asked for.
        provider: The tracer provider that carries our processors.
        patcher: Applied the rows; ``None`` before.
        measured: False where nobody takes metrics, so that none need be made.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.deadline = process_deadline(settings.shutdown_seconds)
        self.provider: Any = None
        self.patcher: Patcher | None = None
        self.measured = True
        self._processors: list[SpanProcessor] = []
        self._instruments: Instruments | None = None
        self._endings: Endings | None = None
        self._machine: Machine | None = None
        self._carriers: tuple[ThreadContext | ProcessContext | Surroundings, ...] = ()

    # --- processors ----------------------------------------------------------------------------

    def span_processors(self, *, store: bool) -> list[SpanProcessor]:
        """What a provider carries besides exporters that the user named: adoption and store."""
        processors: list[SpanProcessor] = [Adoption()]
        if store:
            exporter = StoreSpanExporter(settings=self.settings)
            if exporter.writer is not None:
                processors.append(OpenRowProcessor(exporter.writer))
                processors.append(self.delivery(exporter, retry=False))
        return processors

    def delivery(self, exporter: SpanExporter, *, retry: bool = True) -> DeliveryProcessor:
        """The processor of one exporter."""
        processor = DeliveryProcessor(exporter, self.deadline, on_drop=self._dropped, retry=retry)
        self._processors.append(processor)
        return processor

    def log_delivery(self, exporter: LogRecordExporter) -> BoundedLogProcessor:
        """The log processor of one exporter."""
        return BoundedLogProcessor(exporter, self.deadline)

    def adopt(self, provider: Any, *, store: bool) -> None:
        """Add our processors to a provider that somebody else made."""
        if not isinstance(provider, TracerProvider) or provider is self.provider:
            return
        if (deliveries := _carried_by.get(provider)) is not None:
            self._processors += deliveries  # it has ours from before: they stay on their provider
        else:
            for processor in self.span_processors(store=store):
                provider.add_span_processor(processor)
        self.carried_by(provider)

    def carried_by(self, provider: Any) -> None:
        """Remember which provider has our processors."""
        self.provider = provider
        if isinstance(provider, TracerProvider):
            _carried_by[provider] = list(self._processors)

    def _dropped(self, count: int) -> None:
        if self._instruments is not None:
            self._instruments.count(semconv.METRIC_SPANS_DROPPED, count, {})

    # --- patches -------------------------------------------------------------------------------

    def apply(self, provider: AnyTracerProvider, meters: MeterProvider) -> None:
        """Build the machine and patch what the user did not disable."""
        version = flowspan_version()
        if not self.measured and provider is self.provider:
            meters = NoOpMeterProvider()
        self._instruments = Instruments(meters.get_meter("flowspan", version))
        safety.set_listener(self._swallowed)
        costs = CostHook(self._pricer(), self._instruments)
        machine = Machine(
            tracer=provider.get_tracer("flowspan", version),
            instruments=self._instruments,
            outlet=self._outlet(),
            hooks=(costs,),
            detail=self.settings.detail,
            content=self.settings.content,
            asks_for_usage=self.settings.stream_usage == "request",
            loop_rounds=self.settings.loop_rounds,
            conversations=Conversations(Recall.configured(self.settings)),
        )
        yields = foreign.goes_first(self.settings.clients)
        House.open(machine, yields=yields, expect=costs.expect)
        live.connect(machine)
        self._machine = machine
        self.patcher = Patcher(machine)
        http.configure(self.settings.http_hosts)
        estimates.configure(BytePairs() if self.settings.estimates == "tiktoken" else None)
        for integration in self._integrations():
            safety.guarded(f"{integration.name} rows", self._install, self.patcher, integration)
        self._carry_contexts()
        self._endings = Endings(tuple(self._processors), self.deadline, OtlpReader.latest)
        self._endings.install()

    @staticmethod
    def _install(patcher: Patcher, integration: Integration) -> None:
        for variable, value in integration.environment.items():
            os.environ.setdefault(variable, value)
        patcher.install(integration)

    def take_back(self) -> None:
        """Undo :meth:`apply`; processors stay on their provider."""
        if self.patcher is not None:
            self.patcher.uninstall()
        if self._endings is not None:
            self._endings.uninstall()
        for carrier in self._carriers:
            carrier.uninstall()
        if self._machine is not None:
            live.disconnect(self._machine)
        House.close()
        safety.set_listener(None)

    def _integrations(self) -> Iterator[Integration]:
        disabled = disabled_integrations() | foreign.owned(self.settings.clients).keys()
        for integration in (*discovery.built_in(), *discovery.published(), *self._mapped()):
            if integration.name.lower() not in disabled:
                yield integration

    def _mapped(self) -> Iterator[Integration]:
        if self.settings.map_path is None:
            return
        from flowspan.instrumentation.spanmap.loading import load_map  # noqa: PLC0415 - few have a map

        integration, problems = load_map(self.settings.map_path)
        for problem in problems:
            safety.report_once(problem, f"flowspan: {problem}")
        if integration is not None:
            yield integration

    def _pricer(self) -> Pricer:
        overrides, problems = load_overrides(override_files(self.settings.prices_path))
        for problem in problems:
            safety.report_once(problem, f"flowspan: {problem}")
        return Pricer(overrides)

    def _outlet(self) -> EventOutlet:
        logger = None if self.settings.events == "span" else get_logger("flowspan")
        return EventOutlet(self.settings.events, logger)

    def _carry_contexts(self) -> None:
        if THREADING not in disabled_integrations():
            self._carriers = (ThreadContext(), ProcessContext(), Surroundings())
        for carrier in self._carriers:
            carrier.install()

    def _swallowed(self, place: str) -> None:
        if self._instruments is not None:
            labels = {"integration": place.partition(" ")[0]}
            self._instruments.count(semconv.METRIC_TELEMETRY_ERRORS, 1, labels)
