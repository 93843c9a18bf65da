"""The part that runs under valgrind: ``python -m benchmarks.counting WORK ROUNDS``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import valgrind
from benchmarks.clock import block, quiet_collector
from benchmarks.sides import PLAIN, sides
from benchmarks.telemetry import Telemetry
from benchmarks.work import WORKS, Work, sides_of


def _counted(counter: valgrind.Counter, label: str, count: int) -> Callable[[Any], float]:
    def measure(unit: Callable[[], Any]) -> float:
        gc.freeze()
        gc.disable()
        counter.zero()
        for _ in range(count):
            unit()
        # What is garbage in cycles must be paid for, as all other garbage is, and by its maker.
        gc.collect()
        counter.note(label)
        gc.enable()
        return 0.0

    return measure


def _once(unit: Callable[[], Any]) -> float:
    unit()
    return 0.0


def main(names: list[str], rounds: int) -> None:
    """Count the instructions of some works on all sides."""
    telemetry = Telemetry()
    counter = valgrind.Counter()
    every = sides(telemetry)
    works: list[Work] = [WORKS[name] for name in names]
    units = {(work.name, side.name): work.prepare(side) for work in works for side in every}
    for work in works:  # everything is imported and cached before counting begins
        for side in sides_of(work, every):
            block(work, side, units[work.name, side.name], _once)
            telemetry.settle(f"{work.name}, warming up", traced=side.name != PLAIN)
    counter.start()
    with quiet_collector():
        for work in works:
            for _ in range(rounds):
                for side in sides_of(work, every):
                    label = valgrind.label(work.name, side.name)
                    measure = _counted(counter, label, work.under_valgrind)
                    block(work, side, units[work.name, side.name], measure)
                    counter.zero()
                    telemetry.settle(work.name, traced=side.name != PLAIN)
                    counter.note(valgrind.label(work.name, side.name + valgrind.DELIVERY))


if __name__ == "__main__":
    *asked, repeat = sys.argv[1:]
    main(asked, int(repeat))
