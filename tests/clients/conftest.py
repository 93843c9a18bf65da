"""A fake provider, real clients that talk to it, and what flowspan sees of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.pricing import pricer
from flowspan.testing import FakeProvider, Recording, record

INTEGRATIONS = (openai_rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)


@pytest.fixture(scope="session", autouse=True)
def _price_lists() -> None:
    """The price lists are there: a slow machine must not make a call an unpriced one."""
    deadline = time.monotonic() + 60
    while pricer._PRICE_LISTS.wait() is None and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def content_recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS, content="full") as recording:
        yield recording


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="sk-secret-key") as client:
        yield client


@pytest.fixture
async def async_client(provider: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="sk-secret") as client:
        yield client


@pytest.fixture
def _reset_hosts() -> Iterator[None]:
    yield
    http.configure()
