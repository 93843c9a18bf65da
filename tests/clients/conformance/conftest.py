"""A provider for each test, and a collector that is quick."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from flowspan.testing import FakeProvider


@pytest.fixture(scope="session", autouse=True)
def _quick_collector() -> Iterator[None]:
    """Streams that were dropped end when they are collected: what is here already stays out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider
