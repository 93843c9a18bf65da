"""Whether the cost of a node depends on the size of the state that it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks import ledger
from benchmarks.clock import Spread, timed
from benchmarks.engine import Engine
from benchmarks.maps import integration
from benchmarks.result import Report, Row, added
from benchmarks.sides import FLOWSPAN, PLAIN, Flowspan, Side
from benchmarks.telemetry import Telemetry
from benchmarks.work import Work
from flowspan.instrumentation.integration import Integration

SIZES: Final = {"100 B": 100, "100 KB": 100_000, "10 MB": 10_000_000}
_MANY_KEYS: Final = 10_000
_MOST_MICROSECONDS: Final = 150.0
_FLAT: Final = 1.25
_KEYS: Final = 10

_MAP: Final = """
engine = "toy"

[[rows]]
target = "benchmarks.engine:Engine.run"
kind = "run"
name = "article"

[[rows]]
target = "benchmarks.engine:Node.update"
kind = "node"
name = "{self.name}"
id = "{self.key}"
state = "state"

[[rows]]
target = "benchmarks.engine:Node.move_to"
transition = { watch = "self.status", cause = "{cause}", id = "{self.key}" }
"""
"""A span map whose row looks at the state, as users write it."""


def _texts(size: int) -> dict[str, Any]:
    """A state of a few long texts."""
    return {f"text {index}": "x" * (size // _KEYS) for index in range(_KEYS)} | {"turn": 0}


def _trees(size: int) -> dict[str, Any]:
    """A state of a few deep collections of small objects, about 100 bytes each."""
    many = max(1, size // _KEYS // 100)
    return {
        f"list {index}": [{"id": each, "parts": [each]} for each in range(many)]
        for index in range(_KEYS)
    } | {"turn": 0}


def _states() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, size in SIZES.items():
        yield f"node, state of {name}, texts", _texts(size)
        yield f"node, state of {name}, objects", _trees(size)


def _work(name: str, state: dict[str, Any], count: int = 100) -> Work:
    def prepare(side: Side) -> Callable[[], Any]:
        node = side.engine.node
        return lambda: node.update(state)

    return Work(name, "node", count, 1, prepare, inside=False, by_hand=False)


def map_of_states() -> Integration:
    """The map, as rows."""
    return integration(_MAP)


def measure(report: Report, *, quick: bool) -> None:
    """Add the time of a node by size of its state, and whether it is flat."""
    telemetry = Telemetry()
    rounds = 9 if quick else 21
    found: dict[str, Spread] = {}
    both = (
        Side(PLAIN, Engine()),
        Flowspan(telemetry, ledger.loaded_pricer(), map_of_states()),
    )
    for name, state in _states():
        found[name] = added(timed(_work(name, state), both, rounds, telemetry), FLOWSPAN, PLAIN)
    wide = f"node, state of {_MANY_KEYS:,} keys"
    work = _work(wide, dict.fromkeys(map(str, range(_MANY_KEYS)), 1) | {"turn": 0}, 5)
    many = added(timed(work, both, 5, telemetry), FLOWSPAN, PLAIN)
    report.rows += [_row(name, spread, found) for name, spread in found.items()]
    report.rows.append(_row(wide, many, found))


def _row(name: str, spread: Spread, found: dict[str, Spread]) -> Row:
    smallest = next(iter(found.values())).median
    times = spread.median / smallest
    return Row(
        subject=name,
        side=FLOWSPAN,
        value=spread,
        unit="µs/node",
        added=spread.median,
        ratio=times,
        aim=f"≤ {_MOST_MICROSECONDS:.0f} µs, ≤ {_FLAT} times the smallest",
        met=spread.median <= _MOST_MICROSECONDS and times <= _FLAT,
    )
