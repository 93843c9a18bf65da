"""pflow, counted: what the trace has of random graphs is what a plain counter found.

The graphs are played by nodes of the test's own in pflow's engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import openai
import pytest
from graphs import END, FlakyError, Graph, Node, Player, Work, expected, graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pflow_files import Files, plain
from pflow_kit import (
    ALL,
    BatchConfig,
    CompiledWorkflow,
    NodeConfig,
    WorkflowEngine,
    asked_provider,  # noqa: F401 - a fixture
)
from pflow_kit import Node as EngineNode
from phases import counted, numbers, played
from traces import threaded

from flowspan import semconv
from flowspan.testing import FakeProvider

pytestmark = pytest.mark.timeout(300)
NAMES: Final = tuple(f"n{number}" for number in range(4))


class Translation:
    """A graph as a compiled workflow."""

    def __init__(self, graph: Graph, player: Player, *, parallel: bool, by_batch: bool) -> None:
        self._player = player
        self._parallel = parallel
        self._by_batch = by_batch
        self._configs: dict[str, Any] = {}
        self.glue: dict[str, str] = {}
        first = {node.name: self._made(node.work, node) for node in graph.nodes}
        for node in graph.nodes:
            last = first[node.name]
            if node.worker is not None:
                last = self._joined(first[node.name], node, node.worker)
            for to in set(node.routes) - {END}:
                last - to >> first[to]
        start = first[graph.nodes[0].name]
        self._workflow = CompiledWorkflow(start_node=start, node_configs=self._configs)

    def _made(self, work: Work, node: Node) -> Any:
        """The node itself: it decides, unless its workers come after it."""
        decides = node.worker is None
        return self._node(work, node.name if decides else None, batch=None)

    def _joined(self, first: Any, node: Node, worker: Work) -> Any:
        """A batch has no action of its own: a node behind it says where it goes on."""
        batch = BatchConfig(list(range(node.width)), parallel=self._parallel)
        if self._by_batch and not worker.fallback:  # the batch tries again, not the node
            batch.max_retries = worker.tries
        workers = self._node(worker, None, batch=batch)
        join = self._node(Work(f"{node.name}_join"), node.name, batch=None)
        self.glue[join.node_id] = node.name
        first >> workers >> join
        return join

    def _node(self, work: Work, decides: str | None, *, batch: Any) -> Any:
        player, glue = self._player, self.glue

        class Played(EngineNode):
            def prep(self, shared: Any) -> int:
                return int(shared.get("item", 0) if batch is not None else 0)

            def exec(self, prep_res: int) -> dict[str, int]:
                return {} if work.name in glue else player.attempt(work.name, prep_res)

            def exec_fallback(self, prep_res: int, exc: Exception) -> dict[str, int]:
                if not work.fallback:
                    raise exc
                return player.fall_back(work.name)

            def post(self, shared: Any, prep_res: int, exec_res: Any) -> str | None:
                return None if decides is None else player.route(decides)

        by_batch = batch is not None and batch.max_retries > 1
        made: Any = Played(max_retries=1 if by_batch else work.tries)
        made.node_id = work.name
        self._configs[work.name] = NodeConfig(
            node_id=work.name,
            node_type_name="Played",
            template_config=None,
            batch_config=batch,
            namespaced=True,
            interface_metadata=None,
        )
        return made

    def run(self) -> bool:
        """Run the workflow; whether it failed."""
        try:
            WorkflowEngine().run(self._workflow, {})
        except FlakyError:
            return True
        return False


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=graphs(), parallel=st.booleans(), by_batch=st.booleans())
def test_a_random_graph_is_counted_as_it_was_played(
    graph: Graph, provider: FakeProvider, *, parallel: bool, by_batch: bool
) -> None:
    """Nodes, attempts, retries, fallbacks, routes and model calls are those of a plain counter."""
    provider.clear()
    client = openai.OpenAI(base_url=provider.openai_url, api_key="sk", max_retries=0)
    messages: Any = [{"role": "user", "content": "Say something"}]
    player = Player(
        graph, lambda: client.chat.completions.create(model="gpt-4o", messages=messages)
    )

    with client, threaded(*ALL, detail="full") as recording:
        translation = Translation(graph, player, parallel=parallel, by_batch=by_batch)
        failed = translation.run()

    spans = recording.spans
    assert failed == player.tally.failed
    if not failed:
        assert numbers(player.tally) == numbers(expected(graph))
    assert len(spans.roots()) == 1
    assert counted(spans, graph, translation.glue) == played(player.tally, graph)
    charged = provider.ledger.total()
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == (charged.output_tokens or 0)
    assert spans[0].attributes.get(semconv.ROLLUP_LLM_CALLS, 0) == player.tally.calls


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=graphs().map(plain), parallel=st.booleans(), nested=st.sets(st.sampled_from(NAMES)))
def test_a_random_workflow_of_pflows_own_nodes_is_counted_as_it_was_played(
    graph: Graph, provider: FakeProvider, tmp_path: Path, *, parallel: bool, nested: set[str]
) -> None:
    """Error edges, batches, workflows inside: through the runner, in the threads of code nodes."""
    provider.clear()
    client = openai.OpenAI(base_url=provider.openai_url, api_key="sk", max_retries=0)
    messages: Any = [{"role": "user", "content": "Say something"}]
    player = Player(
        graph, lambda: client.chat.completions.create(model="gpt-4o", messages=messages)
    )

    with client, threaded(*ALL, detail="full") as recording:
        files = Files(graph, tmp_path, parallel=parallel, nested=nested)
        failed = files.run(player)

    spans = recording.spans
    assert failed == player.tally.failed
    if not failed:
        assert numbers(player.tally) == numbers(expected(graph))
    assert len(spans.roots()) == 1
    assert counted(spans, graph, files.glue, handlers=files.handlers, parts=files.parts) == played(
        player.tally, graph
    )
    charged = provider.ledger.total()
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
