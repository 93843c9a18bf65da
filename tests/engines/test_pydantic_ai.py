"""pydantic-ai: runs of agents and their tools, by rows."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from adopted import Watched, watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, BrokenError, Stage
from traces import attributes, broken, events

from flowspan import semconv
from flowspan.instrumentation.engines.pydantic_ai import INTEGRATION
from flowspan.testing import FakeProvider, Reply, ToolCall

ai: Any = pytest.importorskip("pydantic_ai")
models: Any = pytest.importorskip("pydantic_ai.models.openai")
providers: Any = pytest.importorskip("pydantic_ai.providers.openai")
openai: Any = pytest.importorskip("openai")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own: clients that nobody closes


def made(name: str = FIRST, **settings: Any) -> Any:
    client = openai.AsyncOpenAI(max_retries=0)
    model = models.OpenAIChatModel(
        "gpt-4o-mini", provider=providers.OpenAIProvider(openai_client=client)
    )
    return ai.Agent(model, name=name, instructions=f"You are {name}.", **settings)


class PydanticAi(Engine):
    integration = INTEGRATION
    ways = ("sync", "later", "stream", "nodes")

    def agents(self, stage: Stage) -> Any:
        def work(place: str) -> str:
            """Work somewhere."""
            try:
                return stage.work(place)
            except BrokenError as error:
                raise ai.ModelRetry(str(error)) from None

        helping = made(HELPER, tools=[ai.Tool(work, max_retries=20)])

        async def helper(task: str) -> str:
            """Help."""
            return str((await helping.run(task)).output)

        return made(tools=[ai.Tool(work, max_retries=20), helper])

    def sync(self, agents: Any, task: str) -> Any:
        return agents.run_sync(task).output

    async def later(self, agents: Any, task: str) -> Any:
        return (await agents.run(task)).output

    async def stream(self, agents: Any, task: str) -> AsyncIterator[Any]:
        async with agents.run_stream(task) as result:
            async for text in result.stream_text(debounce_by=None):
                yield text

    async def nodes(self, agents: Any, task: str) -> AsyncIterator[Any]:
        """The program goes from node to node itself."""
        async with agents.iter(task) as run:
            async for node in run:
                yield type(node).__name__
            yield run.result.output

    async def close(self, agents: Any) -> None:
        await agents.model.client.close()


class TestPydanticAi(Watched):
    engine = "pydantic_ai"


class TestAsked(Asked):
    engine = PydanticAi()


# --- what only this engine has --------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # clients that are left open are complained of here


@pytest.mark.parametrize("how", ["approval", "elsewhere"])
async def test_a_run_that_waits_for_somebody(provider: FakeProvider, how: str) -> None:
    """It is interrupted; the one that goes on is linked to it, and of the same conversation."""
    provider.reply(Reply(tool_calls=(ToolCall("pay", {"amount": 3}, id="call_1"),)), "Done.")

    def pay(amount: int) -> str:
        """Pay."""
        if how == "elsewhere":
            raise ai.CallDeferred
        return f"paid {amount}"

    paying = ai.Tool(pay, requires_approval=how == "approval")
    agent = made(tools=[paying], output_type=[str, ai.DeferredToolRequests])
    with watched() as recording:
        waiting = await agent.run("Pay!")
        answers = ai.DeferredToolResults()
        if how == "approval":
            answers.approvals["call_1"] = True
        else:
            answers.calls["call_1"] = "paid"
        history = waiting.all_messages()
        done = await agent.run(message_history=history, deferred_tool_results=answers)

    assert done.output == "Done."
    spans = recording.spans
    assert broken(spans) == []
    first, second = spans.roots()
    assert attributes(first)[semconv.INTERRUPTION] == "DeferredToolRequests"
    assert attributes(second)[semconv.RESUMED] is True
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    known = [attributes(root)[semconv.CONVERSATION_ID] for root in (first, second)]
    assert known == [waiting.all_messages()[-1].conversation_id] * 2
    assert all(span.status.is_unset for span in spans)


async def test_a_conversation(provider: FakeProvider) -> None:
    """A run with the messages of another is of its conversation, and resumes nothing."""
    provider.respond = lambda _request: Reply("Hello.")
    agent = made()
    with watched() as recording:
        first = await agent.run("Hello")
        await agent.run("Again", message_history=first.all_messages())
        await agent.run("Hello", conversation_id="mine")

    known = [attributes(root) for root in recording.spans.roots()]
    ids = [each[semconv.CONVERSATION_ID] for each in known]
    assert ids == [first.all_messages()[-1].conversation_id, ids[0], "mine"]
    assert not any(semconv.RESUMED in each for each in known)


async def test_what_the_model_is_asked_to_do_again(provider: FakeProvider) -> None:
    """A tool that wants to be called again has failed; the agent tells each further attempt."""
    call = ToolCall("pay", {"amount": 3}, id="call_1")
    wrong = ToolCall("pay", {"amount": "much"}, id="call_0")
    provider.reply(
        Reply(tool_calls=(wrong,)),
        Reply(tool_calls=(call,)),
        Reply(tool_calls=(call,)),
        "bad",
        "good",
    )
    tried: list[int] = []

    def pay(amount: int) -> str:
        """Pay."""
        tried.append(amount)
        if len(tried) == 1:
            raise ai.ModelRetry("once more")
        return "paid"

    agent = made(tools=[ai.Tool(pay, max_retries=3)])

    @agent.output_validator  # type: ignore[untyped-decorator]  # of what may be absent
    def good(output: str) -> str:
        if output != "good":
            raise ai.ModelRetry("not good")
        return output

    with watched() as recording:
        assert (await agent.run("Pay!")).output == "good"

    spans = recording.spans
    assert broken(spans) == []
    assert [attributes(tool).get(semconv.ERROR_TYPE) for tool in spans.of_kind("tool")] == [
        "ModelRetry",
        None,
    ]
    (agent_span,) = spans.of_kind("agent")
    assert events(agent_span, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ValidationError"},
        {semconv.ATTEMPT: 3, semconv.ERROR_TYPE: "ModelRetry"},
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ModelRetry"},
    ]
    assert len(spans.of_kind("llm")) == 5
