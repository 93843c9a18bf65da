"""Google's ADK: nothing but its own spans, adopted."""

import pytest
from adopted import Watched

pytest.importorskip("google.adk")


class TestAdk(Watched):
    engine = "adk"
