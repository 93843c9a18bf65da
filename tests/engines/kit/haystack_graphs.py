"""Random graphs as pipelines of Haystack: a node is a component with an output for each edge.

Haystack looks at annotations as they are: here they must not be texts.
"""

from collections.abc import Iterator
from typing import Any

from graphs import END, FlakyError, Graph, Node, Player
from haystack import Pipeline, component
from haystack.core.component.types import GreedyVariadic


@component
class Step:
    """A node of a random graph: it gives one of its outputs, for the node that follows."""

    def __init__(self, player: Player, node: Node) -> None:
        self._player, self._node = player, node
        component.set_output_types(self, **{f"to_{to}": int for to in node.routes})

    def run(self, go: GreedyVariadic[int]) -> dict[str, int]:
        del go
        work = self._node.work
        for number in range(1, work.attempts + 1):
            try:
                self._player.attempt(work.name)
            except FlakyError:
                if number < work.attempts:
                    continue
                if not work.fallback:
                    raise
                self._player.fall_back(work.name)
        return {f"to_{self._player.route(work.name)}": 1}


@component
class Again:
    """Between a node and itself."""

    @component.output_types(back=int)
    def run(self, go: GreedyVariadic[int]) -> dict[str, int]:
        return {"back": len(list(go))}


def translated(graph: Graph, player: Player) -> Any:
    """A random graph as a pipeline; attempts are the component's own."""
    pipeline = Pipeline(metadata={"name": "random"}, max_runs_per_component=1000)
    nodes = list(_reached(graph, graph.nodes[0].name, set()))
    for node in nodes:
        pipeline.add_component(node.name, Step(player, node))
    for node in nodes:
        for to in dict.fromkeys(node.routes):
            if to == node.name:  # which Haystack does not connect
                pipeline.add_component(f"{to}_again", Again())
                pipeline.connect(f"{to}.to_{to}", f"{to}_again.go")
                pipeline.connect(f"{to}_again.back", f"{to}.go")
            elif to != END:
                pipeline.connect(f"{node.name}.to_{to}", f"{to}.go")
    return pipeline


def _reached(graph: Graph, name: str, known: set[str]) -> Iterator[Node]:
    """The nodes that some route leads to: others have no input, which Haystack refuses."""
    if name not in known and name != END:
        known.add(name)
        yield graph[name]
        for to in graph[name].routes:
            yield from _reached(graph, to, known)
