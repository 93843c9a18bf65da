"""Amazon Bedrock through boto3: lazy bodies, counts in headers, families of models, retries."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.trace import StatusCode

from flowspan import semconv
from flowspan.instrumentation.clients import bedrock as rows
from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, ToolCall, record
from flowspan.usage import Usage

boto3 = pytest.importorskip("boto3")
exceptions = pytest.importorskip("botocore.exceptions")

INTEGRATIONS = (rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS)
CHUNKS = ("Once ", "upon ", "a ", "time")
CHARGED = Usage(
    input_tokens=120,
    output_tokens=34,
    cache_read_tokens=60,
    cache_write_tokens=40,
    cache_write_1h_tokens=10,
)
PLAIN = Usage(input_tokens=120, output_tokens=34)
NOVA = "us.amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
ASKED: list[Any] = [{"role": "user", "content": [{"text": "Tell me a story please"}]}]
MESSAGE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Tell me a story please"}],
}


def client_of(
    provider: FakeProvider, *, attempts: int = 1, service: str = "bedrock-runtime"
) -> Any:
    return boto3.client(
        service,
        endpoint_url=provider.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - no secret
        config=boto3.session.Config(retries={"total_max_attempts": attempts}),
    )


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Any]:
    client = client_of(provider)
    yield client
    client.close()


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*INTEGRATIONS) as recording:
        yield recording


def known_of(recording: Recording) -> dict[str, Any]:
    """The attributes of the only span."""
    return dict(recording.spans.one().attributes or {})


def needs(client: Any, shape: str, member: str) -> None:
    """Skip where this version of boto3 drops a member of what Bedrock says."""
    if member not in client.meta.service_model.shape_for(shape).members:
        pytest.skip(f"this version has no {member}")


def invoke(client: Any, model: str, body: Any, **more: Any) -> Any:
    return client.invoke_model(modelId=model, body=json.dumps(body), **more)


# --- Converse -------------------------------------------------------------------------------------


def test_converse_has_its_request_and_its_response(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Every parameter that was given, and the tokens charged: cached ones are part of the input."""
    needs(client, "TokenUsage", "cacheReadInputTokens")
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    client.converse(
        modelId=NOVA,
        messages=ASKED,
        inferenceConfig={
            "maxTokens": 99,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        additionalModelRequestFields={"top_k": 7},
    )

    span, known = recording.spans.one(), known_of(recording)
    del known[semconv.RUN_ID]
    assert span.name == f"chat {NOVA}"
    assert span.status.status_code is StatusCode.UNSET
    assert known == {
        "flowspan.kind": "llm",
        "flowspan.transport": "sdk",
        "flowspan.provider.request_id": "req_000001",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": NOVA,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_write.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 40,
        "server.address": "127.0.0.1",
        "server.port": int(provider.url.rpartition(":")[2]),
    }


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_kept_for_an_hour_is_told_apart(
    *, stream: bool, provider: FakeProvider, client: Any
) -> None:
    """It has a price of its own."""
    needs(client, "TokenUsage", "cacheDetails")
    provider.reply(Reply("x", usage=CHARGED))
    usages: list[Any] = []

    class Settling:
        kinds = frozenset({"llm"})

        def before(self, _visit: Any) -> None:
            return None

        def after(self, _visit: Any, outcome: Any) -> None:
            usages.append(outcome.usage)

    hook: Any = Settling()
    with record(*INTEGRATIONS, hooks=(hook,)):
        if stream:
            list(client.converse_stream(modelId=CLAUDE, messages=ASKED)["stream"])
        else:
            client.converse(modelId=CLAUDE, messages=ASKED)

    assert usages == [CHARGED]


def test_a_prompt_of_bedrocks_own_has_its_name_and_version(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """With prompt management the model is named by a prompt."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:prompt/PROMPT12345:3"

    client.converse(modelId=arn, messages=ASKED)

    known = known_of(recording)
    assert (known[semconv.PROMPT_NAME], known[semconv.PROMPT_VERSION]) == ("PROMPT12345", "3")


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_thinking_and_tools_are_parts_of_the_answer(
    way: str, provider: FakeProvider, client: Any
) -> None:
    """With content on, and the tool's name as an event without."""
    needs(client, "ContentBlock", "reasoningContent")
    reply = Reply("Looking.", reasoning="let me see", tool_calls=(ToolCall("find", {"q": "a"}),))
    provider.reply(reply)

    with record(*INTEGRATIONS, content="full") as recording:
        if way == "whole":
            client.converse(modelId=NOVA, messages=ASKED, system=[{"text": "Be brief."}])
        else:
            list(
                client.converse_stream(
                    modelId=NOVA, messages=ASKED, system=[{"text": "Be brief."}]
                )["stream"]
            )

    known = known_of(recording)
    [said] = json.loads(known[semconv.OUTPUT_MESSAGES])
    assert [part["type"] for part in said["parts"]] == ["reasoning", "text", "tool_call"]
    assert said["parts"][2]["arguments"] == {"q": "a"}
    [asked] = json.loads(known[semconv.INPUT_MESSAGES])
    assert asked["parts"] == [{"type": "text", "content": "Tell me a story please"}]
    events = recording.spans.one().events
    requested = [event for event in events if event.name == semconv.EVENT_TOOL_REQUESTED]
    assert [dict(event.attributes or {})[semconv.TOOL_NAME] for event in requested] == ["find"]


def test_files_are_never_inlined(provider: FakeProvider, client: Any) -> None:
    """Of an image its format and size are told."""
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG secret"}}}
    messages = [{"role": "user", "content": [image, {"text": "What is it?"}]}]

    with record(*INTEGRATIONS, content="full") as recording:
        client.converse(modelId=NOVA, messages=messages)

    [said] = json.loads(known_of(recording)[semconv.INPUT_MESSAGES])
    blob = said["parts"][0]
    assert (blob["type"], blob["mime_type"], blob["size"]) == ("blob", "image/png", 11)
    assert "secret" not in json.dumps(said)


# --- InvokeModel ----------------------------------------------------------------------------------


def test_a_body_that_nobody_reads_is_counted_by_its_headers(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Nothing is read for the program, and nothing need be estimated."""
    provider.reply(Reply("Once", usage=CHARGED))

    response = invoke(client, CLAUDE, MESSAGE)
    assert not recording.spans
    del response
    gc.collect()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.USAGE_CACHE_READ] == 60
    assert semconv.USAGE_ESTIMATED not in known
    assert known[semconv.STREAM_ABANDONED] is True


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda body: body.read(), id="read"),
        pytest.param(lambda body: b"".join(iter(lambda: body.read(10), b"")), id="bit by bit"),
        pytest.param(b"".join, id="iteration"),
        pytest.param(lambda body: b"".join(body.iter_lines()), id="lines"),
        pytest.param(lambda body: json.dumps(json.load(body)).encode(), id="json.load"),
    ],
)
def test_however_a_body_is_read_it_is_the_programs(
    read: Any, provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The program gets every byte, and the call ends with the last one."""
    provider.reply(Reply("Once upon a time", usage=PLAIN, finish_reason="stop_sequence"))

    response = invoke(client, CLAUDE, MESSAGE)
    body = response["body"]
    data = json.loads(read(body))

    assert type(body).__module__ == "botocore.response"
    assert data["content"][0]["text"] == "Once upon a time"
    known = known_of(recording)
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("stop_sequence",)
    assert known[semconv.RESPONSE_ID] == "msg_000001"
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34


def test_a_body_that_is_a_file_is_not_read(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """It is sent by the client; the tokens are known from the answer."""
    provider.reply(Reply("Once", usage=PLAIN))

    response = client.invoke_model(modelId=CLAUDE, body=io.BytesIO(json.dumps(MESSAGE).encode()))
    response["body"].read()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert semconv.REQUEST_MAX_TOKENS not in known


@pytest.mark.parametrize(
    ("model", "body", "known"),
    [
        (CLAUDE, MESSAGE, {semconv.REQUEST_MAX_TOKENS: 50}),
        (
            "amazon.titan-text-express-v1",
            {"inputText": "x", "textGenerationConfig": {"maxTokenCount": 50, "topP": 0.5}},
            {semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_TOP_P: 0.5},
        ),
        (
            "meta.llama3-3-70b-instruct-v1:0",
            {"prompt": "x", "max_gen_len": 50, "temperature": 0.5},
            {semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_TEMPERATURE: 0.5},
        ),
        (
            MISTRAL,
            {"prompt": "x", "max_tokens": 50, "stop": ["END"]},
            {semconv.REQUEST_MAX_TOKENS: 50, semconv.REQUEST_STOP_SEQUENCES: ("END",)},
        ),
        (
            "cohere.command-r-v1:0",
            {"message": "x", "p": 0.5, "k": 3},
            {semconv.REQUEST_TOP_P: 0.5, semconv.REQUEST_TOP_K: 3},
        ),
        (
            "amazon.nova-lite-v1:0",
            {"messages": ASKED, "inferenceConfig": {"maxTokens": 50}},
            {semconv.REQUEST_MAX_TOKENS: 50},
        ),
    ],
)
def test_each_family_names_its_parameters_in_its_own_way(
    model: str, body: Any, known: dict[str, Any], client: Any, recording: Recording
) -> None:
    """They are the same attributes."""
    invoke(client, model, body)["body"].read()

    assert known_of(recording).items() >= known.items()


def test_an_opaque_model_is_known_by_its_request(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Provisioned throughput has an ARN that names no family."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/claudeabc123"

    invoke(client, arn, MESSAGE)["body"].read()

    assert known_of(recording)[semconv.RESPONSE_FINISH_REASONS] == ("end_turn",)


def test_vectors_have_no_output(client: Any, recording: Recording) -> None:
    """Embeddings are told by the model's name or by the request's members."""
    invoke(client, "amazon.titan-embed-text-v2:0", {"inputText": "hello big", "dimensions": 256})[
        "body"
    ].read()

    known = known_of(recording)
    assert known[semconv.OPERATION_NAME] == "embeddings"
    assert known[semconv.EMBEDDINGS_DIMENSION_COUNT] == 256
    assert (known[semconv.USAGE_INPUT_TOKENS], known[semconv.USAGE_OUTPUT_TOKENS]) == (2, 0)


def test_of_a_stream_that_was_left_nothing_so_far_is_taken_for_the_whole(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """Llama counts as it goes; only the last count is the answer's."""
    provider.reply(Reply(chunks=CHUNKS, usage=PLAIN, gate=Gate(after_chunks=3)))
    response = client.invoke_model_with_response_stream(
        modelId="meta.llama3-3-70b-instruct-v1:0", body=json.dumps({"prompt": "hello"})
    )

    stream = response["body"]
    for _, _ in zip(range(2), stream, strict=False):
        pass
    stream.close()

    known = known_of(recording)
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_ESTIMATED] is True
    assert known[semconv.STREAM_ABANDONED] is True


# --- failures -----------------------------------------------------------------------------------


def test_attempts_are_one_call_with_retries(
    provider: FakeProvider, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 tries again by itself; the call says how often and why."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    provider.fail(Fault.rate_limited())
    provider.fail(Fault.server_error())
    provider.reply(Reply("Once", usage=PLAIN))

    client = client_of(provider, attempts=3)
    answer = client.converse(modelId=NOVA, messages=ASKED)
    client.close()

    span, known = recording.spans.one(), known_of(recording)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert known[semconv.RETRY_COUNT] == 2
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    reasons = [
        dict(event.attributes or {})[semconv.ERROR_TYPE]
        for event in span.events
        if event.name == semconv.EVENT_RETRY
    ]
    assert reasons == ["429", "500"]


def test_a_refusal_is_named_as_amazon_names_it(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The exception is boto3's own, nothing is charged, and support can find the request."""
    provider.fail(Fault.rate_limited())

    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(modelId=NOVA, messages=ASKED)

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] == "ThrottlingException"
    assert known[semconv.HTTP_STATUS_CODE] == 429
    assert known[semconv.PROVIDER_REQUEST_ID] == "req_000001"
    assert semconv.USAGE_INPUT_TOKENS not in known


def test_an_error_in_mid_stream_is_the_calls_error(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The program gets boto3's exception; what had arrived is estimated."""
    provider.reply(Reply(chunks=CHUNKS, usage=PLAIN, fault=Fault.error_event(after_chunks=2)))

    stream = client.converse_stream(modelId=NOVA, messages=ASKED)["stream"]
    with contextlib.closing(stream), pytest.raises(exceptions.EventStreamError):
        list(stream)

    span, known = recording.spans.one(), known_of(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known[semconv.ERROR_TYPE] == "modelStreamErrorException"
    assert known[semconv.USAGE_ESTIMATED] is True


# --- what is left alone ---------------------------------------------------------------------------


def test_other_services_and_operations_are_no_model_calls(
    provider: FakeProvider, client: Any, recording: Recording
) -> None:
    """The patched method is that of every service."""
    other = client_of(provider, service="lambda")
    with pytest.raises(exceptions.ClientError):
        other.invoke(FunctionName="f", Payload=json.dumps(MESSAGE))
    other.close()
    if hasattr(client, "apply_guardrail"):
        with pytest.raises(exceptions.ClientError):
            client.apply_guardrail(
                guardrailIdentifier="x",
                guardrailVersion="1",
                source="INPUT",
                content=[{"text": {"text": "x"}}],
            )

    assert not recording.spans


# --- plain HTTP -----------------------------------------------------------------------------------


@pytest.fixture
def _named_host(provider: FakeProvider) -> Iterator[None]:
    http.configure((provider.url.removeprefix("http://"),))
    yield
    http.configure()


@pytest.mark.usefixtures("_named_host")
@pytest.mark.parametrize("verb", ["converse", "converse-stream"])
def test_a_program_may_write_its_requests_itself(
    verb: str, provider: FakeProvider, recording: Recording
) -> None:
    """With a key of Bedrock's own no client is needed; frames are read below it as well."""
    provider.reply(Reply("Once upon a time", usage=CHARGED))

    url = f"{provider.url}/model/us.amazon.nova-lite-v1%3A0/{verb}"
    response = httpx.post(url, json={"messages": ASKED})

    assert response.status_code == 200
    known = known_of(recording)
    assert known[semconv.TRANSPORT] == "http"
    assert known[semconv.REQUEST_MODEL] == NOVA
    assert known[semconv.PROVIDER_NAME] == "aws.bedrock"
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert semconv.USAGE_ESTIMATED not in known


@pytest.mark.usefixtures("_named_host")
@pytest.mark.parametrize("verb", ["invoke", "invoke-with-response-stream"])
def test_each_family_is_known_over_plain_http(
    verb: str, provider: FakeProvider, recording: Recording
) -> None:
    """The members of the request tell it."""
    provider.reply(Reply("Once upon a time", usage=PLAIN))

    httpx.post(f"{provider.url}/model/{CLAUDE}/{verb}", json=MESSAGE)

    known = known_of(recording)
    assert known[semconv.REQUEST_MODEL] == CLAUDE
    assert known[semconv.USAGE_INPUT_TOKENS] == 120
    assert known[semconv.USAGE_OUTPUT_TOKENS] == 34
    assert known[semconv.RESPONSE_ID] == "msg_000001"
