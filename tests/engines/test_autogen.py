"""AutoGen: runs by rows, agents and tools by its own spans."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from adopted import Watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, Stage

from flowspan.instrumentation.engines.autogen import INTEGRATIONS

chat: Any = pytest.importorskip("autogen_agentchat.agents")
pytest.importorskip("autogen_agentchat.teams")
openai: Any = pytest.importorskip("autogen_ext.models.openai")


class Asking:
    """Makes agents for each question, because they remember what they were asked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._clients: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def _client(self) -> Any:
        """One for each loop, as its connections are."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            model = "gpt-4o-mini-2024-07-18"
            self._clients[loop] = openai.OpenAIChatCompletionClient(model=model)
        return self._clients[loop]

    def agent(self, name: str = FIRST) -> Any:
        async def helper(task: str) -> str:
            """Ask the one who helps."""
            return str((await self.agent(HELPER).run(task=task)).messages[-1].content)

        def work(place: str) -> str:
            """Work somewhere."""
            return self._stage.work(place)

        tools = [work, helper] if name == FIRST else [work]
        return chat.AssistantAgent(name, self._client(), tools=tools, max_tool_iterations=20)


class Autogen(Engine):
    integration = INTEGRATIONS[0]
    ways = ("later", "stream")

    def agents(self, stage: Stage) -> Any:
        return Asking(stage)

    async def later(self, agents: Any, task: str) -> Any:
        return [str(each.content) for each in (await agents.agent().run(task=task)).messages]

    async def stream(self, agents: Any, task: str) -> AsyncIterator[Any]:
        async for part in agents.agent().run_stream(task=task):
            yield type(part).__name__


class Core(Autogen):
    integration = INTEGRATIONS[1]


class TestAutogen(Watched):
    engine = "autogen"


class TestAsked(Asked):
    engine = Autogen()


class TestCoreAsked(Asked):
    engine = Core()
