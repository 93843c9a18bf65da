"""Fixtures for pytest: ``pytest_plugins = ["flowspan.testing.fixtures"]`` in a ``conftest.py``.

They are no entry point on purpose: pytest imports those at every start, also where nobody needs
them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowspan.testing.fake_provider import FakeProvider
from flowspan.testing.integrations import all_integrations
from flowspan.testing.recording import Recording, record


@pytest.fixture
def recorded_run() -> Iterator[Recording]:
    """What happens in the test, recorded and priced: engines, model calls and decorated code."""
    with record(*all_integrations(), priced=True, threads=True, strict=False) as recording:
        yield recording


@pytest.fixture
def fake_provider() -> Iterator[FakeProvider]:
    """A model provider on this machine, which echoes unless it is told what to answer."""
    with FakeProvider() as provider:
        yield provider
