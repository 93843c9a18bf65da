"""AutoGen: teams by a row, agents and tools by its own spans."""

import pytest
from adopted import Watched

pytest.importorskip("autogen_agentchat")


class TestAutogen(Watched):
    engine = "autogen"
