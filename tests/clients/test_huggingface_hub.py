"""What is peculiar to Hugging Face's client: models that are URLs, tokens in headers, providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, http
from flowspan.instrumentation.clients import huggingface_hub as rows
from flowspan.instrumentation.clients.methods import row
from flowspan.instrumentation.clients.wire import describe, tgi
from flowspan.instrumentation.clients.wire.shape import Answer
from flowspan.instrumentation.integration import Call
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

pytest.importorskip("huggingface_hub")
from conformance.clients.huggingface_hub import InferenceClient

CHAT_MODEL = "meta-llama/Llama-3.3-70B-Instruct"
TEXT_MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
HELLO: Any = [{"role": "user", "content": "Tell me a story please"}]
CHARGED = Usage(input_tokens=120, output_tokens=34)
INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def content_recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS, content="full") as recording:
        yield recording


def chats(provider: FakeProvider) -> Any:
    return InferenceClient(base_url=f"{provider.url}/v1", api_key="hf_test")


def writes(provider: FakeProvider) -> Any:
    return InferenceClient(f"{provider.url}/hf-inference/models/{TEXT_MODEL}", api_key="hf_test")


def known_of(recording: Recording) -> dict[str, Any]:
    return dict(recording.spans.one().attributes or {})


def test_a_url_in_the_place_of_a_model_is_no_model(
    provider: FakeProvider, recording: Recording
) -> None:
    """The model that the path names is recorded, and of the URL host and port."""
    provider.reply(Reply("Once", usage=CHARGED))

    said = writes(provider).text_generation(
        "Tell me", max_new_tokens=99, temperature=0.5, top_k=40, seed=7, stop=["END"]
    )

    known = known_of(recording)
    assert said == "Once"
    assert recording.spans.one().name == f"text_completion {TEXT_MODEL}"
    assert {name: value for name, value in known.items() if "gen_ai.request." in name} == {
        "gen_ai.request.model": TEXT_MODEL,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
    }
    assert known["gen_ai.provider.name"] == "huggingface"
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert "http" not in json.dumps([value for value in known.values() if isinstance(value, str)])


def test_a_text_without_details_has_the_tokens_of_the_headers(
    provider: FakeProvider, recording: Recording
) -> None:
    """The answer is a text and nothing else; the server counted all the same."""
    provider.reply(Reply("Once", usage=CHARGED))

    writes(provider).text_generation("Tell me")

    known = known_of(recording)
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (120, 34)
    assert semconv.USAGE_ESTIMATED not in known


def test_vectors_have_the_tokens_of_the_headers(
    provider: FakeProvider, recording: Recording
) -> None:
    """An array says nothing of its tokens."""
    pytest.importorskip("numpy")
    client = InferenceClient(
        f"{provider.url}/hf-inference/models/a/b/pipeline/feature-extraction", api_key="hf_test"
    )
    provider.reply(Reply(usage=CHARGED))

    found = client.feature_extraction("one two")

    known = known_of(recording)
    assert found.shape[-1] == 8
    assert recording.spans.one().name == "embeddings a/b"
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (120, 0)


def test_what_the_client_asks_beside_the_call_is_no_attempt_of_it(
    provider: FakeProvider, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may ask the Hub about itself in the middle of the first call, and be refused."""
    name = "_inner_post" if hasattr(InferenceClient, "_inner_post") else "post"
    post = getattr(InferenceClient, name)

    def asking(*args: Any, **kwargs: Any) -> Any:
        httpx.get(f"{provider.url}/nothing")
        return post(*args, **kwargs)

    monkeypatch.setattr(InferenceClient, name, asking)

    chats(provider).chat_completion(HELLO, model=CHAT_MODEL)

    assert [request.method for request in provider.requests] == ["GET", "POST"]
    assert semconv.RETRY_COUNT not in known_of(recording)


def test_a_stream_says_its_tokens_to_those_who_ask(
    provider: FakeProvider, recording: Recording
) -> None:
    """What only some providers tell (the cache) is read from the chunk as well."""
    charged = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100)
    provider.reply(Reply("Once upon", usage=charged))

    stream = chats(provider).chat.completions.create(
        HELLO, model=CHAT_MODEL, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)

    known = known_of(recording)
    assert chunks
    assert recording.spans.one().name == f"chat {CHAT_MODEL}"
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_CACHE_READ] == 100


def test_a_refusal_has_its_status(provider: FakeProvider, recording: Recording) -> None:
    """Errors of text generation are made from those of the HTTP library."""
    provider.fail(Fault.http(422, message="too long"))

    with pytest.raises(Exception, match="too long"):
        writes(provider).text_generation("Tell me")

    assert known_of(recording)[semconv.HTTP_STATUS_CODE] == 422


def test_content_of_a_stream(provider: FakeProvider, content_recording: Recording) -> None:
    """Text and tools of all chunks are one message."""
    provider.reply(Reply("Fine day", tool_calls=(ToolCall("search", {"q": "a b"}, id="call_9"),)))

    list(chats(provider).chat_completion(HELLO, model=CHAT_MODEL, stream=True))

    [answer] = json.loads(known_of(content_recording)[semconv.OUTPUT_MESSAGES])
    assert answer["parts"] == [
        {"type": "text", "content": "Fine day"},
        {"type": "tool_call", "id": "call_9", "name": "search", "arguments": {"q": "a b"}},
    ]


def test_content_of_a_text(provider: FakeProvider, content_recording: Recording) -> None:
    """The prompt is the user's message, the text the model's, streamed or not."""
    provider.reply("Fine day")

    assert "".join(writes(provider).text_generation("Tell me", stream=True)) == "Fine day"

    known = known_of(content_recording)
    assert json.loads(known[semconv.INPUT_MESSAGES])[0]["parts"][0]["content"] == "Tell me"
    assert json.loads(known[semconv.OUTPUT_MESSAGES])[0]["parts"][0]["content"] == "Fine day"


def test_a_prompt_that_was_sent_back_tells_its_length() -> None:
    """With ``decoder_input_details`` the prompt's tokens are in the answer."""
    body = {"details": {"generated_tokens": 9, "prefill": [{"id": 1}, {"id": 2}]}}

    assert describe.usage_of(tgi.TEXT, {}, Answer(body)) == Usage(input_tokens=2, output_tokens=9)


@pytest.mark.parametrize(
    ("provider_name", "token", "name", "host"),
    [
        (None, "hf_x", "huggingface", "router.huggingface.co"),
        ("auto", None, "huggingface", "router.huggingface.co"),
        ("together", "hf_x", "huggingface_together", "router.huggingface.co"),
        ("together", "sk-own", "together", "api.together.xyz"),
        ("nebius", "sk-own", "nebius", None),
    ],
)
def test_a_provider_bears_both_names_behind_the_router(
    provider_name: str | None, token: str | None, name: str, host: str | None
) -> None:
    """Price lists know providers by the router and by themselves; the key tells which it is."""
    method = next(rows._methods(rows._CLIENTS[0]))
    instance = type("Client", (), {"model": None, "provider": provider_name, "token": token})()
    patch = row(method)
    assert patch.request is not None

    found = patch.request(Call(instance, (HELLO,), {"model": CHAT_MODEL}))

    assert found[semconv.PROVIDER_NAME] == name
    assert found[semconv.SERVER_ADDRESS] == host
