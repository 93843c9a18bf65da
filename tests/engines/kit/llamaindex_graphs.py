"""Random graphs as workflows of LlamaIndex: nodes are steps, edges are events."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from types import GenericAlias
from typing import Any

from adopted_whole import events, known, routes
from graphs import END, FlakyError, Graph, Node, Player, Tally, Work
from workflows import Workflow, step
from workflows.events import Event, StartEvent, StopEvent
from workflows.retry_policy import retry_policy, stop_after_attempt, wait_none

from flowspan import semconv
from flowspan.testing import RecordedSpans


def translated(graph: Graph, player: Player) -> Any:
    """The class of a graph's workflow: a node that fans out has a step that joins its workers."""
    made: Any = type("Random", (Workflow,), {})
    goes = {node.name: _event(f"Go{node.name}") for node in graph.nodes}
    goes[END] = StopEvent

    def add(work: Work, accepts: Any, returns: Any, then: Any, *, plays: bool = True) -> None:
        async def play(ev: Any) -> Any:
            if plays:
                _play(player, work, ev.get("item", 0))
            return then(ev)

        play.__name__ = play.__qualname__ = work.name
        play.__annotations__ = {"ev": accepts, "return": returns}
        policy = retry_policy(wait=wait_none(), stop=stop_after_attempt(work.tries))
        step(workflow=made, num_workers=4, retry_policy=policy)(play)

    def follow(node: Node) -> Any:
        to = player.route(node.name)
        return StopEvent(result="over") if to == END else goes[to]()

    def add_node(node: Node) -> None:
        following = _any_of(goes[to] for to in dict.fromkeys(node.routes))
        own, worker, work = node.work, node.worker, _event(f"Work{node.name}")
        if worker is None:
            add(own, goes[node.name], following, lambda _ev: follow(node))
            return
        result, items = _event(f"Done{node.name}"), range(node.width)
        add(
            own,
            goes[node.name],
            GenericAlias(list, work),
            lambda _ev: [work(item=i) for i in items],
        )
        add(worker, work, result, lambda _ev: result())
        join = Work(f"{node.name}_join")
        add(join, GenericAlias(list, result), following, lambda _ev: follow(node), plays=False)

    every = _any_of(goes[node.name] for node in graph.nodes)
    begin = Work("begin")
    add(begin, StartEvent, every, lambda _ev: goes[graph.nodes[0].name](), plays=False)
    for node in graph.nodes:
        add_node(node)
    return made


def _any_of(kinds: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, kinds)


def _event(name: str) -> Any:
    return type(name, (Event,), {})


def _play(player: Player, work: Work, item: int) -> None:
    try:
        player.attempt(work.name, item)
    except FlakyError as error:
        if not (error.last and work.fallback):
            raise
        player.fall_back(work.name)


def tally_of(graph: Graph, spans: RecordedSpans) -> dict[str, Any]:
    """What the trace says that happened; each attempt has a span of its own."""
    found = Tally()
    for span in spans.of_kind("node"):
        told_of = known(span)
        name, attempt = told_of[semconv.STEP_NAME], told_of[semconv.ATTEMPT]
        if name not in graph.works:
            continue
        found.attempts[name] += 1
        found.visits[name] += attempt == 1
        found.retries[name] += len(events(span, semconv.EVENT_RETRY))
        found.failures[name] += semconv.ERROR_TYPE in told_of and attempt == graph.works[name].tries
    for origin, to in routes(spans):
        if origin == "begin":  # of which every node is said to follow, as the engine wants it
            continue
        found.routes[str(origin).removesuffix("_join"), to or END] += 1
    found.calls = len(spans.of_kind("llm"))
    found.failed = any(semconv.ERROR_TYPE in known(span) for span in spans.of_kind("run"))
    return told(graph, found)


def told(graph: Graph, tally: Tally) -> dict[str, Any]:
    """What a trace can tell of a tally: where only one event can follow, nothing is decided."""
    decided = {pair: n for pair, n in tally.routes.items() if graph[pair[0]].decides}
    return {
        "visits": +tally.visits,
        "attempts": +tally.attempts,
        "retries": +tally.retries,
        "failures": +(tally.failures - tally.fallbacks),
        "routes": decided,
        "calls": tally.calls,
        "failed": tally.failed,
    }
