"""What is peculiar to Google's older SDK: gRPC, messages that are older than thoughts, REST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import google.generativeai as sdk
import pytest
from google.ai import generativelanguage as glm
from google.api_core import exceptions, retry

from conformance.clients.google_generativeai import Rest, Service
from flowspan import semconv
from flowspan.instrumentation.clients import bodies, google_generativeai, http
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

INTEGRATIONS = (google_generativeai.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
ONCE = {"retry": None, "timeout": 5}


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture
def service(provider: FakeProvider) -> Iterator[Service]:
    service = Service(provider)
    yield service
    service.close()


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def test_a_call_over_grpc_has_its_request_and_its_response(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """There is no HTTP to be seen; thoughts, which its messages lack, are told by the total."""
    usage = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)
    provider.reply(Reply("Once upon a time", usage=usage))

    service.model.generate_content(
        "Tell me a story please",
        generation_config=sdk.GenerationConfig(
            temperature=0.5, top_k=40, max_output_tokens=99, stop_sequences=["END"]
        ),
    )

    known = known_of(recording)
    del known[semconv.RUN_ID]
    assert known.pop(semconv.RESPONSE_MODEL, "gemini-2.5-flash") == "gemini-2.5-flash"
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.finish_reasons": ("STOP",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.reasoning.output_tokens": 20,
        # The transport's address; where a channel of one's own leads is not known.
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


def test_a_request_may_be_given_in_any_of_its_forms(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """The service's client, which others use directly, takes a message, a mapping or keywords."""
    contents = [glm.Content(role="user", parts=[glm.Part(text="Hello there")])]
    name = "models/gemini-2.5-flash"

    service.client.generate_content(glm.GenerateContentRequest(model=name, contents=contents))
    service.client.generate_content({"model": name, "contents": contents})
    service.client.generate_content(model=name, contents=contents)

    told = [dict(span.attributes or {}) for span in recording.spans]
    assert [each[semconv.REQUEST_MODEL] for each in told] == ["gemini-2.5-flash"] * 3
    assert [each[semconv.USAGE_INPUT_TOKENS] for each in told] == [2, 2, 2]


def test_a_refusal_over_grpc_has_the_status_that_it_would_have_had(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """The exception is the library's own; nothing was charged."""
    provider.fail(Fault.rate_limited())

    with pytest.raises(exceptions.ResourceExhausted):
        service.model.generate_content("Hello", request_options=ONCE)

    known = known_of(recording)
    assert known[semconv.HTTP_STATUS_CODE] == 429
    assert known[semconv.ERROR_TYPE] == "ResourceExhausted"
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_what_the_library_tries_again_is_one_call(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """Retries over gRPC are below the method, and nobody tells of them."""
    provider.fail(Fault.http(503))
    again = retry.Retry(initial=0.001, maximum=0.001)

    service.model.generate_content("Hello there", request_options={"retry": again})

    assert len(provider.requests) == 2
    assert known_of(recording)[semconv.USAGE_INPUT_TOKENS] == 2


def test_a_stream_over_grpc_that_failed_has_what_had_arrived(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """The stream ends with the library's own exception."""
    provider.fail(Fault.error_event(after_chunks=2))

    with pytest.raises(exceptions.InternalServerError):
        list(service.model.generate_content("Hello there you", stream=True))

    known = known_of(recording)
    assert known[semconv.ERROR_TYPE] == "InternalServerError"
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger[0].usage.input_tokens
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger[0].usage.output_tokens == 2


def test_each_turn_of_a_chat_that_calls_functions_is_a_call(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """The functions that the SDK runs are tools between the calls."""

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"sunny in {city}"

    provider.reply(Reply(tool_calls=(ToolCall("get_weather", {"city": "Rome"}),)), "It is sunny")
    model: Any = sdk.GenerativeModel("gemini-2.5-flash", tools=[get_weather])
    model._client = service.client
    chat = model.start_chat(enable_automatic_function_calling=True)

    answer = chat.send_message("How is the weather in Rome?")

    assert answer.text == "It is sunny"
    assert [span.name for span in recording.spans] == [
        "generate_content gemini-2.5-flash",
        "execute_tool get_weather",
        "generate_content gemini-2.5-flash",
    ]


def test_counting_tokens_is_no_model_call(
    provider: FakeProvider, service: Service, recording: Recording
) -> None:
    """Nobody is charged for it."""
    assert service.model.count_tokens("a b c").total_tokens == 3

    assert len(recording.spans) == len(provider.ledger) == 0


def test_a_call_over_rest_is_one_call_with_its_attempts(
    provider: FakeProvider, recording: Recording
) -> None:
    """The request over HTTP is an attempt of the call above it."""
    rest = Rest(provider)
    provider.fail(Fault.http(503))
    again = retry.Retry(initial=0.001, maximum=0.001)

    rest.model.generate_content("Hello there", request_options={"retry": again})
    rest.close()

    known = known_of(recording)
    assert known[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert known[semconv.SERVER_PORT] == int(provider.url.rpartition(":")[2])
    assert known[semconv.RETRY_COUNT] == 1


def test_content_is_in_the_form_of_the_conventions(
    provider: FakeProvider, service: Service
) -> None:
    """Messages of protocol buffers are read as the JSON that stands for them."""
    provider.reply(Reply("A red dot"))
    model: Any = sdk.GenerativeModel("gemini-2.5-flash", system_instruction="Be brief.")
    model._client = service.client

    with record(*INTEGRATIONS, content="full") as recording:
        list(
            model.generate_content(
                ["What is this?", {"mime_type": "image/png", "data": b"\x89PNG"}], stream=True
            )
        )

    known = known_of(recording)
    assert known["gen_ai.system_instructions"] == '[{"type": "text", "content": "Be brief."}]'
    assert '"type": "text", "content": "What is this?"' in known["gen_ai.input.messages"]
    assert (
        '"modality": "image", "mime_type": "image/png", "content": ""'
        in (known["gen_ai.input.messages"])
    )
    assert known["gen_ai.output.messages"] == (
        '[{"role": "assistant", "parts": [{"type": "text", "content": "A red dot"}]}]'
    )
