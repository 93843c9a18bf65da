"""Gemini's formats of the fake provider, as Google publishes them and as its SDK reads them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

MODEL = "gemini-2.5-flash"
ASKED = {"contents": [{"role": "user", "parts": [{"text": "Tell me a story please"}]}]}
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)

pytestmark = pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")
"""What the SDK's older versions make of newer versions of pydantic."""


@pytest.fixture
def google(provider: FakeProvider) -> genai.Client:
    options: Any = {"base_url": provider.gemini_url}
    return genai.Client(api_key="gemini-test", http_options=options)


def post(provider: FakeProvider, verb: str, body: Any = ASKED) -> httpx2.Response:
    return httpx2.post(f"{provider.gemini_url}/v1beta/models/{MODEL}:{verb}", json=body)


def test_an_answer_is_what_google_sends(provider: FakeProvider) -> None:
    """Thoughts stand beside the candidates, in content and in the counts."""
    provider.reply(Reply("Once upon", reasoning="A story", usage=CHARGED))

    answer = post(provider, "generateContent")

    assert "x-request-id" not in answer.headers
    assert answer.json() == {
        "candidates": [
            {
                "content": {
                    "parts": [{"text": "A story", "thought": True}, {"text": "Once upon"}],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 120,
            "cachedContentTokenCount": 100,
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 120}],
            "candidatesTokenCount": 14,
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 14}],
            "thoughtsTokenCount": 20,
            "totalTokenCount": 154,
        },
        "modelVersion": MODEL,
        "responseId": "gemini-000001",
    }
    entry = provider.ledger[0]
    assert (entry.model, entry.provider, entry.usage) == (MODEL, "gcp.gemini", CHARGED)


def test_both_streams_have_the_same_events(provider: FakeProvider) -> None:
    """As server-sent events, or as one JSON array; each event tells the tokens so far."""
    provider.reply("one two three", "one two three")

    events = post(provider, "streamGenerateContent?alt=sse")
    array = post(provider, "streamGenerateContent")

    told = [json.loads(line.removeprefix("data: ")) for line in events.text.splitlines() if line]
    assert events.headers["content-type"] == "text/event-stream"
    assert array.headers["content-type"] == "application/json; charset=UTF-8"
    assert [each["candidates"] for each in told] == [each["candidates"] for each in array.json()]
    counts = [each["usageMetadata"]["candidatesTokenCount"] for each in told]
    assert counts == [1, 2, 3, 3]
    assert told[-1]["candidates"][0]["finishReason"] == "STOP"


def test_the_sdk_reads_every_part(provider: FakeProvider, google: genai.Client) -> None:
    """Functions are asked for in the event that ends the answer."""
    provider.reply(
        Reply("Let me see", reasoning="Hm", tool_calls=(ToolCall("look", {"at": 1}, id="c1"),))
    )

    chunks = list(google.models.generate_content_stream(model=MODEL, contents="?"))

    last = chunks[-1].candidates[0] if chunks[-1].candidates else types.Candidate()
    assert last.finish_reason is types.FinishReason.STOP
    assert [(call.name, call.args) for call in chunks[-1].function_calls or []] == [
        ("look", {"at": 1})
    ]
    assert provider.ledger[0].usage_on_wire


def test_several_candidates_a_limit_and_a_schema(
    provider: FakeProvider, google: genai.Client
) -> None:
    """What the request's settings ask for is done."""
    two = google.models.generate_content(
        model=MODEL, contents="a b c", config=types.GenerateContentConfig(candidate_count=2)
    )
    short = google.models.generate_content(
        model=MODEL, contents="a b c", config=types.GenerateContentConfig(max_output_tokens=2)
    )
    shaped = google.models.generate_content(
        model=MODEL,
        contents="a b c",
        config=types.GenerateContentConfig(
            response_mime_type="application/json",
            response_schema={
                "type": "OBJECT",
                "properties": {"title": {"type": "STRING"}},
                "required": ["title"],
            },
        ),
    )

    assert len(two.candidates or ()) == 2
    assert short.text == "Echo: a "
    assert short.candidates is not None
    assert short.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    assert isinstance(json.loads(shaped.text or "")["title"], str)


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent"])
def test_what_is_refused_has_no_words(verb: str, provider: FakeProvider) -> None:
    """An answer that was stopped says ``SAFETY``; a prompt that was blocked has no candidate."""
    provider.reply(Reply(refusal="No way"), Reply(refusal="", finish_reason="BLOCKLIST"))

    stopped, blocked = (last_of(post(provider, verb).json()) for _ in range(2))

    assert stopped["candidates"][0]["finishReason"] == "SAFETY"
    assert blocked["promptFeedback"]["blockReason"] == "BLOCKLIST"
    assert "candidates" not in blocked
    assert "candidatesTokenCount" not in blocked["usageMetadata"]


def last_of(body: Any) -> Any:
    return body[-1] if isinstance(body, list) else body


def test_a_call_whose_arguments_are_no_object_is_malformed(provider: FakeProvider) -> None:
    """Gemini has no way to send them."""
    provider.reply(Reply(tool_calls=(ToolCall("look", "{broken"), ToolCall("look", "[1]"))))

    candidate = post(provider, "generateContent").json()["candidates"][0]

    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert candidate["content"]["parts"] == []


def test_errors_are_googles(provider: FakeProvider, google: genai.Client) -> None:
    """How long to wait is in the details; a status that Google does not name is unknown."""
    provider.fail(Fault.rate_limited())
    with pytest.raises(errors.ClientError) as limited:
        google.models.generate_content(model=MODEL, contents="?")
    provider.fail(Fault.http(418))
    unknown = post(provider, "generateContent").json()

    assert limited.value.status == "RESOURCE_EXHAUSTED"
    assert "RetryInfo" in str(limited.value.details)
    assert unknown["error"]["status"] == "UNKNOWN"


@pytest.mark.parametrize(
    ("query", "head"), [("?alt=sse", "data: "), ("", "[")], ids=["events", "array"]
)
@pytest.mark.parametrize("after_chunks", [0, 2])
def test_an_error_in_mid_stream_is_no_event(
    query: str, head: str, after_chunks: int, provider: FakeProvider
) -> None:
    """It stands there as it would stand alone; in an array it is the last element."""
    provider.fail(Fault.error_event(after_chunks=after_chunks, message="Gone"))

    text = post(provider, f"streamGenerateContent{query}").text

    if query:
        assert json.loads(text[text.index('{\n  "error"') :])["error"]["message"] == "Gone"
    else:
        assert json.loads(text)[-1]["error"]["message"] == "Gone"
    assert text.startswith(head) or not after_chunks
    assert provider.ledger[0].usage.output_tokens == after_chunks


def test_an_event_that_is_malformed_spoils_the_array(provider: FakeProvider) -> None:
    """It ends in the middle."""
    provider.fail(Fault.malformed(after_chunks=1))

    with pytest.raises(ValueError, match="Invalid control character"):
        post(provider, "streamGenerateContent").json()


def test_embeddings_of_one_and_of_several(provider: FakeProvider) -> None:
    """The same numbers either way, as many as were asked for."""
    content = {"parts": [{"text": "a b"}]}

    one = post(provider, "embedContent", {"content": content, "outputDimensionality": 4}).json()
    both = post(provider, "batchEmbedContents", {"requests": [{"content": content}] * 2}).json()
    odd = post(provider, "batchEmbedContents", {"requests": ["odd", {"content": "plain"}]}).json()

    assert len(one["embedding"]["values"]) == 4
    assert [each["values"][:4] for each in both["embeddings"]] == [one["embedding"]["values"]] * 2
    assert len(odd["embeddings"]) == 1
    assert [entry.usage.input_tokens for entry in provider.ledger] == [2, 4, 1]
    assert both["usageMetadata"]["promptTokenCount"] == 4


def test_vertex_says_the_tokens_of_each_prediction(provider: FakeProvider) -> None:
    """They add up to what was charged."""
    provider.reply(Reply(usage=Usage(input_tokens=9)))
    body = {
        "instances": [{"content": "a b"}, {"content": "c"}],
        "parameters": {"outputDimensionality": 2},
    }

    predictions = post(provider, "predict", body).json()["predictions"]
    nothing = post(provider, "predict", {"instances": "odd"}).json()["predictions"]

    statistics = [each["embeddings"]["statistics"]["token_count"] for each in predictions]
    assert statistics == [2, 7]
    assert [len(each["embeddings"]["values"]) for each in predictions] == [2, 2]
    assert provider.ledger[0].provider == "gcp.vertex_ai"
    assert nothing == []


def test_counting_and_caching_cost_nothing(provider: FakeProvider) -> None:
    """Their answers tell tokens, and the ledger has none."""
    counted = post(provider, "countTokens").json()
    whole = post(provider, "countTokens", {"generateContentRequest": ASKED}).json()
    cached = httpx2.post(
        f"{provider.gemini_url}/v1beta/cachedContents", json={**ASKED, "model": f"models/{MODEL}"}
    ).json()

    assert counted["totalTokens"] == whole["totalTokens"] == 5
    assert cached["usageMetadata"] == {"totalTokenCount": 5}
    assert len(provider.ledger) == 0
