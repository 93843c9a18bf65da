"""OpenAI Agents: runs, turns of agents and their tools, by rows."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from adopted import Watched, watched
from adopted_asked import Asked
from adopted_engine import Engine
from adopted_programs import loop_of_the_thread
from agent_scripts import FIRST, HELPER, SECOND, Played, Stage, Words
from traces import attributes, broken, events

from flowspan import semconv
from flowspan.instrumentation.engines.openai_agents import INTEGRATION
from flowspan.testing import FakeProvider, Fault, Reply, ToolCall

agents: Any = pytest.importorskip("agents")
openai: Any = pytest.importorskip("openai")

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own: clients that nobody closes

MODEL = "gpt-4o-mini"


class OpenaiAgents(Engine):
    integration = INTEGRATION
    words = Words(asks=lambda task: ToolCall(HELPER, {"input": task}))
    handoffs = True

    def agents(self, stage: Stage) -> Any:
        agents.set_tracing_disabled(True)
        model = agents.OpenAIResponsesModel(MODEL, openai.AsyncOpenAI())

        def work(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        def agent(name: str, tools: list[Any]) -> Any:
            instructions = f"You are {name}."
            return agents.Agent(name=name, instructions=instructions, model=model, tools=tools)

        working = agents.function_tool(work)
        helper = agent(HELPER, [working])
        helping = helper.as_tool(HELPER, "Helps")
        first, second = agent(FIRST, [working, helping]), agent(SECOND, [working, helping])
        first.handoffs, second.handoffs = [second], [first]
        return first

    def sync(self, agents_: Any, task: str) -> Any:
        with loop_of_the_thread():
            return agents.Runner.run_sync(agents_, task).final_output

    async def later(self, agents_: Any, task: str) -> Any:
        return (await agents.Runner.run(agents_, task)).final_output

    async def stream(self, agents_: Any, task: str) -> AsyncIterator[Any]:
        result = agents.Runner.run_streamed(agents_, task)
        async for event in result.stream_events():
            yield event.type
        yield result.final_output

    async def close(self, agents_: Any) -> None:
        await agents_.model._client.close()

    def agents_seen(self, played: Played) -> Counter[tuple[str, ...]]:
        """A span for each turn."""
        return played.asked


class TestOpenaiAgents(Watched):
    engine = "openai_agents"


class TestAsked(Asked):
    engine = OpenaiAgents()


# --- what only this engine has --------------------------------------------------------------------


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A model that says what a test wants."""
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    with FakeProvider() as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        yield provider
    gc.collect()  # clients that are left open are complained of here


def agent(name: str = "desk", **settings: Any) -> Any:
    model = agents.OpenAIResponsesModel(MODEL, openai.AsyncOpenAI(max_retries=0))
    return agents.Agent(name=name, instructions=f"You are {name}.", model=model, **settings)


async def asked(way: str, *arguments: Any, **settings: Any) -> Any:
    """The result of a run, read to its end."""
    if way == "later":
        return await agents.Runner.run(*arguments, **settings)
    result = agents.Runner.run_streamed(*arguments, **settings)
    async for _ in result.stream_events():
        pass
    return result


def careful() -> Any:
    """An agent with a tool that somebody must approve of."""

    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    return agent(tools=[agents.function_tool(pay, needs_approval=True)])


async def as_it_is(state: Any, _agent: Any) -> Any:
    return state


async def to_json(state: Any, agent: Any) -> Any:
    return await agents.RunState.from_json(agent, state.to_json())


@pytest.mark.skipif(
    not hasattr(agents, "RunState"), reason="before 0.8 no tool waits for an approval"
)
@pytest.mark.parametrize("kept", [as_it_is, to_json])
@pytest.mark.parametrize("thread", [None, "t1"])
@pytest.mark.parametrize("way", ["later", "stream"])
async def test_a_run_that_waits_for_somebody(
    provider: FakeProvider, way: str, thread: str | None, kept: Any
) -> None:
    """It is interrupted; the one that goes on is linked to it, and of the same conversation."""
    provider.reply(Reply(tool_calls=(ToolCall("pay", {"amount": 3}),)), "Done.")
    settings: dict[str, Any] = {}
    if thread is not None:
        settings["session"] = agents.SQLiteSession(thread)
    payer = careful()
    with watched() as recording:
        waiting = await asked(way, payer, "Pay!", **settings)
        (pending,) = waiting.interruptions
        state = waiting.to_state()
        state.approve(pending)
        done = await asked(way, payer, await kept(state, payer), **settings)

    assert done.final_output == "Done."
    spans = recording.spans
    assert broken(spans) == []
    first, second = spans.roots()
    assert attributes(first)[semconv.INTERRUPTION] == "NextStepInterruption"
    assert attributes(second)[semconv.RESUMED] is True
    assert semconv.INTERRUPTION not in attributes(second)
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    known = [attributes(root).get(semconv.CONVERSATION_ID) for root in (first, second)]
    assert known == [thread, thread]
    assert all(span.status.is_unset for span in spans)
    assert (
        spans.tree()
        == """\
invoke_workflow desk
  invoke_agent desk
    chat gpt-4o-mini
invoke_workflow desk
  invoke_agent desk
    execute_tool pay
  invoke_agent desk
    chat gpt-4o-mini"""
    )


@pytest.mark.parametrize("way", ["later", "stream"])
async def test_a_guardrail_that_trips(provider: FakeProvider, way: str) -> None:
    """Guardrails are seen with the agents inside them; one that says no has failed."""
    provider.respond = lambda request: Reply("no")

    async def polite(_context: Any, _agent: Any, _input: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    async def true(_context: Any, _agent: Any, output: str) -> Any:
        result = await agents.Runner.run(agent("judge"), output)
        return agents.GuardrailFunctionOutput(
            output_info=None, tripwire_triggered=result.final_output == "no"
        )

    guarded = agent(
        input_guardrails=[agents.input_guardrail(polite)],
        output_guardrails=[agents.output_guardrail(true)],
    )
    with watched() as recording, pytest.raises(agents.OutputGuardrailTripwireTriggered):
        await asked(way, guarded, "Hello")

    spans = recording.spans
    assert broken(spans) == []
    assert spans.one("guardrail polite").status.is_unset
    assert attributes(spans.one("guardrail true"))[semconv.ERROR_TYPE] == "tripwire"
    (root,) = spans.roots()
    assert attributes(root)[semconv.ERROR_TYPE] == "OutputGuardrailTripwireTriggered"
    assert attributes(root)[semconv.ROLLUP_LLM_CALLS] == 2
    assert """
  guardrail true !
    invoke_workflow judge
      invoke_agent judge""" in spans.tree()


async def test_a_guardrail_of_a_tool(provider: FakeProvider) -> None:
    """It refuses, and the tool is not run."""
    provider.reply(Reply(tool_calls=(ToolCall("pay", {"amount": 3}),)), "Well.")

    def cheap(_data: Any) -> Any:
        return agents.ToolGuardrailFunctionOutput.reject_content("too much")

    def pay(amount: int) -> str:
        """Pay."""
        raise AssertionError(amount)

    paying = agents.function_tool(pay)
    paying.tool_input_guardrails = [agents.tool_input_guardrail(cheap)]
    with watched() as recording:
        result = await asked("later", agent(tools=[paying]), "Pay!")

    spans = recording.spans
    assert broken(spans) == []
    assert result.final_output == "Well."
    assert attributes(spans.one("guardrail cheap"))[semconv.ERROR_TYPE] == "tripwire"
    assert spans.of_kind("tool") == []


@pytest.mark.skipif(
    not hasattr(agents, "ModelRetrySettings"), reason="before 0.12 the SDK asks no model again"
)
@pytest.mark.parametrize("way", ["later", "stream"])
async def test_the_sdk_asks_again(provider: FakeProvider, way: str) -> None:
    """Each further request is told on the turn, with what the one before it failed of."""
    provider.fail(Fault.server_error(), times=2)
    provider.reply("At last.")
    retry = agents.ModelRetrySettings(
        max_retries=3, backoff={"initial_delay": 0}, policy=lambda _context: True
    )
    with watched() as recording:
        result = await asked(way, agent(model_settings=agents.ModelSettings(retry=retry)), "Hello")

    assert result.final_output == "At last."
    (turn,) = recording.spans.of_kind("agent")
    assert events(turn, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: number, semconv.ERROR_TYPE: "InternalServerError"} for number in (2, 3)
    ]
    assert len(recording.spans.of_kind("llm")) == 3
    assert turn.status.is_unset


class Kept:
    """Keeps what the SDK's own tracing tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_trace_start(self, trace: Any) -> None:
        self.told.append(f"trace {trace.name}")

    def on_trace_end(self, trace: Any) -> None:
        self.told.append(f"trace {trace.name} ends")

    def on_span_start(self, span: Any) -> None:
        self.told.append(span.span_data.type)

    def on_span_end(self, span: Any) -> None:
        self.told.append(f"{span.span_data.type} ends")

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self) -> None:
        """Nothing."""


async def test_the_sdks_own_traces_go_on(provider: FakeProvider) -> None:
    """They are told the same, in the same order."""
    provider.respond = lambda _request: Reply("Hello.")

    async def told() -> list[str]:
        kept = Kept()
        agents.set_trace_processors([kept])
        agents.set_tracing_disabled(False)
        try:
            await asked("later", agent(), "Hello")
        finally:
            agents.set_tracing_disabled(True)
            agents.set_trace_processors([])
        return kept.told

    alone = await told()
    with watched() as recording:
        assert await told() == alone
    assert len(alone) > 4
    assert len(recording.spans) == 3
