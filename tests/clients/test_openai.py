"""Calls of the OpenAI SDK that are no streams: what is seen of each, and what is never invented."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from typing import Any

import openai
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import addresses
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.testing import FakeProvider, Fault, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

MESSAGES: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Tell me a story please"},
]
CHARGED = Usage(input_tokens=120, output_tokens=34, cache_read_tokens=100, reasoning_tokens=20)


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def resource(client: Any, name: str) -> Any:
    if not hasattr(client, name):
        pytest.skip(f"this version has no {name}")
    return getattr(client, name)


# --- chat -----------------------------------------------------------------------------------------


def test_a_chat_has_its_request_and_its_response(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """Every parameter that was given, the answer's own ids, and the tokens charged."""
    provider.reply(Reply("Once upon a time", usage=CHARGED, model="gpt-4o-2026-01-01"))

    client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        temperature=0.5,
        top_p=0.9,
        max_tokens=99,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        stop=["END", "STOP"],
        seed=7,
        n=2,
        service_tier="default",
        response_format={"type": "json_object"},
    )

    span, known = recording.spans.one(), known_of(recording)
    del known[semconv.RUN_ID]
    assert span.name == "chat gpt-4o"
    assert span.status.status_code is StatusCode.UNSET
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "flowspan.service_tier": "default",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.stop_sequences": ("END", "STOP"),
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "chatcmpl-000001",
        "flowspan.provider.request_id": "req_000001",
        "gen_ai.response.model": "gpt-4o-2026-01-01",
        "gen_ai.response.finish_reasons": ("stop", "stop"),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


def test_what_was_not_given_is_not_invented(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The SDK's marks for "not given" are no values, and neither is its default."""
    mark: Any = getattr(openai, "omit", openai.NOT_GIVEN)

    client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, temperature=mark, stop=mark, n=mark, stream=mark
    )

    requested = {name for name in known_of(recording) if name.startswith("gen_ai.request")}
    assert requested == {"gen_ai.request.model"}


async def test_an_async_chat_is_seen_as_well(
    provider: FakeProvider, async_client: openai.AsyncOpenAI, recording: Recording
) -> None:
    """``AsyncOpenAI`` hides its coroutine function behind a decorator."""
    provider.reply(Reply(usage=CHARGED))

    await async_client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == 34


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_was_cancelled_before_it_began_costs_nothing(
    provider: FakeProvider, async_client: openai.AsyncOpenAI, *, stream: bool
) -> None:
    """``create`` gives a coroutine at once; a task that never gets to it asks nobody."""
    with record(openai_rows.INTEGRATION, priced=True) as recording:
        call: Any = async_client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=stream
        )
        task = asyncio.create_task(call)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    known = known_of(recording)
    assert len(provider.requests) == 0
    assert known["flowspan.stream.abandoned"] is True
    assert [name for name in known if name.startswith(("gen_ai.usage", "flowspan.cost"))] == []


@pytest.mark.parametrize("way", ["with_raw_response", "with_streaming_response"])
def test_a_raw_response_is_seen_without_being_parsed_for_the_caller(
    way: str, provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The bytes tell; the response's own ``parse`` stays the caller's."""
    provider.reply(Reply("Once", usage=CHARGED))
    create = getattr(client.chat.completions, way).create

    if way == "with_raw_response":
        response = create(model="gpt-4o", messages=MESSAGES)
        assert not response._parsed_by_type if hasattr(response, "_parsed_by_type") else True
        completion = response.parse()
    else:
        with create(model="gpt-4o", messages=MESSAGES) as response:
            completion = response.parse()

    known = known_of(recording)
    assert completion.choices[0].message.content == "Once"
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.RESPONSE_ID] == completion.id
    assert semconv.STREAM_ABANDONED not in known
    assert semconv.RESPONSE_TIME_TO_FIRST_CHUNK not in known


@pytest.mark.parametrize("way", ["with_raw_response", "with_streaming_response"])
async def test_an_async_raw_response_is_seen_as_well(
    way: str, provider: FakeProvider, async_client: openai.AsyncOpenAI, recording: Recording
) -> None:
    """The async forms of raw and streaming responses."""
    provider.reply(Reply("Once", usage=CHARGED))
    create = getattr(async_client.chat.completions, way).create

    if way == "with_raw_response":
        (await create(model="gpt-4o", messages=MESSAGES)).parse()
    else:
        async with create(model="gpt-4o", messages=MESSAGES) as response:
            await response.json()

    assert known_of(recording)[semconv.USAGE_INPUT_TOKENS] == 120


def test_a_streaming_response_that_nobody_reads_is_settled(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """Its input was sent; of the output nothing is known."""
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o", messages=MESSAGES
    ) as response:
        assert response.status_code == 200

    known = known_of(recording)
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 0


def test_parse_is_one_call(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """``parse`` of any version has one span, whether it calls ``create`` or not."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Story", title=(str, ...))
    provider.reply(Reply('{"title": "x"}', usage=CHARGED))
    owner = client.chat.completions
    if not hasattr(owner, "parse"):
        owner = client.beta.chat.completions

    completion = owner.parse(model="gpt-4o", messages=MESSAGES, response_format=model)

    known = known_of(recording)
    assert completion.choices[0].message.parsed == model(title="x")
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.OUTPUT_TYPE] == "json"


def test_an_answer_without_usage_is_estimated(provider: FakeProvider, recording: Recording) -> None:
    """Some servers never say; then the text is measured, four bytes to a token."""
    answer = openai.types.chat.ChatCompletion.model_validate(
        {
            "id": "x",
            "created": 1,
            "model": "local",
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "twelve bytes"},
                }
            ],
        }
    )
    row = next(row for row in openai_rows.INTEGRATION.patches if row.path == "Completions.create")
    call = _call(messages=MESSAGES, model="local")
    assert row.usage is not None

    usage = row.usage(call, answer)

    assert usage == Usage(input_tokens=8, output_tokens=3, estimated=True)


def test_a_raw_response_without_a_body_is_an_empty_answer() -> None:
    """Nothing of the response is required to be there."""
    row = next(row for row in openai_rows.INTEGRATION.patches if row.path == "Completions.create")
    call = _call(messages=MESSAGES, extra_headers={"X-Stainless-Raw-Response": "true"})
    assert row.usage is not None

    assert row.usage(call, object()) == Usage(input_tokens=8, output_tokens=0, estimated=True)


def _call(**arguments: Any) -> Any:
    from flowspan.instrumentation.integration import Call  # noqa: PLC0415 - used here only

    return Call(None, (), arguments)


def test_an_unpatched_program_is_the_same(provider: FakeProvider, client: openai.OpenAI) -> None:
    """After the recording every patched method is the original again."""
    before = vars(type(client.chat.completions))["create"]
    with record(openai_rows.INTEGRATION):
        during = vars(type(client.chat.completions))["create"]
    after = vars(type(client.chat.completions))["create"]

    assert before is after
    assert during is not before


# --- other calls ----------------------------------------------------------------------------------


def test_a_response_has_its_request_and_its_response(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The Responses API names things differently; the attributes are the same."""
    responses = resource(client, "responses")
    if "conversation" not in inspect.signature(responses.create).parameters:
        pytest.skip("this version has no conversations")
    provider.reply(Reply("Once", usage=CHARGED))

    responses.create(
        model="gpt-5-mini",
        input="Tell me a story",
        instructions="Be brief.",
        max_output_tokens=50,
        reasoning={"effort": "low"},
        conversation="conv_1",
        previous_response_id="resp_0",
        prompt={"id": "story", "version": "3"},
        text={"format": {"type": "text"}},
    )

    known = known_of(recording)
    assert known["gen_ai.request.max_tokens"] == 50
    assert known["gen_ai.request.reasoning.level"] == "low"
    assert known["gen_ai.request.previous_response.id"] == "resp_0"
    assert known["gen_ai.conversation.id"] == "conv_1"
    assert known["gen_ai.prompt.name"] == "story"
    assert known["gen_ai.prompt.version"] == "3"
    assert known["gen_ai.output.type"] == "text"
    assert known["gen_ai.response.finish_reasons"] == ("completed",)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_REASONING] == 20


def test_a_response_that_is_fetched_again_is_not_paid_again(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """``retrieve`` is an operation of its own, without tokens."""
    responses = resource(client, "responses")
    first = responses.create(model="gpt-5-mini", input="Tell me a story")

    fetched = responses.retrieve(first.id)

    span = recording.spans.named("fetch_response")[0]
    known = span.attributes or {}
    assert fetched.id == first.id
    assert known[semconv.RESPONSE_MODEL] == "gpt-5-mini"
    assert not any(name.startswith("gen_ai.usage") for name in known)
    charged = provider.ledger.total()
    assert recording.spans.total(semconv.USAGE_INPUT_TOKENS) == charged.input_tokens


@pytest.mark.parametrize("raw", [False, True])
def test_embeddings_have_input_tokens(
    *, raw: bool, provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """No output, a dimension, and the encoding where it was asked for."""
    owner: Any = client.embeddings.with_raw_response if raw else client.embeddings

    owner.create(
        model="text-embedding-3-small",
        input=["one two", "three"],
        encoding_format="float",
        dimensions=8,
    )

    known = known_of(recording)
    assert recording.spans.one().name == "embeddings text-embedding-3-small"
    assert known["gen_ai.embeddings.dimension.count"] == 8
    assert known["gen_ai.request.encoding_formats"] == ("float",)
    assert known[semconv.USAGE_INPUT_TOKENS] == provider.ledger.total().input_tokens
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 0


# --- errors and retries ---------------------------------------------------------------------------


def test_a_refused_call_is_an_error_with_status_and_request_id(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The class of the exception is the error's type; nothing was charged, so there is no usage."""
    provider.fail(Fault.http(400))

    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] == "BadRequestError"
    assert known[semconv.HTTP_STATUS_CODE] == 400
    assert known[semconv.PROVIDER_REQUEST_ID] == raised.value.request_id
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_retries_inside_a_call_are_one_span_with_a_count(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The first attempt is no retry; each further one says why there is one."""
    provider.fail(Fault.rate_limited())
    provider.fail(Fault.server_error())

    client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    span, known = recording.spans.one(), known_of(recording)
    retries = [
        dict(event.attributes or {}) for event in span.events if event.name == "flowspan.retry"
    ]
    assert known[semconv.RETRY_COUNT] == 2
    assert retries == [
        {"flowspan.attempt": 2, "error.type": "429"},
        {"flowspan.attempt": 3, "error.type": "500"},
    ]
    assert span.status.status_code is StatusCode.UNSET
    assert known[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger.total().output_tokens


async def test_a_lost_connection_is_retried_and_says_what_happened(
    provider: FakeProvider, async_client: openai.AsyncOpenAI, recording: Recording
) -> None:
    """An attempt that raised has the class of its exception as the reason."""
    provider.fail(Fault.reset())
    client = async_client.with_options(max_retries=1)

    await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    span = recording.spans.one()
    retries = [
        dict(event.attributes or {}) for event in span.events if event.name == "flowspan.retry"
    ]
    assert known_of(recording)[semconv.RETRY_COUNT] == 1
    assert [event["error.type"] for event in retries] == ["ReadError"]


def test_a_raw_response_with_a_stream_counts_its_retries(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The SDK tries until the answer begins; what is read afterwards belongs to the same call."""
    provider.fail(Fault.overloaded())
    provider.reply(Reply("Once upon", usage=CHARGED))

    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(raw.parse())

    known = known_of(recording)
    assert raw.retries_taken == 1
    assert known[semconv.RETRY_COUNT] == 1
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert len(chunks) > 2


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
def test_what_a_stream_is_asked_for_is_the_programs_own(
    options: Any, provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """The request goes out as it was made, whether it asks for usage or not."""
    more = {} if options is None else {"stream_options": options}

    list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, **more))

    assert provider.requests[0].body.get("stream_options") == options
    assert known_of(recording).get(semconv.USAGE_ESTIMATED) is (
        None if options == {"include_usage": True} else True
    )


def test_the_client_of_the_module_is_seen(
    provider: FakeProvider, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``openai.chat.completions.create`` without a client of one's own."""
    monkeypatch.setattr(openai, "base_url", f"{provider.openai_url}/")
    monkeypatch.setattr(openai, "api_key", "sk-test")
    module: Any = openai
    monkeypatch.setattr(module, "_client", None)

    openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    openai.embeddings.create(model="text-embedding-3-small", input="one two")

    assert [span.name for span in recording.spans] == [
        "chat gpt-4o",
        "embeddings text-embedding-3-small",
    ]
    module._client.close()


@pytest.mark.parametrize("way", ["copy", "with_options"])
def test_copies_of_a_client_are_seen(
    way: str, provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """With another timeout, other headers, another address."""
    copied = getattr(client, way)(timeout=5, max_retries=0, base_url=f"{provider.url}/other/v1")

    copied.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    assert provider.requests[0].path == "/other/v1/chat/completions"
    assert (
        known_of(recording)[semconv.USAGE_OUTPUT_TOKENS] == provider.ledger[0].usage.output_tokens
    )


def test_a_call_by_its_path_is_seen_as_plain_http(
    provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """``client.post`` is for what the SDK does not know; the request is one all the same."""
    client.post("/chat/completions", body={"model": "gpt-4o", "messages": MESSAGES}, cast_to=object)

    assert known_of(recording)[semconv.TRANSPORT] == "http"


def test_secrets_are_nowhere(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """Keys are in headers and query strings, which are never looked at."""
    client.chat.completions.create(
        model="gpt-4o",
        messages=MESSAGES,
        extra_query={"api-key": "sk-secret-query"},
        extra_headers={"X-Other": "sk-secret-header"},
    )

    assert "sk-secret" not in content_recording.spans.one().to_json()


# --- where it goes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "provider_name", "address", "port"),
    [
        ("https://api.openai.com/v1", "openai", "api.openai.com", 443),
        ("https://eu.api.openai.com/v1", "openai", "eu.api.openai.com", 443),
        ("https://mine.openai.azure.com/openai", "azure.ai.openai", "mine.openai.azure.com", 443),
        ("https://openrouter.ai/api/v1", "openrouter", "openrouter.ai", 443),
        ("https://api.groq.com/openai/v1", "groq", "api.groq.com", 443),
        ("https://api.deepseek.com", "deepseek", "api.deepseek.com", 443),
        ("https://api.mistral.ai/v1", "mistral_ai", "api.mistral.ai", 443),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "gcp.gemini",
            "generativelanguage.googleapis.com",
            443,
        ),
        ("http://localhost:11434/v1", "ollama", "localhost", 11434),
        ("http://localhost:8000/v1", "openai", "localhost", 8000),
        ("http://gateway.example/v1", "openai", "gateway.example", 80),
    ],
)
def test_the_provider_is_told_by_the_address(
    base_url: str, provider_name: str, address: str, port: int
) -> None:
    """A host that is nobody's bears the name of the format that it speaks."""
    client = openai.OpenAI(base_url=base_url, api_key="any")
    row = next(row for row in openai_rows.INTEGRATION.patches if row.path == "Completions.create")
    call = _call(model="m")
    call.instance = client.chat.completions
    assert row.request is not None

    known = row.request(call)

    assert known[semconv.PROVIDER_NAME] == provider_name
    assert (known[semconv.SERVER_ADDRESS], known[semconv.SERVER_PORT]) == (address, port)


def test_many_addresses_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes clients without end does not fill the memory."""
    monkeypatch.setattr(addresses, "_MOST_PLACES", 3)
    row = next(row for row in openai_rows.INTEGRATION.patches if row.path == "Completions.create")
    assert row.request is not None
    for number in range(8):
        call = _call(model="m")
        call.instance = openai.OpenAI(base_url=f"http://h{number}/v1", api_key="x").chat.completions
        assert row.request(call)[semconv.SERVER_ADDRESS] == f"h{number}"

    assert len(addresses._PLACES) <= 3


# --- content --------------------------------------------------------------------------------------


def test_content_has_the_conventions_form_and_no_files(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """Texts, tool calls and their results; an image is told by its type and size."""
    provider.reply(Reply(tool_calls=(ToolCall("search", {"q": "x"}, id="call_9"),)))
    image = base64.b64encode(b"pixels").decode()
    messages: list[Any] = [
        *MESSAGES,
        {
            "role": "user",
            "name": "Ann",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png?sig=secret"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "see", "arguments": '{"a": 1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    ]

    client.chat.completions.create(model="gpt-4o", messages=messages)

    known = known_of(content_recording)
    assert json.loads(known[semconv.INPUT_MESSAGES]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Tell me a story please"}]},
        {
            "role": "user",
            "name": "Ann",
            "parts": [
                {"type": "text", "content": "What is this?"},
                {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/png",
                    "content": "",
                    "size": len(image),
                },
                {"type": "uri", "modality": "image", "uri": "https://x.example/a.png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "see", "arguments": {"a": 1}}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call_1", "response": "a cat"}],
        },
    ]
    assert json.loads(known[semconv.OUTPUT_MESSAGES]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "call_9", "name": "search", "arguments": {"q": "x"}}
            ],
        }
    ]


def test_content_of_a_response(
    provider: FakeProvider, client: openai.OpenAI, content_recording: Recording
) -> None:
    """Instructions are the system's, items become messages."""
    responses = resource(client, "responses")
    provider.reply(Reply("Once", reasoning="thinking hard"))

    responses.create(
        model="gpt-5",
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
    )

    known = known_of(content_recording)
    assert json.loads(known[semconv.SYSTEM_INSTRUCTIONS]) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert [message["role"] for message in json.loads(known[semconv.INPUT_MESSAGES])] == [
        "user",
        "assistant",
        "tool",
    ]
    assert [message["parts"][0] for message in json.loads(known[semconv.OUTPUT_MESSAGES])] == [
        {"type": "reasoning", "content": "thinking hard"},
        {"type": "text", "content": "Once"},
    ]


@pytest.mark.parametrize("text", ['{"title": "x"}', '{"title"'])
def test_an_answer_that_the_sdk_cannot_parse_was_paid_for(
    text: str, provider: FakeProvider, client: openai.OpenAI, recording: Recording
) -> None:
    """Cut off by the token limit or no JSON: the caller gets the error, the span has the tokens."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Story", title=(str, ...))
    finish = "length" if text.endswith("}") else "stop"
    provider.reply(Reply(text, usage=CHARGED, finish_reason=finish))
    owner = client.chat.completions
    if not hasattr(owner, "parse"):
        owner = client.beta.chat.completions

    with pytest.raises((openai.LengthFinishReasonError, pydantic.ValidationError)) as caught:
        owner.parse(model="gpt-4o", messages=MESSAGES, response_format=model)

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert semconv.USAGE_ESTIMATED not in known
    if hasattr(client.chat.completions, "parse"):  # else it is ``create`` that was called, and well
        assert known[semconv.ERROR_TYPE] == type(caught.value).__qualname__
