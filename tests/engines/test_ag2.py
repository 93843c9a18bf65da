"""AG2: by rows, and with its own spans adopted."""

import pytest
from adopted import Watched

pytest.importorskip("ag2")


class TestAg2(Watched):
    engine = "ag2"
