"""What holds for engines that flowspan knows holds for one that only a map describes."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from graphs import END, Graph, Node, Player, Work, expected, graphs
from hypothesis import HealthCheck, given, settings

from flowspan import semconv
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.instrumentation.threads import ThreadContext
from flowspan.testing import RecordedSpans, record

PROGRAM = '''
import asyncio
from concurrent.futures import ThreadPoolExecutor


def ask(prompt):
    return {"text": prompt, "used": 7}


class House:
    """Plays a graph: a node at a time, its workers in a pool."""

    def __init__(self, graph, player, end):
        self.graph, self.player, self.end = graph, player, end

    def run(self):
        name = self.graph.nodes[0].name
        while name != self.end:
            node = self.graph[name]
            self.visit(name, 0)
            if node.worker is not None:
                with ThreadPoolExecutor(2) as pool:
                    work = [pool.submit(self.visit, node.worker.name, n) for n in range(node.width)]
                [each.result() for each in work]
            name = self.follow(name)

    def visit(self, name, item):
        work = self.graph.works[name]
        for number in range(1, work.tries + 1):
            try:
                return self.attempt(name, item, number)
            except ValueError as error:
                if error.last and work.fallback:
                    return self.player.fall_back(name)
                if error.last:
                    raise

    def attempt(self, name, item, number):
        return self.player.attempt(name, item)

    def follow(self, name):
        return self.player.route(name)


class AsyncHouse(House):
    """The same, its workers in tasks."""

    async def run(self):
        name = self.graph.nodes[0].name
        while name != self.end:
            node = self.graph[name]
            await self.visit(name, 0)
            if node.worker is not None:
                work = [self.visit(node.worker.name, number) for number in range(node.width)]
                found = await asyncio.gather(*work, return_exceptions=True)
                for error in filter(None, found):
                    if isinstance(error, ValueError):
                        raise error
            name = self.follow(name)

    async def visit(self, name, item):
        await asyncio.sleep(0)
        return super().visit(name, item)


class Box:
    pass


def hold(box):
    return {"box": box}
'''

ROWS = """
engine = "house"

[[rows]]
target = "housed:House.run"
subclasses = true
kind = "run"
name = "{type(self)}"

[[rows]]
target = "housed:House.visit"
subclasses = true
kind = "node"
name = "{name}"

[[rows]]
target = "housed:House.attempt"
retry = { attempt = "{number}", when = { path = "number", above = 1 } }

[[rows]]
target = "housed:House.follow"
route = { from = "{name}", to = "{result}" }

[[rows]]
target = "housed:ask"
kind = "llm"
name = "own"
usage = { input_tokens = "result['used']" }

[[rows]]
target = "housed:hold"
kind = "node"
name = "hold"
state = "box"
remember = { box = "{type(box)}" }
transition = { watch = "type(box)" }
"""


_RING = Graph(
    (
        Node(Work("a", calls=1), ("b",), 2, Work("a_worker", calls=1)),
        Node(Work("b", tries=2, failures=1, calls=1), ("a", END)),
    )
)


@pytest.fixture(scope="module", name="housed")
def _housed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModuleType, Integration]]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "housed.py").write_text(PROGRAM)
    (folder / "map.toml").write_text(ROWS)
    sys.path.insert(0, str(folder))
    threads = ThreadContext()
    threads.install()
    found, problems = load_map(Path(folder, "map.toml"))
    assert problems == []
    assert found is not None
    yield importlib.import_module("housed"), found
    threads.uninstall()
    sys.path.remove(str(folder))
    del sys.modules["housed"]


def _played(house: Any) -> None:
    try:
        house.run() if not asyncio.iscoroutinefunction(house.run) else asyncio.run(house.run())
    except ValueError:
        assert house.player.tally.failed


def _events(spans: Any, name: str) -> list[dict[str, Any]]:
    return [dict(one.attributes or {}) for span in spans for one in span.events if one.name == name]


@pytest.mark.parametrize("kind", ["House", "AsyncHouse"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(graph=graphs())
def test_what_a_map_counts_is_what_happened(
    housed: tuple[Any, Integration], kind: str, graph: Graph
) -> None:
    """Nodes, retries, routes, failures and model calls of random graphs, in pools and tasks."""
    program, integration = housed
    player = Player(graph, lambda: program.ask("?"))
    with record(integration) as recording:
        _played(getattr(program, kind)(graph, player, END))

    spans, tally = recording.spans, player.tally
    nodes = spans.of_kind("node")
    routes = _events(spans, semconv.EVENT_ROUTE_TAKEN)
    retries = _events(spans.of_kind("node"), semconv.EVENT_RETRY)
    failed = Counter(_name(span) for span in nodes if not span.status.is_unset)
    if not tally.failed:
        assert tally == expected(graph)
    assert Counter(map(_name, nodes)) == tally.visits
    assert len(retries) == tally.retries.total()
    assert Counter((r[semconv.ROUTE_FROM], r[semconv.ROUTE_TO]) for r in routes) == tally.routes
    assert failed == tally.failures - tally.fallbacks
    assert len(spans.of_kind("llm")) == tally.calls
    assert (not spans.roots()[0].status.is_unset) is tally.failed
    _assert_one_trace(spans)


def _name(span: Any) -> str:
    return str(span.attributes[semconv.STEP_NAME])


def _assert_one_trace(spans: RecordedSpans) -> None:
    assert len(spans.trace_ids()) == 1
    (root,) = spans.roots()
    totals = dict(root.attributes or {})
    calls = len(spans.of_kind("llm"))
    assert totals.get(semconv.ROLLUP_LLM_CALLS, 0) == calls
    assert totals.get(semconv.ROLLUP_INPUT_TOKENS, 0) == 7 * calls


def test_a_hundred_runs_in_one_loop_are_a_hundred_traces(housed: tuple[Any, Integration]) -> None:
    """None has a span of another, though each waits while others run."""
    program, integration = housed
    graph = _RING
    with record(integration) as recording:

        async def every() -> None:
            houses = [
                program.AsyncHouse(graph, Player(graph, lambda: program.ask("?")), END)
                for _ in range(100)
            ]
            await asyncio.gather(*(house.run() for house in houses))

        asyncio.run(every())

    spans = recording.spans
    by_trace = Counter(span.context.trace_id for span in spans)
    assert len(by_trace) == 100
    assert len(set(by_trace.values())) == 1
    assert len(spans.roots()) == 100
    assert {span.kind.name for span in spans.roots()} == {"INTERNAL"}


def test_nothing_of_the_program_is_kept_alive(housed: tuple[Any, Integration]) -> None:
    """Neither arguments nor results nor states, once a run is over."""
    program, integration = housed
    with record(integration):
        box = program.Box()
        gone = weakref.ref(box)
        program.hold(box)
        del box
        gc.collect()
        assert gone() is None
