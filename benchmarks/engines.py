"""What a node costs with engines that small tables of rows see, or that have spans of their own.

Each is measured in a process of its own, where it is installed (``conformance/engines.toml`` says
what to install).  Spans of an engine's own are made on both sides; what flowspan adds is what it
gives to them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

from opentelemetry import trace

from benchmarks import ledger, nodes
from benchmarks.clock import Spread, timed
from benchmarks.engine import Engine
from benchmarks.programs import NODES, PROGRAMS, State
from benchmarks.result import Report, added
from benchmarks.sides import FLOWSPAN, PLAIN, Flowspan, Side
from benchmarks.telemetry import Telemetry
from benchmarks.work import Work
from flowspan.instrumentation.adoption import Adoption
from flowspan.instrumentation.guests import House
from flowspan.instrumentation.integration import Integration

SIZES: Final = ("100 B", "10 MB")

_NO_TOY: Final = Integration("toy", "", ())
"""The run is the engine's own."""


class _Alone(Side):
    """The engine with its own spans, if it has any."""

    def __init__(self) -> None:
        super().__init__(PLAIN, Engine())

    def settle(self, telemetry: Telemetry, work: str) -> None:
        """Whatever it makes."""
        del work
        telemetry.processor.force_flush()


class _Watched(Flowspan):
    """flowspan, which adopts the engine's own spans."""

    def install(self) -> None:
        """Patch, and take guests in."""
        super().install()
        if self.machine is not None:
            House.open(self.machine, yields=False)

    def uninstall(self) -> None:
        """Take both back."""
        House.close()
        super().uninstall()


def measure(report: Report, *, quick: bool) -> None:
    """Add the time of a node of each engine, by the size of its state."""
    for engine, program in PROGRAMS.items():
        if not _is_installed(program.module):
            report.remarks.append(f"{engine} is not installed: its nodes are not measured")
            continue
        command = [sys.executable, "-m", __name__, engine, str(7 if quick else 21)]
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{engine} cannot be measured:\n{done.stderr[-2000:]}")
        found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        spreads = {size: Spread(*spread) for size, spread in found.items()}
        nodes.add(report, f"{engine}, {program.node}", spreads)


def _is_installed(module: str) -> bool:
    package, _, _ = module.partition(".")
    return find_spec(package) is not None and find_spec(module) is not None


def _measured(engine: str, rounds: int) -> dict[str, Spread]:
    telemetry = Telemetry()
    telemetry.tracer_provider.add_span_processor(Adoption())
    trace.set_tracer_provider(telemetry.tracer_provider)
    both = (_Alone(), _Watched(telemetry, ledger.loaded_pricer(), _NO_TOY))
    states = nodes.states()
    with asyncio.Runner() as runner:
        run = PROGRAMS[engine].make(runner)
        works = {size: _work(f"{engine}, {size}", run, states[size]) for size in SIZES}
        return {size: _shared(timed(works[size], both, rounds, telemetry)) for size in SIZES}


def _work(name: str, run: Callable[[State], Any], state: State) -> Work:
    return Work(name, "run", 5, 1, lambda _side: lambda: run(state), inside=False, by_hand=False)


def _shared(times: dict[str, list[float]]) -> Spread:
    return Spread(*(each / NODES for each in added(times, FLOWSPAN, PLAIN)))


if __name__ == "__main__":
    print("\n" + json.dumps(_measured(sys.argv[1], int(sys.argv[2]))))
