"""Haystack: whole traces of pipelines: random ones, those that stop and go on, and streams."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")  # asked when it is imported
pytest.importorskip("haystack")

import openai
from adopted_whole import Provider, check_calls, failed, known, named, provided, seen
from graphs import Graph, Player, expected, graphs
from haystack import Pipeline, SuperComponent, component
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.core.errors import BreakpointException, PipelineRuntimeError
from haystack.dataclasses import ChatMessage
from haystack.dataclasses.breakpoints import Breakpoint
from haystack.tools import create_tool_from_function
from haystack_graphs import Way, tally_of, told, translated
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import ANSWER, Desk, Script, Scripted, question, scripts

from flowspan import semconv
from flowspan.testing import Gate, Reply

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


def well(_request: Any) -> Reply:
    return Reply("well")


# --- graphs ---------------------------------------------------------------------------------------


def at_once(pipeline: Any, data: Any) -> Any:
    return pipeline.run(data)


def later(pipeline: Any, data: Any) -> Any:
    return asyncio.run(pipeline.run_async(data))


def read(pipeline: Any, data: Any) -> Any:
    async def every() -> Any:
        return [part async for part in pipeline.run_async_generator(data)]

    return asyncio.run(every())


@settings(max_examples=30, deadline=None)
@given(
    graph=graphs(),
    act=st.sampled_from([at_once, later, read]),
    routers=st.booleans(),
    threads=st.booleans(),
)
def test_random_pipelines_are_counted_exactly(
    provider: Provider,
    graph: Graph,
    act: Callable[[Any, Any], Any],
    *,
    routers: bool,
    threads: bool,
) -> None:
    """Visits, joins, failures, choices, model calls and tokens are the player's.

    Of workers that fail a run, those that are awaited fail all together; else the first one does.
    """
    messages: Any = [{"role": "user", "content": "go on"}]
    way = Way(routers=routers, at_once=act is not at_once, threads=threads)
    failure = None
    with seen(provider, well) as found, openai.OpenAI(max_retries=0) as client:
        ask = client.chat.completions.create
        player = Player(graph, ask=lambda: ask(model="gpt-4o-mini", messages=messages))
        try:
            act(translated(graph, player, way), {f"{graph.nodes[0].name}_in": {"value": "go"}})
        except PipelineRuntimeError as error:
            failure = error

    assert (failure is not None) == player.tally.failed
    assert tally_of(found.spans) == told(graph, player.tally, way)
    check_calls(found, player.tally.calls)
    if way.at_once or not player.tally.failed:
        assert player.tally == expected(graph)


# --- agents ---------------------------------------------------------------------------------------


def asked(agent: Any) -> Any:
    return agent.run(messages=[ChatMessage.from_user(question())])


def asked_later(agent: Any) -> Any:
    return asyncio.run(agent.run_async(messages=[ChatMessage.from_user(question())]))


@settings(max_examples=15, deadline=None)
@given(script=scripts(agents=("agent",)), way=st.sampled_from([asked, asked_later]))
def test_random_agents_are_counted_exactly(
    provider: Provider, script: Script, way: Callable[[Any], Any]
) -> None:
    """Tools, their failures, model calls and tokens are what happened."""
    desk = Desk()
    with seen(provider, Scripted(script)) as found:
        agent = Agent(
            chat_generator=OpenAIChatGenerator(model="gpt-4o-mini", max_retries=0),
            tools=[create_tool_from_function(each) for each in (desk.look, desk.count)],
            raise_on_tool_invocation_failure=False,
        )
        assert way(agent)["last_message"].text == ANSWER

    tools = Counter(named(found.spans, "tool", semconv.TOOL_NAME))
    assert tools == desk.used == script.uses
    assert failed(found.spans, "tool", semconv.TOOL_NAME) == desk.failed == script.failures
    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["agent"]
    check_calls(found, len(script))


# --- breakpoints ----------------------------------------------------------------------------------


@component
class Add:
    """Adds one."""

    @component.output_types(number=int)
    def run(self, number: int) -> dict[str, int]:
        return {"number": number + 1}


def adding() -> Any:
    pipeline = Pipeline(metadata={"name": "adding"})
    for name in ("one", "two", "three"):
        pipeline.add_component(name, Add())
    pipeline.connect("one", "two")
    pipeline.connect("two", "three")
    return pipeline


def test_a_breakpoint_and_what_goes_on_from_it(provider: Provider) -> None:
    """It is no failure; the run from its snapshot says that it resumes, and is linked."""
    with seen(provider, well) as found:
        with pytest.raises(BreakpointException) as caught:
            adding().run(
                {"one": {"number": 1}},
                break_point=Breakpoint(component_name="two", visit_count=0),
                snapshot_callback=lambda _snapshot: None,
            )
        snapshot = caught.value.pipeline_snapshot
        assert adding().run({}, pipeline_snapshot=snapshot) == {"three": {"number": 4}}

    first, second = found.spans.roots()
    assert known(first)[semconv.INTERRUPTION] == "BreakpointException"
    assert all(span.status.is_unset for span in found.spans)
    assert known(second)[semconv.RESUMED] is True
    assert [link.context for link in second.links] == [first.context]
    assert named(found.spans, "node", semconv.STEP_NAME) == ["one", "two", "two", "three"]
    assert not any(semconv.CONVERSATION_ID in known(span) for span in found.spans)


# --- pipelines in pipelines -----------------------------------------------------------------------


def test_a_pipeline_that_is_a_component(provider: Provider) -> None:
    """It is a run inside of its node."""
    outer = Pipeline(metadata={"name": "outer"})
    outer.add_component("inner", SuperComponent(pipeline=adding()))
    with seen(provider, well) as found:
        outer.run({"inner": {"number": 1}})

    assert (
        found.spans.tree()
        == """\
invoke_workflow outer
  run_step inner
    invoke_workflow adding
      run_step one
      run_step two
      run_step three"""
    )


def test_a_hundred_at_once(provider: Provider) -> None:
    """Pipelines that take turns in one loop are traces of their own."""

    async def run() -> None:
        await asyncio.gather(
            *(adding().run_async({"one": {"number": number}}) for number in range(100))
        )

    with seen(provider, well) as found:
        asyncio.run(run())

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 100
    assert Counter(span.context.trace_id for span in found.spans) == Counter(
        dict.fromkeys(found.spans.trace_ids(), 4)
    )


# --- runs that are left ---------------------------------------------------------------------------


def talking() -> Any:
    pipeline = Pipeline(metadata={"name": "talking"})
    pipeline.add_component("model", OpenAIChatGenerator(model="gpt-4o-mini", max_retries=0))
    return pipeline


_ASKED = {"model": {"messages": [ChatMessage.from_user("hello")]}}


def test_cancellation(provider: Provider) -> None:
    """The run says it, with all that was under way, and nothing failed."""
    gate = Gate()

    async def run() -> None:
        running = asyncio.create_task(talking().run_async(_ASKED))
        await asyncio.to_thread(gate.wait_until_reached)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with seen(provider, lambda _request: Reply("late", gate=gate)) as found:
        asyncio.run(run())
        gate.open()

    assert [span.name for span in found.spans] == [
        "invoke_workflow talking",
        "run_step model",
        "chat gpt-4o-mini",
    ]
    assert known(found.spans[0])[semconv.INTERRUPTION] == "CancelledError"
    assert all(span.status.is_unset for span in found.spans)


@pytest.mark.parametrize("left", [True, False])
def test_a_stream(provider: Provider, *, left: bool) -> None:
    """Read to its end, or left: the run is one trace, and nothing failed."""
    if not hasattr(Pipeline, "stream"):
        pytest.skip("this version of Haystack has no streams of pipelines")

    async def run() -> int:
        parts = 0
        handle = talking().stream(_ASKED)
        async for _ in handle:
            parts += 1
            if left:
                break
        await handle.aclose()
        return parts

    with seen(provider, lambda _request: Reply(chunks=("one ", "two ", "three"))) as found:
        assert asyncio.run(run()) >= 1
        gc.collect()

    (root,) = found.spans.roots()
    assert [span.name for span in found.spans] == [
        "invoke_workflow talking",
        "run_step model",
        "chat gpt-4o-mini",
    ]
    assert all(span.status.is_unset for span in found.spans)
    assert (semconv.INTERRUPTION in known(root)) <= left
