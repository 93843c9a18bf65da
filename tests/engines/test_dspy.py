"""DSPy: programs, modules, agents and tools, by rows."""

import pytest
from adopted import Watched

pytest.importorskip("dspy")


class TestDspy(Watched):
    engine = "dspy"
