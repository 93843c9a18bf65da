"""A fake provider for each test, and the real SDKs talking to it."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import openai
import pytest

from flowspan.testing import FakeProvider


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def openai_client(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="test") as client:
        yield client


@pytest.fixture
async def async_openai_client(provider: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="test") as client:
        yield client


@pytest.fixture
def anthropic_client(provider: FakeProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="test") as client:
        yield client


@pytest.fixture
async def async_anthropic_client(
    provider: FakeProvider,
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="test") as client:
        yield client
