"""pydantic-ai: by rows, and with its own spans adopted."""

import pytest
from adopted import Watched

pytest.importorskip("pydantic_ai")


class TestPydanticAi(Watched):
    engine = "pydantic_ai"
