"""LlamaIndex: workflows, steps, agents and tools, by rows."""

import pytest
from adopted import Watched

pytest.importorskip("llama_index.core")


class TestLlamaindex(Watched):
    engine = "llamaindex"
