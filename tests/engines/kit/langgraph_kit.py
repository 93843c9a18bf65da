"""What LangGraph's tests share: random graphs as LangGraph has them, and what a trace counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final, TypedDict

import traces
from graphs import END, FlakyError, Graph, Player, Tally, Work
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, Send
from traces import attributes, events, routes

from flowspan import semconv
from flowspan.testing import RecordedSpans

_AROUND: Final = {"node": ("step", "node"), "step": ("run", "agent")}


def _newer(_old: int, new: int) -> int:
    return new


class State(TypedDict, total=False):
    """The state of random graphs; ``item`` is of packets alone."""

    draft: Annotated[int, _newer]
    notes: Annotated[int, _newer]
    score: Annotated[int, _newer]
    item: int


def translated(graph: Graph, player: Player, *, asynchronous: bool = False) -> Any:
    """A random graph as LangGraph has it: retries by policies, fan-outs by packets.

    A node that fans out has the packets as its decision, and a node behind its workers that makes
    the next one.
    """
    built: Any = StateGraph(State)
    for node in graph.nodes:
        _add(built, player, node.work, asynchronous=asynchronous)
        decides = node.name
        if node.worker is not None:
            _add(built, player, node.worker, asynchronous=asynchronous)
            packets = [Send(node.worker.name, {"item": item}) for item in range(node.width)]
            built.add_conditional_edges(node.name, _always(packets), [node.worker.name])
            decides = f"{node.name}_join"
            built.add_node(decides, lambda _state: {})
            built.add_edge(node.worker.name, decides)
        ends = {to: "__end__" if to == END else to for to in node.routes}
        built.add_conditional_edges(decides, _routing(player, node.name), ends)
    built.add_edge(START, graph.nodes[0].name)
    return built


def _always(packets: list[Send]) -> Callable[[State], list[Send]]:
    return lambda _state: packets


def _routing(player: Player, name: str) -> Callable[[State], str]:
    return lambda _state: player.route(name)


def _add(built: Any, player: Player, work: Work, *, asynchronous: bool) -> None:
    def act(state: State) -> Any:
        try:
            return player.attempt(work.name, state.get("item", 0))
        except FlakyError as error:
            if error.last and work.fallback:
                return player.fall_back(work.name)
            raise

    async def act_later(state: State) -> Any:
        await asyncio.sleep(0)
        return act(state)

    policy = RetryPolicy(
        initial_interval=0, jitter=False, max_attempts=work.tries, retry_on=FlakyError
    )
    built.add_node(work.name, act_later if asynchronous else act, retry_policy=policy)


# --- what a trace counts --------------------------------------------------------------------------


def tally_of(graph: Graph, spans: RecordedSpans) -> Tally:
    """What the trace of a random graph's run says that happened."""
    found = Tally()
    for span in spans.of_kind("node"):
        known = attributes(span)
        name = known[semconv.STEP_NAME]
        if name.endswith("_join"):
            continue
        found.visits[name] += 1
        found.attempts[name] += known[semconv.ATTEMPT]
        found.retries[name] += len(events(span, semconv.EVENT_RETRY))
        found.failures[name] += not span.status.is_unset
    for (origin, to), count in routes(spans).items():
        if graph.works.keys() >= {origin, to} and to == f"{origin}_worker":
            continue
        found.routes[origin.removesuffix("_join"), to] += count
    found.calls = len(spans.of_kind("llm"))
    found.failed = any(not span.status.is_unset for span in spans.of_kind("run"))
    return found


def told(tally: Tally) -> dict[str, Any]:
    """What a trace can tell of a tally: a fallback inside a function is the function's own."""
    failures = tally.failures - tally.fallbacks
    return {
        "visits": +tally.visits,
        "attempts": +tally.attempts,
        "retries": +tally.retries,
        "failures": +failures,
        "routes": +tally.routes,
        "calls": tally.calls,
        "failed": tally.failed,
    }


def packets(graph: Graph, tally: Tally) -> Counter[tuple[str, str]]:
    """The packets that nodes must have sent: to each worker one, at every visit that succeeded."""
    found: Counter[tuple[str, str]] = Counter()
    for node in graph.nodes:
        if node.worker is not None:
            own_failures = tally.failures[node.name] - tally.fallbacks[node.name]
            succeeded = tally.visits[node.name] - own_failures
            found[node.name, node.worker.name] += node.width * succeeded
    return +found


def broken(spans: RecordedSpans) -> list[str]:
    """What is wrong with a trace as a whole: nodes outside steps, steps outside runs, and more."""
    kinds = {span.context.span_id: attributes(span).get(semconv.KIND) for span in spans}
    found = traces.broken(spans)
    for span in spans:
        around = None if span.parent is None else kinds.get(span.parent.span_id)
        allowed = _AROUND.get(kinds[span.context.span_id] or "")
        if allowed is not None and around not in allowed:
            found.append(f"{span.name} is inside {around}")
    return found
