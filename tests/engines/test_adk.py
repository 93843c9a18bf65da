"""Google's ADK: its own spans, adopted, and rows for what these do not tell of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import pytest
from adopted import Watched, watched
from adopted_asked import Asked
from adopted_engine import Engine, is_whole
from agent_scripts import FIRST, HELPER, SECOND, WORK, Stage, Words
from packaging.version import Version
from traces import attributes

from flowspan import semconv
from flowspan.instrumentation.engines.adk import INTEGRATION
from flowspan.testing import FakeProvider, Reply, ToolCall

adk: Any = pytest.importorskip("google.adk")
llm_agents: Any = pytest.importorskip("google.adk.agents")
runners: Any = pytest.importorskip("google.adk.runners")
agent_tool: Any = pytest.importorskip("google.adk.tools.agent_tool")
types: Any = pytest.importorskip("google.genai.types")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own: clients that nobody closes

MODEL = "gemini-2.5-flash"
VERSION = Version(version("google-adk"))
TOGETHER = Version("1.10") <= VERSION
"""Whether tools that one answer wants are at once, and not one after the other."""


async def events(runner: Any, text: Any) -> AsyncIterator[Any]:
    """What is said when a new session is asked something."""
    session = await runner.session_service.create_session(app_name=runner.app_name, user_id="u")
    message = types.Content(role="user", parts=[types.Part(text=text)])
    async for event in runner.run_async(user_id="u", session_id=session.id, new_message=message):
        yield event


class Adk(Engine):
    integration = INTEGRATION
    words = Words(
        asks=lambda task: ToolCall(HELPER, {"request": task}),
        handoff=lambda name: ToolCall("transfer_to_agent", {"agent_name": name}),
    )
    ways = ("later", "stream")
    handoffs = True
    nests = VERSION.major == 1
    failing = "on_tool_error_callback" in llm_agents.LlmAgent.model_fields

    def agents(self, stage: Stage) -> Any:
        async def work(place: str) -> str:
            """Work somewhere."""
            return await stage.work_together(place) if TOGETHER else stage.work(place)

        def help_out(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        help_out.__name__ = WORK
        told = {"on_tool_error_callback": self.on_error} if self.failing else {}

        def agent(name: str, *tools: Any, **settings: Any) -> Any:
            return llm_agents.LlmAgent(
                name=name,
                model=MODEL,
                instruction=f"You are {name}.",
                tools=[*tools],
                **told,
                **settings,
            )

        helping = agent_tool.AgentTool(agent(HELPER, help_out))
        second = agent(SECOND, work, helping)
        first = agent(FIRST, work, helping, sub_agents=[second])
        return runners.InMemoryRunner(first, app_name="office")

    @staticmethod
    def on_error(tool: Any, args: Any, tool_context: Any, error: Exception) -> Any:
        """Tell the model."""
        del tool, args, tool_context
        return {"sorry": str(error)}

    async def later(self, agents: Any, task: str) -> Any:
        said = [event async for event in events(agents, task)]
        return said[-1].content.parts[0].text

    async def stream(self, agents: Any, task: str) -> AsyncIterator[Any]:
        async for event in events(agents, task):
            yield event.author

    async def close(self, agents: Any) -> None:
        await agents.close()


class TestAdk(Watched):
    engine = "adk"


class TestAsked(Asked):
    engine = Adk()


# --- what only this engine has --------------------------------------------------------------------


@pytest.mark.parametrize("resumable", [True, False])
async def test_a_run_that_waits_for_somebody(provider: FakeProvider, *, resumable: bool) -> None:
    """It is interrupted; the one that brings the answer is linked to it, and of its session."""
    provider.reply(Reply(tool_calls=(ToolCall("pay", {"amount": 3}),)), "Done.")
    tools: Any = pytest.importorskip("google.adk.tools.long_running_tool")

    def pay(amount: int) -> None:
        """Pay."""
        del amount

    payer = llm_agents.LlmAgent(name=FIRST, model=MODEL, tools=[tools.LongRunningFunctionTool(pay)])
    runner = in_an_app(payer) if resumable else runners.InMemoryRunner(payer, app_name="office")
    session = await runner.session_service.create_session(app_name="office", user_id="u")

    async def said(part: Any) -> list[Any]:
        message = types.Content(role="user", parts=[part])
        asking = runner.run_async(user_id="u", session_id=session.id, new_message=message)
        return [event async for event in asking]

    with watched() as recording:
        (call,) = [call for each in await said(types.Part(text="Pay!")) for call in wanted(each)]
        answer = types.FunctionResponse(id=call.id, name="pay", response={"paid": 3})
        await said(types.Part(function_response=answer))
        await runner.close()

    spans = recording.spans
    is_whole(spans, 2)
    first, second = spans.roots()
    assert attributes(first)[semconv.INTERRUPTION] == "long_running_tool"
    assert attributes(second)[semconv.RESUMED] is True
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert {attributes(root)[semconv.CONVERSATION_ID] for root in (first, second)} == {session.id}


def in_an_app(agent: Any) -> Any:
    """A runner of an app that can be resumed."""
    lacking = "this version has no apps that can be resumed"
    apps: Any = pytest.importorskip("google.adk.apps", reason=lacking)
    if not hasattr(apps, "ResumabilityConfig"):
        pytest.skip(lacking)
    resumption = apps.ResumabilityConfig(is_resumable=True)
    return runners.InMemoryRunner(
        app=apps.App(name="office", root_agent=agent, resumability_config=resumption)
    )


def wanted(event: Any) -> list[Any]:
    return list(event.get_function_calls())
