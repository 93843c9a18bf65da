"""OpenAI's SDK and where it goes: Azure's deployments, and any other address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from flowspan import semconv
from flowspan.instrumentation.clients import azure_openai
from flowspan.testing import FakeProvider, Recording, Reply

MESSAGES: list[Any] = [{"role": "user", "content": "Tell me a story"}]
VERSION = "2025-01-01-preview"

http_library: Any = pytest.importorskip(
    "httpx2" if int(openai.VERSION.partition(".")[0]) >= 3 else "httpx"
)


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


@pytest.fixture
def azure(provider: FakeProvider) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        azure_endpoint=provider.url, api_key="any", api_version=VERSION
    ) as client:
        yield client


# --- Azure ----------------------------------------------------------------------------------------


def test_a_client_for_azure_is_azures_wherever_it_goes(
    provider: FakeProvider, azure: openai.AzureOpenAI, recording: Recording
) -> None:
    """The model that is asked for is a deployment; the answer names the model behind it."""
    provider.reply(Reply(model="gpt-4o-2024-08-06"))

    azure.chat.completions.create(model="our-deployment", messages=MESSAGES)

    known = known_of(recording)
    assert recording.spans.one().name == "chat our-deployment"
    assert known[semconv.PROVIDER_NAME] == "azure.ai.openai"
    assert known[semconv.RESPONSE_MODEL] == "gpt-4o-2024-08-06"
    assert "/deployments/our-deployment/" in provider.requests[0].path


def test_the_deployment_of_the_client_is_the_model(
    provider: FakeProvider, recording: Recording
) -> None:
    """The body's model is not looked at, as the address names the deployment already."""
    with openai.AzureOpenAI(
        azure_endpoint=provider.url,
        azure_deployment="ours",
        api_key="any",
        api_version=VERSION,
    ) as client:
        client.chat.completions.create(model="whatever", messages=MESSAGES)

    assert "/deployments/ours/" in provider.requests[0].path
    assert known_of(recording)[semconv.REQUEST_MODEL] == "ours" == provider.ledger[0].model


def test_what_has_no_deployment_names_its_model(
    provider: FakeProvider, recording: Recording
) -> None:
    """Responses are asked for by the model in the body, whatever the client's deployment."""
    with openai.AzureOpenAI(
        azure_endpoint=provider.url,
        azure_deployment="ours",
        api_key="any",
        api_version=VERSION,
    ) as client:
        if not hasattr(client, "responses"):
            pytest.skip("this version has no responses")
        client.responses.create(model="theirs", input="Tell me a story")

    assert known_of(recording)[semconv.REQUEST_MODEL] == "theirs" == provider.ledger[0].model


async def test_an_async_stream_at_azure(provider: FakeProvider, recording: Recording) -> None:
    """The same classes serve, so that streams are seen as well."""
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=provider.url, api_key="any", api_version=VERSION
    ) as client:
        stream: Any = await client.chat.completions.create(
            model="ours",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for _ in stream:
            pass

    known = known_of(recording)
    assert known[semconv.PROVIDER_NAME] == "azure.ai.openai"
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger.total().output_tokens


def test_a_deployment_in_an_address_that_is_not_azures_is_part_of_a_path() -> None:
    """A gateway may call its places as it likes."""
    client = openai.OpenAI(base_url="http://gateway.example/deployments/x/v1", api_key="any")
    azure = openai.OpenAI(
        base_url="https://mine.openai.azure.com/openai/deployments/ours", api_key="any"
    )

    assert azure_openai.deployment(client) is None
    assert azure_openai.deployment(azure) == azure_openai.deployment(azure) == "ours"
    assert azure_openai.deployment(object()) is None


def test_many_addresses_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes clients without end does not fill the memory."""
    monkeypatch.setattr(azure_openai, "_MOST_KNOWN", 3)

    for number in range(8):
        client = openai.OpenAI(base_url=f"http://h{number}/v1", api_key="x")
        assert azure_openai.deployment(client) is None

    assert len(azure_openai._known) <= 3


# --- any other address ----------------------------------------------------------------------------


class Resolver(http_library.BaseTransport):  # type: ignore[misc]
    """A transport that finds every host at the provider on this machine."""

    def __init__(self, provider: FakeProvider) -> None:
        self._there = http_library.URL(provider.url)
        self._inner = http_library.HTTPTransport()

    def handle_request(self, request: Any) -> Any:
        there = self._there
        request.url = request.url.copy_with(scheme=there.scheme, host=there.host, port=there.port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize(
    ("base_url", "provider_name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://us.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("https://mine.services.ai.azure.com/openai/v1", "azure.ai.inference"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.x.ai/v1", "x_ai"),
        ("https://api.together.xyz/v1", "together"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini"),
        ("https://router.huggingface.co/v1", "huggingface"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://localhost:8000/v1", "openai"),
        ("http://vllm.internal:8000/v1", "openai"),
    ],
)
def test_the_provider_is_told_by_the_address_of_a_real_call(
    base_url: str, provider_name: str, provider: FakeProvider, recording: Recording
) -> None:
    """The address that the client was given counts, wherever its transport finds it."""
    transport = http_library.Client(transport=Resolver(provider))
    with openai.OpenAI(base_url=base_url, api_key="any", http_client=transport) as client:
        client.chat.completions.create(model="some-model", messages=MESSAGES)

    known = known_of(recording)
    host = http_library.URL(base_url).host
    assert (known[semconv.PROVIDER_NAME], known[semconv.SERVER_ADDRESS]) == (provider_name, host)
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger.total().input_tokens
