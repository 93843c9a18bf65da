"""Random graphs as workflows of LlamaIndex: nodes are steps, edges are events.

Before 2.22 a step cannot return a list: what fans out sends its events, and what joins collects.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import Any, Final, NamedTuple

from adopted_whole import events, known, routes
from graphs import END, FlakyError, Graph, Node, Player, Tally, Work
from workflows import Context, Workflow, retry_policy, step
from workflows.decorators import StepConfig
from workflows.events import Event, StartEvent, StopEvent

from flowspan import semconv
from flowspan.testing import RecordedSpans

HAS_LISTS: Final = hasattr(StepConfig, "is_fan_out")


def translated(graph: Graph, player: Player) -> Any:
    """The class of a graph's workflow: a node that fans out has a step that joins its workers."""
    made: Any = type("Random", (Workflow,), {})
    goes = {node.name: _event(f"Go{node.name}") for node in graph.nodes}
    goes[END] = StopEvent

    def add(work: Work, accepts: Any, returns: Any, then: Any, *, plays: bool = True) -> None:
        async def play(ctx: Any, ev: Any) -> Any:
            if plays:
                _play(player, work, ev.get("item", 0))
            return then(ctx, ev)

        play.__name__ = play.__qualname__ = work.name
        play.__annotations__ = {"ctx": Context, "ev": accepts, "return": returns}
        step(workflow=made, num_workers=4, retry_policy=_policy(work.tries))(play)

    def follow(node: Node) -> Any:
        to = player.route(node.name)
        return StopEvent(result="over") if to == END else goes[to]()

    def add_node(node: Node) -> None:
        following = _any_of(goes[to] for to in dict.fromkeys(node.routes))
        own, worker, work = node.work, node.worker, _event(f"Work{node.name}")
        if worker is None:
            add(own, goes[node.name], following, lambda _ctx, _ev: follow(node))
            return
        result = _event(f"Done{node.name}")
        fan = _fan(work, result, node.width)

        def join(ctx: Any, ev: Any) -> Any:
            return follow(node) if fan.is_complete(ctx, ev) else None

        add(own, goes[node.name], fan.returns, fan.send)
        add(worker, work, result, lambda _ctx, _ev: result())
        add(Work(f"{node.name}_join"), fan.joins, following | None, join, plays=False)

    every = _any_of(goes[node.name] for node in graph.nodes)
    begin = Work("begin")
    add(begin, StartEvent, every, lambda _ctx, _ev: goes[graph.nodes[0].name](), plays=False)
    for node in graph.nodes:
        add_node(node)
    return made


class _Fan(NamedTuple):
    """How a step hands out work, and another one joins its results.

    Attributes:
        returns: What the one that hands out says that it returns.
        send: Hands out.
        joins: What the one that joins takes.
        is_complete: Whether all results have come.
    """

    returns: Any
    send: Callable[[Any, Any], Any]
    joins: Any
    is_complete: Callable[[Any, Any], bool]


def _fan(work: Any, result: Any, width: int) -> _Fan:
    def made(_ctx: Any, _ev: Any) -> list[Any]:
        return [work(item=number) for number in range(width)]

    def send(ctx: Any, ev: Any) -> None:
        for each in made(ctx, ev):
            ctx.send_event(each)

    def is_complete(ctx: Any, ev: Any) -> bool:
        return ctx.collect_events(ev, [result] * width) is not None

    if HAS_LISTS:
        return _Fan(GenericAlias(list, work), made, GenericAlias(list, result), lambda *_: True)
    return _Fan(work | None, send, result, is_complete)


def _policy(tries: int) -> Any:
    """At once, so many times; its earlier name is deprecated where it has another."""
    if not hasattr(retry_policy, "retry_policy"):
        return retry_policy.ConstantDelayRetryPolicy(tries, 0)
    stop = retry_policy.stop_after_attempt(tries)
    return retry_policy.retry_policy(wait=retry_policy.wait_none(), stop=stop)


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
