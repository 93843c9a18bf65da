"""OpenAI Agents: runs, turns of agents and their tools, by rows."""

import pytest
from adopted import Watched

pytest.importorskip("agents")


class TestOpenaiAgents(Watched):
    engine = "openai_agents"
