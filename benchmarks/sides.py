"""The sides of a comparison: no tracing, tracing written by hand (two ways), and flowspan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks import handwritten, ledger
from benchmarks.engine import Engine
from benchmarks.pens import CarefulPen, UsualPen
from benchmarks.rows import ENGINE
from benchmarks.telemetry import Telemetry
from flowspan.cost import CostHook
from flowspan.instrumentation import discovery
from flowspan.instrumentation.decorators import live
from flowspan.instrumentation.events import EventOutlet
from flowspan.instrumentation.hooks import CallHook
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.machine import Machine
from flowspan.instrumentation.metrics import Instruments
from flowspan.instrumentation.patching import Patcher
from flowspan.pricing import Pricer

PLAIN: Final = "nothing"
USUAL: Final = "by hand"
CAREFUL: Final = "by hand, tuned"
FLOWSPAN: Final = "flowspan"


class Side:
    """One way to trace a program.

    Attributes:
        name: What tables call it.
        engine: The engine as this side has it.
        by_hand: Whether its tracing is written into the program.
    """

    by_hand = False

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine

    def install(self) -> None:
        """Make the tracing begin."""

    def uninstall(self) -> None:
        """Make the tracing end."""

    def settle(self, telemetry: Telemetry, work: str) -> None:
        """Hand over what one measurement of a work left, and see that it left what it should."""
        telemetry.settle(work, traced=self.name != PLAIN)

    def chat(self, client: Any, request: dict[str, Any]) -> Any:
        """A model call."""
        return client.chat.completions.create(**request)

    def read(self, client: Any, request: dict[str, Any]) -> None:
        """A streamed model call, read to its end."""
        for _ in client.chat.completions.create(**request):
            pass


class ByHand(Side):
    """OpenTelemetry written into the program."""

    by_hand = True

    def __init__(self, name: str, tracing: handwritten.Tracing) -> None:
        super().__init__(name, handwritten.TracedEngine(tracing))
        self._tracing = tracing

    def chat(self, client: Any, request: dict[str, Any]) -> Any:
        """A model call."""
        return handwritten.chat(self._tracing, client, request)

    def read(self, client: Any, request: dict[str, Any]) -> None:
        """A streamed model call, read to its end."""
        for _ in handwritten.streamed_chat(self._tracing, client, request):
            pass


class Flowspan(Side):
    """flowspan around the program, with everything on that is on by default.

    Attributes:
        machine: What sees calls since it was last installed.
    """

    def __init__(
        self, telemetry: Telemetry, pricer: Pricer, *more: Integration, name: str = FLOWSPAN
    ) -> None:
        super().__init__(name, Engine())
        self._tracer = telemetry.tracer_provider.get_tracer("flowspan")
        self._instruments = Instruments(telemetry.meter_provider.get_meter(name))
        self._hooks: tuple[CallHook, ...] = (CostHook(pricer, self._instruments),)
        self._integrations = (*(more or (ENGINE,)), *discovery.built_in())
        self._patcher: Patcher | None = None
        self.machine: Machine | None = None

    def install(self) -> None:
        """Patch, with a machine of its own each time: one that was taken back stays silent."""
        machine = Machine(
            tracer=self._tracer,
            instruments=self._instruments,
            outlet=EventOutlet("span", None),
            hooks=self._hooks,
        )
        self.machine = machine
        live.connect(machine)
        self._patcher = Patcher(machine)
        for integration in self._integrations:
            self._patcher.install(integration)

    def uninstall(self) -> None:
        """Take the patches back."""
        if self._patcher is not None:
            self._patcher.uninstall()
        if self.machine is not None:
            live.disconnect(self.machine)


def _by_hand(name: str, telemetry: Telemetry, rates: ledger.Rates, pen: Callable[..., Any]) -> Side:
    instruments = ledger.Instruments(telemetry.meter_provider.get_meter(name))
    tracer = telemetry.tracer_provider.get_tracer(name)
    return ByHand(name, handwritten.Tracing(pen(tracer), instruments, rates))


def sides(telemetry: Telemetry) -> tuple[Side, ...]:
    """All sides over the same providers, the untraced one first."""
    pricer = ledger.loaded_pricer()
    rates = ledger.Rates(pricer)
    return (
        Side(PLAIN, Engine()),
        _by_hand(USUAL, telemetry, rates, UsualPen),
        _by_hand(CAREFUL, telemetry, rates, CarefulPen),
        Flowspan(telemetry, pricer),
    )
