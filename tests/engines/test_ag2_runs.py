"""AG2: whole traces of random agents, of agents that are tools, and of questions that follow."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ag2")

from adopted_whole import (
    Provider,
    check_calls,
    failed,
    known,
    named,
    provided,
    seen,
    worked,
)
from ag2 import Agent
from ag2.config import OpenAIConfig
from hypothesis import given, settings
from scripts import ANSWER, Desk, Script, Scripted, question, scripts

from flowspan import semconv
from flowspan.instrumentation.frame import CallFrame
from flowspan.testing import Gate, Reply, ToolCall

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


def agent(name: str, *tools: Any) -> Any:
    return Agent(name, config=OpenAIConfig(model="gpt-4o-mini", max_retries=0), tools=list(tools))


def well(_request: Any) -> Reply:
    return Reply("well")


@settings(max_examples=20, deadline=None)
@given(script=scripts(agents=("anna",), at_once=3))
def test_random_agents_are_counted_exactly(provider: Provider, script: Script) -> None:
    """Tools, their failures, model calls and tokens are what happened."""
    desk = Desk()
    with seen(provider, Scripted(script)) as found:
        reply = asyncio.run(_asked(agent("anna", desk.look, desk.count), question()))

    assert reply.body == ANSWER
    tools = named(found.spans, "tool", semconv.TOOL_NAME)
    assert {tool: tools.count(tool) for tool in tools} == desk.used == script.uses
    assert failed(found.spans, "tool", semconv.TOOL_NAME) == desk.failed == script.failures
    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["anna"]
    check_calls(found, len(script))


async def _asked(one: Any, text: str) -> Any:
    return await one.ask(text)


def test_questions_that_follow_each_other(provider: Provider) -> None:
    """Each is a run of its own, and both are one conversation; another one is another."""

    async def run() -> None:
        first = await agent("anna").ask("one")
        await first.ask("two")
        await agent("bert").ask("three")

    with seen(provider, well) as found:
        asyncio.run(run())

    said = [known(run)[semconv.CONVERSATION_ID] for run in found.spans.roots()]
    assert said[0] == said[1] != said[2]
    assert len(found.spans.trace_ids()) == 3


def test_an_agent_that_is_a_tool(provider: Provider) -> None:
    """It is inside of its tool."""
    inner = agent("inner").as_tool(description="helps")
    texts = iter([None, "well", "well"])

    def respond(request: Any) -> Reply:
        text = next(texts)
        if text is not None:
            return Reply(text)
        tool = request.body["tools"][0]["function"]["name"]
        return Reply(tool_calls=(ToolCall(tool, {"objective": "look"}, id="one"),))

    with seen(provider, respond) as found:
        asyncio.run(_asked(agent("outer", inner), "hello"))

    lines = worked(found.spans).splitlines()
    assert [line.strip().partition(" ")[0] for line in lines] == [
        "invoke_workflow",
        "invoke_agent",
        "chat",
        "execute_tool",
        "invoke_agent",
        "chat",
        "chat",
    ]
    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["outer", "inner"]
    check_calls(found, 3)


def test_a_hundred_at_once(provider: Provider) -> None:
    """One agent that is asked by many at once: each question is a trace of its own."""

    async def run() -> None:
        one = agent("anna")
        await asyncio.gather(*(one.ask(f"{number}") for number in range(100)))

    with seen(provider, well) as found:
        asyncio.run(run())

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 100
    assert {known(root)[semconv.ROLLUP_LLM_CALLS] for root in found.spans.roots()} == {1}


def test_runs_do_not_add_up(provider: Provider) -> None:
    """Of a hundred questions no call is kept once they are answered."""

    async def run() -> None:
        one = agent("anna")
        for number in range(100):
            await one.ask(f"{number}")

    with seen(provider, well) as found:
        asyncio.run(run())
        gc.collect()
        kept = sum(isinstance(each, CallFrame) for each in gc.get_objects())

    assert len(found.spans.roots()) == 100
    assert kept < 20


@pytest.mark.parametrize("way", ["task", "wait_for"])
def test_cancellation(provider: Provider, way: str) -> None:
    """The run says it, with all that was under way, and nothing failed."""
    gate = Gate()

    async def run() -> None:
        asking = agent("anna").ask("hello")
        running = asyncio.create_task(asyncio.wait_for(asking, 60) if way == "wait_for" else asking)
        await asyncio.to_thread(gate.wait_until_reached)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with seen(provider, lambda _request: Reply("late", gate=gate)) as found:
        asyncio.run(run())
        gate.open()

    (root,) = found.spans.roots()
    assert known(root)[semconv.INTERRUPTION] == "CancelledError"
    assert all(span.status.is_unset for span in found.spans)
