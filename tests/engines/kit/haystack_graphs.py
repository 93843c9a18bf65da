"""Random graphs as pipelines of Haystack: nodes are components, which BranchJoiners are before.

A node that fans out has a component for each of its workers, and one that joins what they say.
Whoever chooses has an output for each edge, or a ConditionalRouter behind it.  Haystack looks at
annotations as they are: here they must not be texts.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from adopted_whole import known, routes
from graphs import END, FlakyError, Graph, Node, Player, Tally, Work
from haystack import Pipeline, component
from haystack.components.joiners import BranchJoiner
from haystack.components.routers import ConditionalRouter
from haystack.core.component.types import Variadic

from flowspan import semconv
from flowspan.testing import RecordedSpans

# --- components -----------------------------------------------------------------------------------


@component
class Step:
    """A node; where it does not fan out, it tells where to go."""

    def __init__(self, player: Player, node: Node, way: "Way") -> None:
        self._player, self._node, self._way = player, node, way
        outputs = ("out",) if node.worker is not None else way.outputs(node)
        component.set_output_types(self, **dict.fromkeys(outputs, str))

    def run(self, go: str) -> dict[str, str]:
        _play(self._player, self._node.work)
        if self._node.worker is not None:
            return {"out": go}
        return self._way.chosen(self._player, self._node)


@component
class Join:
    """What follows the workers of a node, of whom all have said something."""

    def __init__(self, player: Player, node: Node, way: "Way") -> None:
        self._player, self._node, self._way = player, node, way
        component.set_output_types(self, **dict.fromkeys(way.outputs(node), str))

    def run(self, said: Variadic[str]) -> dict[str, str]:
        assert len(list(said)) == self._node.width
        return self._way.chosen(self._player, self._node)


@component
class Worker:
    """One of several; a pipeline that is awaited has it in a thread, beside the others."""

    def __init__(
        self, player: Player, work: Work, item: int, meeting: threading.Barrier | None
    ) -> None:
        self._player, self._work, self._item, self._meeting = player, work, item, meeting

    @component.output_types(said=str)
    def run(self, go: str) -> dict[str, str]:
        if self._meeting is not None:
            self._meeting.wait()
        _play(self._player, self._work, self._item)
        return {"said": go}


@component
class LoopWorker:
    """The same in the event loop; those that fail do so at once, before any is cancelled."""

    def __init__(self, player: Player, work: Work, item: int, meeting: asyncio.Barrier) -> None:
        self._player, self._work, self._item, self._meeting = player, work, item, meeting

    @component.output_types(said=str)
    def run(self, go: str) -> dict[str, str]:
        raise NotImplementedError(go)

    @component.output_types(said=str)
    async def run_async(self, go: str) -> dict[str, str]:
        await self._meeting.wait()
        try:
            _play(self._player, self._work, self._item)
        finally:
            await self._meeting.wait()
        return {"said": go}


def _play(player: Player, work: Work, item: int = 0) -> None:
    """All attempts, which are the component's own."""
    for number in range(1, work.attempts + 1):
        try:
            player.attempt(work.name, item)
        except FlakyError:
            if number < work.attempts:
                continue
            if not work.fallback:
                raise
            player.fall_back(work.name)


# --- pipelines ------------------------------------------------------------------------------------


class Way:
    """How a graph is made a pipeline.

    Attributes:
        routers: Whether ConditionalRouters choose, and not the nodes.
        at_once: Whether workers are beside each other.
        threads: Whether those are in threads that do not fail the run: of threads that do, some
            would be forgotten before they did.
    """

    def __init__(self, *, routers: bool, at_once: bool, threads: bool) -> None:
        self.routers, self.at_once, self.threads = routers, at_once, threads

    def __repr__(self) -> str:
        return f"Way({vars(self)})"

    def outputs(self, node: Node) -> list[str]:
        """Of the component that ends a node."""
        if self.routers and node.decides:
            return ["to"]
        return [f"to_{to}" for to in dict.fromkeys(node.routes)]

    def chosen(self, player: Player, node: Node) -> dict[str, str]:
        """What that component gives."""
        to = player.route(node.name)
        return {"to" if self.routers and node.decides else f"to_{to}": to}

    def worker(self, player: Player, node: Node, item: int, meetings: dict[str, Any]) -> Any:
        """One of the workers of a node."""
        work = node.worker
        assert work is not None
        if not self.at_once:
            return Worker(player, work, item, None)
        kind = LoopWorker if (work.fails and not work.fallback) or not self.threads else Worker
        barrier = asyncio.Barrier if kind is LoopWorker else threading.Barrier
        return kind(player, work, item, meetings.setdefault(node.name, barrier(node.width)))


def translated(graph: Graph, player: Player, way: Way) -> Any:
    """A random graph as a pipeline, to be given the ``value`` of its first node's joiner."""
    pipeline = Pipeline(metadata={"name": "random"}, max_runs_per_component=1000)
    nodes = list(_reached(graph, graph.nodes[0].name, set()))
    for node in nodes:
        pipeline.add_component(f"{node.name}_in", BranchJoiner(str))
        pipeline.add_component(node.name, Step(player, node, way))
        pipeline.connect(f"{node.name}_in.value", f"{node.name}.go")
    for node in nodes:
        _leave(pipeline, node, _fan_out(pipeline, player, node, way), way)
    return pipeline


def _fan_out(pipeline: Any, player: Player, node: Node, way: Way) -> str:
    """The workers of a node; what ends it."""
    if node.worker is None:
        return node.name
    joins, meetings = f"{node.name}_join", {}  # type: ignore[var-annotated]
    pipeline.add_component(joins, Join(player, node, way))
    for item in range(node.width):
        name = f"{node.worker.name}_{item}"
        pipeline.add_component(name, way.worker(player, node, item, meetings))
        pipeline.connect(f"{node.name}.out", f"{name}.go")
        pipeline.connect(f"{name}.said", f"{joins}.said")
    return joins


def _leave(pipeline: Any, node: Node, last: str, way: Way) -> None:
    if way.routers and node.decides:
        rules = [
            {
                "condition": f"{{{{ to == '{to}' }}}}",
                "output": "{{ to }}",
                "output_name": f"to_{to}",
                "output_type": str,
            }
            for to in dict.fromkeys(node.routes)
        ]
        pipeline.add_component(f"{node.name}_router", ConditionalRouter(rules))
        pipeline.connect(f"{last}.to", f"{node.name}_router.to")
        last = f"{node.name}_router"
    for to in dict.fromkeys(node.routes):
        if to != END:
            pipeline.connect(f"{last}.to_{to}", f"{to}_in.value")


def _reached(graph: Graph, name: str, found: set[str]) -> Iterator[Node]:
    """The nodes that some route leads to: others have no input, which Haystack refuses."""
    if name not in found and name != END:
        found.add(name)
        yield graph[name]
        for to in graph[name].routes:
            yield from _reached(graph, to, found)


# --- what is counted ------------------------------------------------------------------------------


def tally_of(spans: RecordedSpans) -> dict[str, Any]:
    """What the trace says that happened."""
    nodes = [(_node(str(known(span)[semconv.STEP_NAME])), span) for span in spans.of_kind("node")]
    return {
        "visits": Counter(name for name, _ in nodes),
        "failures": Counter(name for name, span in nodes if not span.status.is_unset),
        "routes": Counter((_owner(origin), _owner(to or END)) for origin, to in routes(spans)),
        "calls": len(spans.of_kind("llm")),
        "failed": any(not span.status.is_unset for span in spans.of_kind("run")),
    }


def told(graph: Graph, tally: Tally, way: Way) -> dict[str, Any]:
    """What a trace can tell of a tally: where there is one output only, nothing is chosen."""
    visits = tally.visits + Counter(
        {f"{node.name}_in": tally.visits[node.name] for node in graph.nodes}
    )
    for (name, _), times in tally.routes.items():
        visits[f"{name}_join"] += times if graph[name].worker is not None else 0
        visits[f"{name}_router"] += times if way.routers and graph[name].decides else 0
    chosen = {pair: n for pair, n in tally.routes.items() if graph[pair[0]].decides}
    return {
        "visits": +visits,
        "failures": +(tally.failures - tally.fallbacks),
        "routes": Counter(chosen),
        "calls": tally.calls,
        "failed": tally.failed,
    }


def _node(name: str) -> str:
    """Workers are counted together."""
    head, _, item = name.rpartition("_")
    return head if item.isdigit() else name


def _owner(name: Any) -> str:
    """The node that a component is part of."""
    return str(name).partition("_")[0]
