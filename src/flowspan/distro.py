"""The composition root: the only place that knows exporters, hooks and integrations together.

``opentelemetry-instrument`` finds three entry points here and calls them in this order:
:class:`FlowspanDistro` (defaults of the environment), :class:`FlowspanConfigurator` (providers,
processors), :class:`FlowspanInstrumentor` (patches).  None of them ever raises.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from flowspan import config, safety
from flowspan.assembly import Assembly, underlying
from flowspan.delivery.noise import quieten
from flowspan.foreign import THREADING, owner_of
from flowspan.resource import resource_attributes
from flowspan.signals import Exporters, exporters
from flowspan.store.clickhouse.address import is_address, without_password

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from flowspan.config import Settings

_DISABLED: Final = "OTEL_SDK_DISABLED"
_CONFIG_FILE: Final = "OTEL_CONFIG_FILE"

_assembly: Assembly | None = None


def sdk_disabled() -> bool:
    """Whether the user switched OpenTelemetry off; then nothing is patched either."""
    return os.environ.get(_DISABLED, "").strip().lower() == "true"


def assembly() -> Assembly:
    """What this process is made of; read from the environment when first asked for."""
    global _assembly  # noqa: PLW0603 - one composition root for each process
    if _assembly is None:
        settings = config.load()
        for problem in settings.problems:
            safety.report_once(problem, f"flowspan: {problem}")
        _assembly = Assembly(settings)
    return _assembly


class FlowspanDistro(BaseDistro):  # type: ignore[misc]
    """Defaults of the environment, and which instrumentors are loaded."""

    def _configure(self, **kwargs: Any) -> None:
        del kwargs
        os.environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Load one instrumentor; a failure of one never costs the others.

        One that would see calls which flowspan sees already is left out, and said once.
        """
        if sdk_disabled() or entry_point.name == THREADING:
            return
        if (ours := owner_of(entry_point, assembly().settings.clients)) is not None:
            safety.report_once(
                f"foreign {entry_point.name}",
                f"flowspan: the instrumentation {entry_point.value!r} is not loaded, because "
                f"flowspan's own {ours!r} sees the same calls and they would be counted twice; "
                f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=flowspan-{ours} chooses the other, and "
                "FLOWSPAN_CLIENTS=foreign the others of all clients.",
            )
            return
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except ImportError:
            raise  # the loader knows what an absent library means
        except Exception as error:  # noqa: BLE001 - raised, it would stop all the others
            safety.swallow(f"instrumentor {entry_point.name}", error)


class FlowspanConfigurator(_OTelSDKConfigurator):
    """Providers and processors, from the environment."""

    def _configure(self, **kwargs: Any) -> None:
        if sdk_disabled():
            return
        try:
            self._compose(kwargs)
        except Exception as error:  # noqa: BLE001 - raised, it would stop every instrumentor
            safety.swallow("configuration", error)

    def _compose(self, keywords: dict[str, Any]) -> None:
        quieten()
        parts = assembly()
        wanted = exporters(os.environ, parts.settings)
        _say_where_nothing_goes(wanted, parts.settings)
        if os.environ.get(_CONFIG_FILE):
            super()._configure()  # type: ignore[no-untyped-call]
            parts.adopt(trace.get_tracer_provider(), store=wanted.store)
        elif isinstance(trace.get_tracer_provider(), TracerProvider):
            parts.adopt(trace.get_tracer_provider(), store=wanted.store)
        else:
            self._make_providers(parts, wanted, keywords)

    def _make_providers(self, parts: Assembly, wanted: Exporters, keywords: dict[str, Any]) -> None:
        keywords = {
            **keywords,
            "resource_attributes": resource_attributes(os.environ, parts.settings),
            "span_processors": parts.span_processors(store=wanted.store),
            "export_span_processor": parts.delivery,
            "export_log_record_processor": parts.log_delivery,
        }
        try:
            with _exporter_names(wanted):
                super()._configure(**keywords)  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - whatever it is that cannot be used
            self._make_without_exporters(parts, keywords, error)
        parts.carried_by(trace.get_tracer_provider())
        parts.measured = bool(wanted.metrics)

    def _make_without_exporters(
        self, parts: Assembly, keywords: dict[str, Any], error: Exception
    ) -> None:
        """Something that the environment names cannot be used: the embedded store still can."""
        stored = parts.settings.store_enabled
        safety.report_once(
            "exporters",
            f"flowspan: what the environment asks for cannot be used ({error}); install what "
            "provides it, or correct OTEL_*_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL and the other "
            f"OTEL_* variables. {'Only the embedded store' if stored else 'Nothing'} is written.",
        )
        if isinstance(trace.get_tracer_provider(), TracerProvider):
            return  # made before the trouble began
        provider = TracerProvider(resource=Resource.create(keywords["resource_attributes"]))
        parts.adopt(provider, store=stored)
        trace.set_tracer_provider(provider)


def _say_where_nothing_goes(wanted: Exporters, settings: Settings) -> None:
    """A store that is read from a database is written by a collector, if there is one."""
    elsewhere = wanted.traces or os.environ.get(_CONFIG_FILE)
    if is_address(settings.store) and not elsewhere:
        safety.report_once(
            "store of readers",
            f"flowspan: nothing is recorded, because {without_password(str(settings.store))} is "
            "for readers and is written by a collector: set OTEL_EXPORTER_OTLP_ENDPOINT to where "
            "the collector listens, or FLOWSPAN_STORE to a file",
        )


@contextmanager
def _exporter_names(wanted: Exporters) -> Iterator[None]:
    """Name the exporters to the SDK, which reads them from the environment alone.

    What the user set is put back, so that child processes see it.
    """
    names = {
        "OTEL_TRACES_EXPORTER": wanted.traces,
        "OTEL_METRICS_EXPORTER": wanted.metrics,
        "OTEL_LOGS_EXPORTER": wanted.logs,
    }
    before = {variable: os.environ.get(variable) for variable in names}
    os.environ.update({key: ",".join(value) or "none" for key, value in names.items()})
    try:
        yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


class FlowspanInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Patches engines and clients; also usable by hand: ``FlowspanInstrumentor().instrument()``.

    Used by hand it takes the providers that the program has set (or those given as
    ``tracer_provider`` and ``meter_provider``) and adds the embedded store to the former.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: every row waits for the import of its own target."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        if sdk_disabled():
            return
        try:
            self._apply(kwargs)
        except Exception as error:  # noqa: BLE001 - raised, it would stop every other instrumentor
            safety.swallow("instrumentation", error)

    def _apply(self, keywords: dict[str, Any]) -> None:
        parts = assembly()
        provider = underlying(keywords.get("tracer_provider") or trace.get_tracer_provider())
        meters = keywords.get("meter_provider") or metrics.get_meter_provider()
        if provider is not parts.provider and isinstance(provider, TracerProvider):
            parts.adopt(provider, store=exporters(os.environ, parts.settings).store)
        parts.apply(provider, meters)

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        global _assembly  # noqa: PLW0603 - one composition root for each process
        if _assembly is not None:
            _assembly.take_back()
            _assembly = None
