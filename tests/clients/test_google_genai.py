"""What is peculiar to Google's Gen AI SDK: loops above the request, thoughts, Vertex AI, tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bodies, google_genai, http
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

MODEL = "gemini-2.5-flash"
INTEGRATIONS = (google_genai.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
    pytest.mark.filterwarnings("ignore:The `dict` method is deprecated"),
]
"""What the SDK's older versions make of newer versions of pydantic."""


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def content_recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS, content="full") as recording:
        yield recording


@pytest.fixture
def google(provider: FakeProvider) -> genai.Client:
    options: Any = {"base_url": provider.gemini_url}
    return genai.Client(api_key="gemini-test", http_options=options)


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


# The SDK's older versions read annotations as they are, and cannot make anything of texts.
get_weather.__annotations__ = {"city": str, "return": str}


# --- one call -----------------------------------------------------------------------------------


def test_a_call_has_its_request_and_its_response(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """Thoughts are part of the output, and what came from a cache is part of the input."""
    provider.reply(Reply("Once upon a time", usage=CHARGED, model="gemini-2.5-flash-001"))

    google.models.generate_content(
        model=MODEL,
        contents="Tell me a story please",
        config=types.GenerateContentConfig(
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            max_output_tokens=99,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            stop_sequences=["END"],
            seed=7,
            candidate_count=2,
            response_mime_type="application/json",
        ),
    )

    span, known = recording.spans.one(), known_of(recording)
    del known[semconv.RUN_ID]
    assert span.name == "generate_content gemini-2.5-flash"
    assert span.status.status_code is StatusCode.UNSET
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "gemini-000001",
        "gen_ai.response.model": "gemini-2.5-flash-001",
        "gen_ai.response.finish_reasons": ("STOP", "STOP"),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


@pytest.mark.parametrize("model", ["gemini-x", "models/gemini-x"])
def test_a_model_has_one_name(
    model: str, google: genai.Client, provider: FakeProvider, recording: Recording
) -> None:
    """The collection that a model is kept in is no part of its name."""
    google.models.generate_content(model=model, contents="Hello")

    assert known_of(recording)[semconv.REQUEST_MODEL] == "gemini-x"
    assert provider.ledger[0].model == "gemini-x"


@pytest.mark.parametrize(("refusal", "output"), [("No way", 2), ("", 0)], ids=["answer", "prompt"])
def test_what_was_blocked_says_why(
    refusal: str, output: int, provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """A blocked answer was paid for; a blocked prompt has no candidate and no output."""
    provider.reply(Reply(refusal=refusal))

    google.models.generate_content(model=MODEL, contents="Tell me a story please")

    known = known_of(recording)
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("SAFETY",)
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger[0].usage.input_tokens == 5
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger[0].usage.output_tokens == output
    assert semconv.USAGE_ESTIMATED not in known


def test_a_refused_call_has_its_status_and_no_tokens(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """Nothing is charged, and the exception is the SDK's own."""
    provider.fail(Fault.rate_limited())

    with pytest.raises(errors.ClientError):
        google.models.generate_content(model=MODEL, contents="Hello")

    known = known_of(recording)
    assert known[semconv.HTTP_STATUS_CODE] == 429
    assert known[semconv.ERROR_TYPE] == "ClientError"
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_counting_tokens_and_filling_a_cache_are_no_model_calls(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """Nobody is charged for tokens there."""
    google.models.count_tokens(model=MODEL, contents="a b c")
    google.caches.create(
        model=MODEL, config=types.CreateCachedContentConfig(contents=["a b c"], ttl="60s")
    )

    assert len(provider.requests) == 2
    assert len(provider.ledger) == len(recording.spans) == 0


# --- loops above the request ----------------------------------------------------------------------


def test_each_turn_of_automatic_function_calling_is_a_call(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """The functions that the SDK runs are tools between the calls."""
    provider.reply(Reply(tool_calls=(ToolCall("get_weather", {"city": "Rome"}),)), "It is sunny")
    chat = google.chats.create(model=MODEL, config=types.GenerateContentConfig(tools=[get_weather]))

    answer = chat.send_message("How is the weather in Rome?")

    assert answer.text == "It is sunny"
    assert [span.name for span in recording.spans] == [
        "generate_content gemini-2.5-flash",
        "execute_tool get_weather",
        "generate_content gemini-2.5-flash",
    ]
    charged = [entry.usage.input_tokens for entry in provider.ledger]
    models = [span for span in recording.spans if span.name.startswith("generate")]
    assert charged == [(span.attributes or {})[semconv.USAGE_INPUT_TOKENS] for span in models]
    assert next(event.name for event in models[0].events) == semconv.EVENT_TOOL_REQUESTED


async def test_each_turn_of_an_asynchronous_stream_is_a_call(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """The next turn begins while the program iterates over the first one's stream."""
    provider.reply(Reply(tool_calls=(ToolCall("get_weather", {"city": "Rome"}),)), "It is sunny")
    config = types.GenerateContentConfig(tools=[get_weather])

    stream = await google.aio.models.generate_content_stream(
        model=MODEL, contents="How is the weather in Rome?", config=config
    )
    said = [chunk.text or "" async for chunk in stream]
    if hasattr(google.aio, "aclose"):
        await google.aio.aclose()

    assert "".join(said) == "It is sunny"
    calls = [span for span in recording.spans if span.name.startswith("generate_content")]
    told = [(span.attributes or {})[semconv.USAGE_INPUT_TOKENS] for span in calls]
    assert told == [entry.usage.input_tokens for entry in provider.ledger]
    assert "execute_tool get_weather" in {span.name for span in recording.spans}


def test_a_function_that_fails_is_a_tool_that_failed(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """The SDK tells the model, not the program; the span tells whoever looks."""

    def get_time(city: str) -> str:
        """Tell the time in a city."""
        raise LookupError(city)

    get_time.__annotations__ = {"city": str, "return": str}
    provider.reply(Reply(tool_calls=(ToolCall("get_time", {"city": "Rome"}),)), "I do not know")

    google.models.generate_content(
        model=MODEL, contents="?", config=types.GenerateContentConfig(tools=[get_time])
    )

    tool = next(span for span in recording.spans if span.name == "execute_tool get_time")
    assert tool.status.status_code is StatusCode.ERROR


# --- streams --------------------------------------------------------------------------------------


def test_a_stream_that_was_left_has_what_google_had_told_by_then(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """Each chunk says the tokens so far; that is no final count, and so it is marked."""
    provider.reply(Reply("one two three four", usage=CHARGED))

    stream = google.models.generate_content_stream(model=MODEL, contents="Hello")
    next(stream)
    del stream

    known = known_of(recording)
    assert known[semconv.STREAM_ABANDONED] is True
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34 // 4


def test_a_stream_that_is_never_read_asks_for_nothing(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """It is a generator: there was no call."""
    stream: Any = google.models.generate_content_stream(model=MODEL, contents="Hello")
    stream.close()

    assert len(provider.requests) == len(recording.spans) == 0


def test_an_error_in_mid_stream_is_the_calls(
    provider: FakeProvider, google: genai.Client, recording: Recording
) -> None:
    """Google sends it without the form of an event, of which older versions make no sense."""
    provider.fail(Fault.error_event(after_chunks=2))

    with pytest.raises((errors.APIError, ValueError)) as raised:
        list(google.models.generate_content_stream(model=MODEL, contents="Hello there you"))

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == raised.type.__qualname__
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger[0].usage.output_tokens == 2


# --- content --------------------------------------------------------------------------------------


def test_content_is_in_the_form_of_the_conventions(
    provider: FakeProvider, google: genai.Client, content_recording: Recording
) -> None:
    """Images are told by their size; the model's role is the assistant's."""
    provider.reply(Reply("A red dot", reasoning="It is red"))

    google.models.generate_content(
        model=MODEL,
        contents=[
            types.Content(
                role="user",
                parts=[
                    types.Part.from_text(text="What is this?"),
                    types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
                ],
            ),
            types.Content(
                role="model",
                parts=[types.Part.from_function_call(name="look", args={"at": "it"})],
            ),
            types.Content(
                role="user",
                parts=[types.Part.from_function_response(name="look", response={"seen": "dot"})],
            ),
        ],
        config=types.GenerateContentConfig(system_instruction="Be brief."),
    )

    known = known_of(content_recording)
    assert known["gen_ai.system_instructions"] == '[{"type": "text", "content": "Be brief."}]'
    assert (
        '"modality": "image", "mime_type": "image/png", "content": "", "size": 8'
        in (known["gen_ai.input.messages"])
    )
    assert '"role": "assistant", "parts": [{"type": "tool_call"' in known["gen_ai.input.messages"]
    assert '"response": {"seen": "dot"}' in known["gen_ai.input.messages"]
    assert known["gen_ai.output.messages"] == (
        '[{"role": "assistant", "parts": [{"type": "reasoning", "content": "It is red"}, '
        '{"type": "text", "content": "A red dot"}]}]'
    )
