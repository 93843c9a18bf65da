"""Haystack: pipelines, components, agents and tools, by rows."""

from __future__ import annotations

from typing import Any

import pytest
from adopted import Watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, Stage

from flowspan.instrumentation.engines.haystack import INTEGRATION

haystack: Any = pytest.importorskip("haystack")
agents_: Any = pytest.importorskip("haystack.components.agents")
chat: Any = pytest.importorskip("haystack.components.generators.chat")
tools_: Any = pytest.importorskip("haystack.tools")


class Haystack(Engine):
    integration = INTEGRATION
    ways = ("sync", "later")

    def agents(self, stage: Stage) -> Any:
        def work(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        def helper(task: str) -> str:
            """Ask the one who helps."""
            asked = agent(work)
            asked.__component_name__ = HELPER
            return str(asked.run(messages=_said(task))["last_message"].text)

        def agent(*tools: Any) -> Any:
            return agents_.Agent(
                chat_generator=chat.OpenAIChatGenerator(model="gpt-4o-mini"),
                tools=[tools_.create_tool_from_function(tool) for tool in tools],
                raise_on_tool_invocation_failure=False,
            )

        pipeline = haystack.Pipeline()
        pipeline.add_component(FIRST, agent(work, helper))
        return pipeline

    def sync(self, agents: Any, task: str) -> Any:
        return agents.run({FIRST: {"messages": _said(task)}})[FIRST]["last_message"].text

    async def later(self, agents: Any, task: str) -> Any:
        found = await agents.run_async({FIRST: {"messages": _said(task)}})
        return found[FIRST]["last_message"].text


def _said(task: str) -> Any:
    return [haystack.dataclasses.ChatMessage.from_user(task)]


class TestHaystack(Watched):
    engine = "haystack"


class TestAsked(Asked):
    engine = Haystack()
