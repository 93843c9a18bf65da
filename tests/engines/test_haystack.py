"""Haystack: pipelines, components, agents and tools, by rows."""

import pytest
from adopted import Watched

pytest.importorskip("haystack")


class TestHaystack(Watched):
    engine = "haystack"
