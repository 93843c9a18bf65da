"""AG2: by rows, and with its own spans adopted."""

from __future__ import annotations

from typing import Any

import pytest
from adopted import Watched
from adopted_asked import Asked
from adopted_engine import Engine
from agent_scripts import FIRST, HELPER, Stage

from flowspan.instrumentation.engines.ag2 import INTEGRATION

ag2: Any = pytest.importorskip("ag2")
config: Any = pytest.importorskip("ag2.config")


class Ag2(Engine):
    integration = INTEGRATION
    ways = ("later",)

    def agents(self, stage: Stage) -> Any:
        def work(place: str) -> str:
            """Work somewhere."""
            return stage.work(place)

        async def helper(task: str) -> str:
            """Ask the one who helps."""
            return str((await agent(HELPER, work).ask(task)).body)

        def agent(name: str, *tools: Any) -> Any:
            return ag2.Agent(name, config=config.OpenAIConfig(model="gpt-4o-mini"), tools=tools)

        return agent(FIRST, work, helper)

    async def later(self, agents: Any, task: str) -> Any:
        return (await agents.ask(task)).body


class TestAg2(Watched):
    engine = "ag2"


class TestAsked(Asked):
    engine = Ag2()

    # In test_ag2_runs: AG2 makes a client for each question, and of the last 256 addresses one is
    # kept for each.
    test_memory_is_flat = None  # type: ignore[assignment]
