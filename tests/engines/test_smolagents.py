"""smolagents: runs of agents and those that they manage, their plans, steps and tools, by rows."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from adopted import Watched, watched
from adopted_asked import Asked
from adopted_engine import Engine, is_whole
from agent_scripts import FIRST, HELPER, Stage, Words
from traces import attributes, broken, events

from flowspan import semconv
from flowspan.instrumentation.engines.smolagents import INTEGRATION
from flowspan.testing import FakeProvider, Reply, ToolCall

smolagents: Any = pytest.importorskip("smolagents")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own: clients that nobody closes


def final(text: str) -> Reply:
    return Reply(tool_calls=(ToolCall("final_answer", {"answer": text}),))


def helped(task: str) -> ToolCall:
    return ToolCall(HELPER, {"task": task, "additional_args": {}})


def made(tools: list[Any], name: str = FIRST, **settings: Any) -> Any:
    model = smolagents.OpenAIServerModel("gpt-4o-mini")
    return smolagents.ToolCallingAgent(tools, model, name=name, verbosity_level=-1, **settings)


class Smolagents(Engine):
    """Of tools at once that fail the engine tells the first alone, whichever that is."""

    integration = INTEGRATION
    words = Words(asks=helped, done=final)
    ways = ("sync", "steps")
    most_at_once = 1
    errors = 2

    def agents(self, stage: Stage) -> Any:
        def work(place: str) -> str:
            """Work somewhere.

            Args:
                place: Where.
            """
            return stage.work(place)

        working = smolagents.tool(work)
        helper = made([working], HELPER, description="Helps")
        return made([working], managed_agents=[helper])

    def sync(self, agents: Any, task: str) -> Any:
        return str(agents.run(task))

    def steps(self, agents: Any, task: str) -> Iterator[Any]:
        for step in agents.run(task, stream=True):
            yield type(step).__name__


class Together(Smolagents):
    """Tools at once, in the engine's threads; an agent in two of them would mix its memories."""

    most_at_once = 3
    failing = False
    helps_at_once = False


class TestSmolagents(Watched):
    engine = "smolagents"


class TestAsked(Asked):
    engine = Smolagents()


class TestAskedAtOnce(Asked):
    engine = Together()


# --- what only this engine has --------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # clients that are left open are complained of here


def stopping() -> Any:
    """An agent that somebody interrupts while it works."""

    def work(place: str) -> str:
        """Work somewhere.

        Args:
            place: Where.
        """
        agent.interrupt()
        return place

    agent = made([smolagents.tool(work)])
    return agent


def test_a_run_that_is_interrupted(provider: FakeProvider) -> None:
    """It has not failed, and the one that goes on is linked to it."""
    provider.reply(Reply(tool_calls=(ToolCall("work", {"place": "here"}),)), final("Done."))
    provider.reply(final("Anew."))
    agent = stopping()
    with watched() as recording:
        with pytest.raises(smolagents.AgentError, match="interrupted"):
            agent.run("Work!")
        assert agent.run("Go on!", reset=False) == "Done."
        assert agent.run("Work anew!") == "Anew."

    spans = recording.spans
    is_whole(spans, 3)
    first, second, third = spans.roots()
    assert attributes(first)[semconv.INTERRUPTION] == "interrupt"
    assert attributes(second)[semconv.RESUMED] is True
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert semconv.RESUMED not in attributes(third)
    assert third.links == ()
    assert all(span.status.is_unset for span in spans)


def test_agents_are_told_apart_by_who_they_are(provider: FakeProvider) -> None:
    """Two that are equal, and so have no hash, each go on with their own run."""

    class Equal(smolagents.ToolCallingAgent):  # type: ignore[misc]
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        __hash__ = None  # type: ignore[assignment]  # as Python does

    agents = [stopping(), stopping()]
    for agent in agents:
        agent.__class__ = Equal
        provider.reply(Reply(tool_calls=(ToolCall("work", {"place": "here"}),)))
    with watched() as recording:
        for agent in agents:
            with pytest.raises(smolagents.AgentError, match="interrupted"):
                agent.run("Work!")
        for agent in agents:
            provider.reply(final("Done."))
            assert agent.run("Go on!", reset=False) == "Done."

    roots = recording.spans.roots()
    linked = [[link.context.span_id for link in root.links] for root in roots[2:]]
    assert linked == [[root.context.span_id] for root in roots[:2]]


def test_a_generation_that_fails_is_no_interruption(provider: FakeProvider) -> None:
    """Though its class is one of those."""
    provider.respond = lambda _request: 1 / 0  # type: ignore[assignment, return-value]  # a 500
    agent = made([])
    agent.model.client = agent.model.client.with_options(max_retries=0)
    with watched() as recording, pytest.raises(smolagents.AgentGenerationError):
        agent.run("Work!")

    (root,) = recording.spans.roots()
    assert attributes(root)[semconv.ERROR_TYPE] == "AgentGenerationError"
    assert semconv.INTERRUPTION not in attributes(root)


def test_an_answer_that_is_refused(provider: FakeProvider) -> None:
    """The agent tells that the model is asked again, and why."""
    for answer in ("bad", "worse", "good"):
        provider.reply(final(answer))

    def good(answer: Any, *_: Any, **__: Any) -> bool:
        return str(answer) == "good"

    with watched() as recording:
        assert made([], final_answer_checks=[good]).run("Be good!") == "good"

    spans = recording.spans
    assert broken(spans) == []
    (agent,) = spans.of_kind("agent")
    assert events(agent, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: number, semconv.ERROR_TYPE: "AgentError"} for number in (2, 3)
    ]
    assert len(spans.of_kind("step")) == len(spans.of_kind("llm")) == 3


def test_plans(provider: FakeProvider) -> None:
    """A plan is a span with its model call, before the steps."""
    provider.reply("First this, then that.", final("Done."))
    with watched() as recording:
        assert made([], planning_interval=3).run("Work!") == "Done."

    assert (
        recording.spans.tree()
        == """\
invoke_workflow desk
  invoke_agent desk
    plan
      chat gpt-4o-mini
    run_step step
      chat gpt-4o-mini
      execute_tool final_answer"""
    )


def test_an_agent_that_writes_code(provider: FakeProvider) -> None:
    """Tools that its code calls are in the step that runs it."""

    def work(place: str) -> str:
        """Work somewhere.

        Args:
            place: Where.
        """
        return f"worked {place}"

    code = '<code>\nfound = [work("here"), work(place="there")]\nfinal_answer(found)\n</code>'
    provider.reply(f"Thought: both.\n{code}")
    model = smolagents.OpenAIServerModel("gpt-4o-mini")
    agent = smolagents.CodeAgent([smolagents.tool(work)], model, name=FIRST, verbosity_level=-1)
    with watched() as recording:
        assert agent.run("Work!") == ["worked here", "worked there"]

    names = [attributes(tool)[semconv.TOOL_NAME] for tool in recording.spans.of_kind("tool")]
    assert names == ["work", "work", "final_answer"]
    assert broken(recording.spans) == []


def test_the_engines_own_callbacks_go_on(provider: FakeProvider) -> None:
    """They are told the same, in the same order, and may stop the agent."""
    provider.respond = lambda _request: final("Done.")

    def told() -> list[str]:
        steps: list[str] = []
        agent = made([], step_callbacks=[lambda step, **_: steps.append(type(step).__name__)])
        agent.run("Work!")
        return steps

    alone = told()
    with watched():
        assert told() == alone
    assert alone
