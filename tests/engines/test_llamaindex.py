"""LlamaIndex: workflows, their steps and agents, by rows."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest
from adopted import Watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, WORK, Stage

from flowspan.instrumentation.engines.llamaindex import INTEGRATIONS

pytest.importorskip("workflows")
flow: Any = pytest.importorskip("llama_index.core.agent.workflow")
openai: Any = pytest.importorskip("llama_index.llms.openai")

KEEPS_ALL = "parallel" in inspect.getsource(flow.FunctionAgent._get_response)
"""Whether an agent that does not stream keeps all tools of an answer: core 0.14.0 has the first."""


class Llamaindex(Engine):
    integration = INTEGRATIONS[0]
    ways = ("later", "stream")
    most_at_once = 3 if KEEPS_ALL else 1

    def agents(self, stage: Stage) -> Any:
        model = openai.OpenAI("gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"])

        async def work(place: str) -> str:
            """Work somewhere."""
            return await stage.work_together(place)

        def help_out(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        help_out.__name__ = WORK

        async def helper(task: str) -> str:
            """Ask the one who helps."""
            return str(await agent(HELPER, help_out).run(task))

        def agent(name: str, *tools: Any) -> Any:
            return flow.FunctionAgent(name=name, tools=list(tools), llm=model, streaming=False)

        return agent(FIRST, work, helper)

    def told(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of several tools the model is told in the order in which they end, watched or not."""
        said: list[Any] = []
        for by_tools, several in groupby(request["messages"], lambda each: each["role"] == "tool"):
            those = list(several)
            said += sorted(those, key=itemgetter("tool_call_id")) if by_tools else those
        return {**request, "messages": said}

    async def later(self, agents: Any, task: str) -> Any:
        return str(await agents.run(task))

    async def stream(self, agents: Any, task: str) -> AsyncIterator[Any]:
        handler = agents.run(task)
        async for event in handler.stream_events():
            yield type(event).__name__
        yield str(await handler)


class Framework(Llamaindex):
    integration = INTEGRATIONS[1]


class TestLlamaindex(Watched):
    engine = "llamaindex"


class TestAsked(Asked):
    engine = Llamaindex()


class TestFrameworkAsked(Asked):
    engine = Framework()
