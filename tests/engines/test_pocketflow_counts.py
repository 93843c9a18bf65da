"""PocketFlow, counted: what the trace has of random graphs is what a plain counter found."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any, Final

import openai
import pytest
from graphs import END, FlakyError, Graph, Node, Player, Work, expected, graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phases import counted, numbers, played

from flowspan import semconv
from flowspan.instrumentation.clients import http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.instrumentation.engines import pocketflow as rows
from flowspan.testing import FakeProvider, record

pocketflow = pytest.importorskip("pocketflow")

ALL: Final = (rows.INTEGRATION, openai_rows.INTEGRATION, *http.INTEGRATIONS)


# --- the graph in PocketFlow's words --------------------------------------------------------------


def _methods(work: Work, player: Player, decides: str | None, *, batch: bool) -> dict[str, Any]:
    """What a node does: ``decides`` is whose way on it asks for when it is done."""

    def do(self: Any, prepared: Any) -> dict[str, int]:
        return player.attempt(work.name, prepared or 0)

    def fall_back(self: Any, prepared: Any, error: Exception) -> dict[str, int]:
        if not work.fallback:
            raise error
        return player.fall_back(work.name)

    def finish(self: Any, shared: dict[str, Any], prepared: Any, written: Any) -> str | None:
        for one in written if batch else [written]:
            shared.update(one)
        to = None if decides is None else player.route(decides)
        shared["to"] = to
        return to

    return {"exec": do, "exec_fallback": fall_back, "post": finish}


def _awaited(method: Any) -> Any:
    async def awaited(*args: Any) -> Any:
        await asyncio.sleep(0)
        return method(*args)

    return awaited


def _node(bases: tuple[type, ...], name: str, work: Work, methods: dict[str, Any]) -> Any:
    if issubclass(bases[0], pocketflow.AsyncNode):
        methods = {f"{method}_async": _awaited(body) for method, body in methods.items()}
    return type(name, bases, methods)(max_retries=work.tries)


class _Nested(pocketflow.Flow):  # type: ignore[name-defined]
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return shared["to"]


class _AsyncNested(pocketflow.AsyncFlow):  # type: ignore[name-defined]
    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return shared["to"]


class Translation:
    """A graph as a flow, each node of it perhaps a flow of its own."""

    def __init__(self, graph: Graph, player: Player, nested: set[str], *, is_async: bool) -> None:
        self._player = player
        self._nested = nested
        self._is_async = is_async
        first = {node.name: self._first(node) for node in graph.nodes}
        for node in graph.nodes:
            last = self._last(node, first[node.name])
            for to in set(node.routes) - {END}:
                last - to >> first[to]
        kind = pocketflow.AsyncFlow if is_async else pocketflow.Flow
        self.flow = kind(first[graph.nodes[0].name])

    def _first(self, node: Node) -> Any:
        kind = pocketflow.AsyncNode if self._is_async else pocketflow.Node
        decides = None if node.worker is not None else node.name
        made = _node(
            (kind,),
            node.name,
            node.work,
            _methods(node.work, self._player, decides, batch=False),
        )
        if node.name not in self._nested:
            return made
        around = _AsyncNested if self._is_async else _Nested
        return type(node.name, (around,), {})(made)

    def _last(self, node: Node, first: Any) -> Any:
        worker = node.worker
        if worker is None:
            return first
        kind = pocketflow.AsyncParallelBatchNode if self._is_async else pocketflow.BatchNode
        methods = _methods(worker, self._player, node.name, batch=True)
        methods["prep"] = lambda self, shared: list(range(node.width))
        made = _node((kind,), worker.name, worker, methods)
        first >> made
        return made

    def run(self, shared: dict[str, Any]) -> bool:
        """Run the flow; whether it failed."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Flow ends")
            try:
                if self._is_async:
                    asyncio.run(self.flow.run_async(shared))
                else:
                    self.flow.run(shared)
            except FlakyError:
                return True
        return False


# --- counted --------------------------------------------------------------------------------------


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    graph=graphs(),
    nested=st.sets(st.sampled_from(["n0", "n1", "n2", "n3"])),
    is_async=st.booleans(),
)
def test_a_random_graph_is_counted_as_it_was_played(
    graph: Graph, nested: set[str], provider: FakeProvider, *, is_async: bool
) -> None:
    """Nodes, attempts, retries, fallbacks, routes and model calls are those of a plain counter."""
    provider.clear()
    client = openai.OpenAI(base_url=provider.openai_url, api_key="sk", max_retries=0)
    messages: Any = [{"role": "user", "content": "Say something"}]
    player = Player(
        graph, lambda: client.chat.completions.create(model="gpt-4o", messages=messages)
    )

    with client, record(*ALL, detail="full") as recording:
        failed = Translation(graph, player, nested, is_async=is_async).run({})

    spans = recording.spans
    assert failed == player.tally.failed
    if not failed:
        assert numbers(player.tally) == numbers(expected(graph))
    assert len(spans.roots()) == 1
    assert counted(spans, graph) == played(player.tally, graph)
    charged = provider.ledger.total()
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == (charged.output_tokens or 0)
    assert spans[0].attributes.get(semconv.ROLLUP_LLM_CALLS, 0) == player.tally.calls
