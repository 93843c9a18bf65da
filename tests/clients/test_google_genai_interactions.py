"""Interactions of Google's Gen AI SDK, which makes its requests over plain HTTP there."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from google import genai

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, google_genai, http
from flowspan.instrumentation.clients.wire.gemini_interactions import INTERACTIONS
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

MODEL = "gemini-2.5-flash"
INTEGRATIONS = (google_genai.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)
ASKED = {"model": MODEL, "input": "Tell me a story please"}
HEADERS = {"x-goog-api-key": "test"}


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def google(provider: FakeProvider) -> Any:
    options: Any = {"base_url": provider.gemini_url}
    client = genai.Client(api_key="gemini-test", http_options=options)
    # Before version 2.10 the answers had another form.
    if not hasattr(client, "interactions") or int(genai.__version__.partition(".")[0]) < 3:
        pytest.skip("this version has no interactions, or others")
    return client


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["whole", "stream"])
def test_an_interaction_is_a_call(
    options: dict[str, Any], provider: FakeProvider, google: Any, recording: Recording
) -> None:
    """Whole or streamed: the tokens charged, the settings, the functions asked for."""
    provider.reply(
        Reply("Once upon", reasoning="Hm", tool_calls=(ToolCall("look"),), usage=CHARGED)
    )

    answer = google.interactions.create(
        **ASKED, generation_config={"temperature": 0.5, "thinking_level": "low"}, **options
    )
    if options:
        list(answer)

    span, known = recording.spans.one(), known_of(recording)
    wanted = {
        semconv.PROVIDER_NAME: "gcp.gemini",
        semconv.REQUEST_MODEL: MODEL,
        semconv.REQUEST_TEMPERATURE: 0.5,
        semconv.REQUEST_REASONING_LEVEL: "low",
        semconv.RESPONSE_ID: "interaction-000001",
        semconv.RESPONSE_FINISH_REASONS: ("requires_action",),
        semconv.USAGE_INPUT_TOKENS: 120,
        semconv.USAGE_OUTPUT_TOKENS: 34,
        semconv.USAGE_CACHE_READ: 100,
        semconv.USAGE_REASONING: 20,
        semconv.TRANSPORT: "http",
    }
    assert span.name == f"generate_content {MODEL}"
    assert {name: known.get(name) for name in wanted} == wanted
    assert semconv.EVENT_TOOL_REQUESTED in [event.name for event in span.events]


async def test_an_asynchronous_interaction_is_a_call(
    provider: FakeProvider, google: Any, recording: Recording
) -> None:
    """The same for the asynchronous client."""
    provider.reply(Reply(usage=CHARGED))

    await google.aio.interactions.create(**ASKED)
    await google.aio.aclose()

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_an_interaction_that_is_fetched_again_is_no_call(
    provider: FakeProvider, google: Any, recording: Recording
) -> None:
    """It was paid for when it was made."""
    made = google.interactions.create(**ASKED)

    assert google.interactions.get(made.id).status == "completed"

    assert len(recording.spans) == len(provider.ledger) == 1


def test_a_streamed_interaction_that_was_left_is_estimated(
    provider: FakeProvider, recording: Recording
) -> None:
    """It says its tokens at the end only, and until then that it is in progress."""
    provider.reply("Once upon a time")

    with httpx2.stream(
        "POST",
        f"{provider.gemini_url}/v1beta/interactions",
        json={**ASKED, "stream": True},
        headers=HEADERS,
    ) as response:
        for line in response.iter_lines():
            if "Once" in line:
                break
    gc.collect()

    known = known_of(recording)
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == 6
    assert known[semconv.USAGE_OUTPUT_TOKENS] > 0
    assert semconv.RESPONSE_FINISH_REASONS not in known


def test_an_interaction_that_fails_in_mid_stream_is_an_error(
    provider: FakeProvider, recording: Recording
) -> None:
    """The event names what went wrong."""
    provider.fail(Fault.error_event(after_chunks=1))

    httpx2.post(
        f"{provider.gemini_url}/v1beta/interactions",
        json={**ASKED, "stream": True},
        headers=HEADERS,
    )

    assert known_of(recording)[semconv.ERROR_TYPE] == "internal_error"


def test_interactions_of_others_are_left_alone(
    provider: FakeProvider, recording: Recording
) -> None:
    """Path and body could be anybody's; Google's key or host must tell."""
    httpx2.post(f"{provider.url}/interactions", json=ASKED)

    assert len(recording.spans) == 0


def test_content_is_in_the_form_of_the_conventions(provider: FakeProvider) -> None:
    """Steps of earlier turns have the roles of who made them."""
    provider.reply(Reply("Yes", reasoning="Hm", tool_calls=(ToolCall("look", "{broken"),)))
    given: list[Any] = [
        {"type": "user_input", "content": [{"type": "text", "text": "Look"}]},
        {"type": "thought", "summary": [{"type": "text", "text": "I look"}]},
        {"type": "function_call", "id": "c", "name": "look", "arguments": {"at": 1}},
        {"type": "function_result", "call_id": "c", "result": "dot"},
        {"role": "model", "content": "A dot"},
        {"type": "text", "text": "Sure?"},
    ]

    with record(*INTEGRATIONS, content="full") as recording:
        httpx2.post(
            f"{provider.gemini_url}/v1beta/interactions",
            json={"model": MODEL, "input": given, "stream": True},
            headers=HEADERS,
        )

    known = known_of(recording)
    roles = ["user", "assistant", "assistant", "tool", "assistant", "user"]
    assert [part["role"] for part in INTERACTIONS.input({"input": given})[1]] == roles
    assert (
        '"type": "tool_call_response", "id": "c", "response": "dot"'
        in (known["gen_ai.input.messages"])
    )
    assert known["gen_ai.output.messages"] == (
        '[{"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm"}, '
        '{"type": "text", "content": "Yes"}, {"type": "tool_call", "id": "call_000001_0", '
        '"name": "look", "arguments": {"input": "{broken"}}]}]'
    )


def test_an_interaction_in_the_background_is_a_promise() -> None:
    """Nobody knows its tokens yet."""
    assert INTERACTIONS.unfinished({"id": "x", "status": "queued"})
    assert not INTERACTIONS.unfinished({"id": "x", "status": "completed", "steps": []})
