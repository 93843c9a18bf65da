"""smolagents: agents, what they manage, steps and tools, by rows."""

import pytest
from adopted import Watched

pytest.importorskip("smolagents")


class TestSmolagents(Watched):
    engine = "smolagents"
