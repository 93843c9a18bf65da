"""What a node costs with its events, however flowspan comes to see it, whatever its state holds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Final, TypedDict

import flowspan
from benchmarks import crews, ledger
from benchmarks.clock import Spread, microseconds, timed
from benchmarks.engine import Engine
from benchmarks.result import Report, Row, added
from benchmarks.sides import FLOWSPAN, PLAIN, Flowspan, Side
from benchmarks.state import map_of_states
from benchmarks.telemetry import Telemetry
from benchmarks.work import Work
from flowspan import semconv
from flowspan.instrumentation.integration import Event, Integration, Patch

MOST_MICROSECONDS: Final = 150.0
FLAT: Final = 1.6
_NODES: Final = 20
"""Nodes in one run of an engine: what the run itself costs is shared by so many."""

State = dict[str, Any]


def states() -> dict[str, State]:
    """What nodes work on, small and large."""
    trees = [{"id": at, "parts": [at]} for at in range(10_000)]
    return {
        "100 B": {f"key {at}": "x" * 10 for at in range(9)},
        "10 MB": {f"text {at}": "x" * 1_000_000 for at in range(8)} | {"trees": trees},
        "10,000 keys": dict.fromkeys(map(str, range(10_000)), 1),
    }


# --- ways to be seen --------------------------------------------------------------------------


@flowspan.node("write", id="node-7", state="state")
def decorated(state: State) -> None:
    """A node that says so itself."""
    state["turn"] = state.get("turn", 0) + 1
    flowspan.current().route("write", action="again")


def block(state: State) -> None:
    """A node that is a block."""
    with flowspan.node("write", id="node-7", state=state, inputs=state) as span:
        state["turn"] = state.get("turn", 0) + 1
        span.route("write", action="again")


_PLAIN: Final = inspect.unwrap(decorated)
_OFF_CALLS: Final = 5000

_ROUTE: Final = (
    Event(
        semconv.EVENT_ROUTE_TAKEN,
        {
            semconv.ROUTE_FROM: "write",
            semconv.ROUTE_TO: "write",
            semconv.ROUTE_ACTION: "again",
        },
    ),
)
_ROWS: Final = Integration(
    "toy",
    "",
    (
        Patch(target="benchmarks.engine:Engine.run", kind="run", name="article"),
        Patch(
            target="benchmarks.engine:Node.update",
            kind="node",
            name="write",
            request=lambda call: {semconv.NODE_ID: call.instance.key},
            state=lambda call: call.args[0],
            inputs=lambda call: call.args[0],
            after=lambda *_: _ROUTE,
        ),
    ),
    engine="toy",
)


class _Way(TypedDict):
    rows: Integration
    prepare: Callable[[Side, State], Callable[[], Any]]


def _update(side: Side, state: State) -> Callable[[], Any]:
    node = side.engine.node
    state["turn"] = 0
    return lambda: node.update(state)


WAYS: Final[dict[str, _Way]] = {
    "decorator": {"rows": _ROWS, "prepare": lambda _, state: lambda: decorated(state)},
    "with block": {"rows": _ROWS, "prepare": lambda _, state: lambda: block(state)},
    "map row": {"rows": map_of_states(), "prepare": _update},
    "engine row": {"rows": _ROWS, "prepare": _update},
}


# --- engines ----------------------------------------------------------------------------------


def _pocketflow() -> Callable[[State], Any]:
    import pocketflow  # noqa: PLC0415 - only where it is installed

    class Count(pocketflow.Node):  # type: ignore[misc]
        def post(self, shared: State, prep: Any, result: Any) -> str:
            del prep, result
            shared["turn"] = shared.get("turn", 0) + 1
            return "again" if shared["turn"] % _NODES else "done"

    node = Count()
    node - "again" >> node
    node - "done" >> pocketflow.Node()
    return pocketflow.Flow(start=node).run  # type: ignore[no-any-return]


def _langgraph() -> Callable[[State], Any]:
    from typing import TypedDict as Schema  # noqa: PLC0415

    from langgraph.graph import END, StateGraph  # noqa: PLC0415 - only where it is installed

    class Shared(Schema):
        turn: int
        data: State

    def count(state: Any) -> Any:
        return {"turn": state["turn"] + 1}

    graph = StateGraph(Shared)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    graph.add_conditional_edges(
        "count", lambda state: "count" if state["turn"] < _NODES else END, ["count", END]
    )
    compiled = graph.compile()
    return lambda state: compiled.invoke({"turn": 0, "data": state}, {"recursion_limit": 100})


ENGINES: Final[dict[str, Callable[[], Callable[[State], Any]]]] = {
    "pocketflow": _pocketflow,
    "langgraph": _langgraph,
    "crewai, method": partial(crews.methods, _NODES),
    "crewai, task and agent": partial(crews.tasks, _NODES),
}
"""By the engine's package, and what of it where there are several."""


# --- measuring --------------------------------------------------------------------------------


def measure(report: Report, *, quick: bool) -> None:
    """Add the time of a node by the way that it is seen and the size of its state."""
    telemetry = Telemetry()
    rounds = 9 if quick else 21
    _off(report, rounds)
    for way, how in WAYS.items():
        both = (Side(PLAIN, Engine()), Flowspan(telemetry, ledger.loaded_pricer(), how["rows"]))
        spreads = {
            size: _spread(_way(f"node, {way}, {size}", how, state), both, rounds, telemetry)
            for size, state in states().items()
        }
        add(report, f"node, {way}", spreads)
    for engine, make in ENGINES.items():
        if find_spec(engine.partition(",")[0]) is None:
            report.remarks.append(f"{engine} is not installed: its nodes are not measured")
            continue
        both = (Side(PLAIN, Engine()), Flowspan(telemetry, ledger.loaded_pricer()))
        spreads = {
            size: _spread(_engine(f"node, {engine}, {size}", make, state), both, rounds, telemetry)
            for size, state in states().items()
        }
        spreads = {
            size: Spread(*(each / _NODES for each in spread)) for size, spread in spreads.items()
        }
        add(report, f"node, {engine}", spreads)


def _way(name: str, how: _Way, state: State) -> Work:
    def prepare(side: Side) -> Callable[[], Any]:
        return how["prepare"](side, state)

    return Work(name, "node", 100, 1, prepare, inside=False, by_hand=False)


def _engine(name: str, make: Callable[[], Callable[[State], Any]], state: State) -> Work:
    def prepare(_side: Side) -> Callable[[], Any]:
        run = make()
        return lambda: run(state)

    return Work(name, "run", 5, 1, prepare, inside=False, by_hand=False)


def _spread(work: Work, both: tuple[Side, Side], rounds: int, telemetry: Telemetry) -> Spread:
    return added(timed(work, both, rounds, telemetry), FLOWSPAN, PLAIN)


def _off(report: Report, rounds: int) -> None:
    """What decorated code costs while flowspan is off."""
    state: State = {}
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "decorator, off": (lambda: decorated(state), lambda: _PLAIN(state)),
        "with block, off": (lambda: block(state), lambda: _PLAIN(state)),
    }
    for name, (with_us, without) in pairs.items():
        found = [
            (microseconds(with_us, _OFF_CALLS), microseconds(without, _OFF_CALLS))
            for _ in range(rounds)
        ]
        spread = Spread.of([one - other for one, other in found])
        report.rows.append(
            Row(
                subject=f"node, {name}",
                side=FLOWSPAN,
                value=spread,
                unit="µs/node",
                added=spread.median,
                aim="≤ 1 µs",
                met=spread.median <= 1,
            )
        )


def add(report: Report, subject: str, spreads: dict[str, Spread]) -> None:
    """Add what a node costs by the size of its state, and whether that is little and flat."""
    smallest = next(iter(spreads.values())).median
    for size, spread in spreads.items():
        times = spread.median / smallest
        report.rows.append(
            Row(
                subject=f"{subject}, {size}",
                side=FLOWSPAN,
                value=spread,
                unit="µs/node",
                added=spread.median,
                ratio=times,
                aim=f"≤ {MOST_MICROSECONDS:.0f} µs, ≤ {FLAT} times the smallest",
                met=spread.median <= MOST_MICROSECONDS and times <= FLAT,
            )
        )
