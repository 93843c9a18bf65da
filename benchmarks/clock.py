"""Measures CPU time: all sides in one process, in turns, so that load hits all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.sides import Side
from benchmarks.telemetry import Telemetry
from benchmarks.work import Work

_WARM_UP = 3


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep what is there now out of collections: a program's own heap is not our subject."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def block(work: Work, side: Side, unit: Callable[[], Any], measure: Callable[..., float]) -> float:
    """One measurement on one side: patched before, warmed up, and taken back after."""
    side.install()
    try:
        result: float = work.around(side, lambda: _warmed(work, unit, measure))
    finally:
        side.uninstall()
    return result


def warm_ups(work: Work) -> int:
    """How many units are done before those that are measured."""
    return min(_WARM_UP, work.count)


def _warmed(work: Work, unit: Callable[[], Any], measure: Callable[..., float]) -> float:
    for _ in range(warm_ups(work)):
        unit()
    gc.collect()
    return measure(unit)


def microseconds(unit: Callable[[], Any], count: int) -> float:
    """CPU time of one unit."""
    started = time.process_time_ns()
    for _ in range(count):
        unit()
    return (time.process_time_ns() - started) / count / 1000


def timed(
    work: Work, sides: Sequence[Side], rounds: int, telemetry: Telemetry
) -> dict[str, list[float]]:
    """Microseconds of CPU time of one unit, by side, one value for each round."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    units = {side.name: work.prepare(side) for side in sides}
    with quiet_collector():
        for turn in range(rounds):
            shift = turn % len(sides)
            for side in (*sides[shift:], *sides[:shift]):
                unit = units[side.name]
                taken = block(work, side, unit, lambda unit: microseconds(unit, work.count))
                found[side.name].append(taken)
                side.settle(telemetry, work.name)
    return found
