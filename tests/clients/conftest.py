"""A fake provider, real clients that talk to it, and what flowspan sees of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

import flowspan.pricing.market  # noqa: F401 - the price lists are there, and nobody waits for them
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Recording, record

INTEGRATIONS = (openai_rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)


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
