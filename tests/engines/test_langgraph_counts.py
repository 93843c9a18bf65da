"""LangGraph: what a trace counts is what happened, also in graphs that nobody thought of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from graphs import FlakyError, Graph, Player, Tally, expected, graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph_kit import broken, packets, tally_of, told, translated
from traces import INTEGRATIONS, attributes, routes

from flowspan import semconv
from flowspan.testing import FakeProvider, RecordedSpans, record


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    """A provider that this process's clients talk to."""
    with FakeProvider() as provider, pytest.MonkeyPatch.context() as patch:
        for name, value in provider.environment.items():
            patch.setenv(name, value)
        yield provider


def played(how: Callable[[Any], object], graph: Graph, *, asynchronous: bool = False) -> Any:
    """Play a graph and record it."""
    messages: Any = [{"role": "user", "content": "go on"}]
    failure: BaseException | None = None
    with record(*INTEGRATIONS) as recording, openai.OpenAI(max_retries=0) as client:
        ask = client.chat.completions.create
        player = Player(graph, ask=lambda: ask(model="gpt-4o-mini", messages=messages))
        drawn = translated(graph, player, asynchronous=asynchronous).compile(name="random")
        program = drawn.with_config(recursion_limit=100)  # 25 in earlier versions: loops take more
        try:
            how(program)
        except FlakyError as error:
            failure = error
    assert (failure is not None) == player.tally.failed
    return player.tally, recording.spans


def check(graph: Graph, tally: Tally, spans: RecordedSpans) -> None:
    """A trace counts what was played."""
    sent = packets(graph, tally)
    assert told(tally_of(graph, spans)) == told(tally)
    assert sent == {pair: count for pair, count in routes(spans).items() if pair in sent}
    assert broken(spans) == []
    assert len(spans.roots()) == 1
    root = attributes(spans.roots()[0])
    assert root.get(semconv.ROLLUP_LLM_CALLS, 0) == tally.calls


def invoked(program: Any) -> None:
    program.invoke({"draft": 0})


def streamed(program: Any) -> None:
    for _ in program.stream({"draft": 0}, stream_mode=["updates", "messages", "debug"]):
        pass


def in_a_thread(program: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(program.invoke, {"draft": 0}).result()


def awaited(program: Any) -> None:
    asyncio.run(program.ainvoke({"draft": 0}))


def streamed_later(program: Any) -> None:
    async def read() -> None:
        async for _ in program.astream({"draft": 0}, stream_mode=["values", "custom"]):
            pass

    asyncio.run(read())


WAYS = [invoked, streamed, in_a_thread]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=graphs(), way=st.sampled_from(WAYS))
def test_random_graphs_are_counted_exactly(
    provider: FakeProvider, graph: Graph, way: Callable[[Any], object]
) -> None:
    """Visits, attempts, retries, failures, routes, packets, calls and tokens are the player's."""
    before = len(provider.ledger)

    tally, spans = played(way, graph)

    check(graph, tally, spans)
    calls = list(provider.ledger)[before:]
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == sum(e.usage.input_tokens or 0 for e in calls)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == sum(
        e.usage.output_tokens or 0 for e in calls
    )
    if not tally.failed:
        assert tally == expected(graph)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=graphs(), way=st.sampled_from([awaited, streamed_later]), asynchronous=st.booleans())
def test_random_graphs_in_an_event_loop_are_counted_exactly(
    provider: FakeProvider, graph: Graph, way: Callable[[Any], object], *, asynchronous: bool
) -> None:
    """So they are in an event loop, of coroutines and of functions in its threads.

    A worker that another's failure cancels while it waits for its next attempt does not make it.
    """
    tally, spans = played(way, graph, asynchronous=asynchronous)

    if tally.failed:
        assert tally_of(graph, spans).visits == +tally.visits
        assert broken(spans) == []
    else:
        check(graph, tally, spans)
        assert tally == expected(graph)
