"""Bedrock's formats, as boto3 reads them: Converse, and the bodies of each family of models."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowspan.testing import FakeProvider, Fault, Reply, ToolCall
from flowspan.usage import Usage

boto3 = pytest.importorskip("boto3")
exceptions = pytest.importorskip("botocore.exceptions")

ASKED: Any = [{"role": "user", "content": [{"text": "hello big world"}]}]
CHAT: Any = {"messages": [{"role": "user", "content": "hello big world"}]}
CACHED = Usage(
    input_tokens=100,
    output_tokens=40,
    cache_read_tokens=30,
    cache_write_tokens=20,
    cache_write_1h_tokens=5,
)
FAMILIES: dict[str, dict[str, Any]] = {
    "anthropic.claude-3-haiku-20240307-v1:0": {**CHAT, "max_tokens": 99},
    "amazon.titan-text-express-v1": {"inputText": "hello big world"},
    "amazon.nova-lite-v1:0": {"messages": ASKED},
    "us.meta.llama3-3-70b-instruct-v1:0": {"prompt": "hello big world"},
    "mistral.mistral-7b-instruct-v0:2": {"prompt": "hello big world"},
    "cohere.command-r-v1:0": {"message": "hello big world"},
    "openai.gpt-oss-120b-1:0": CHAT,
}
TEXT_OF: dict[str, Any] = {
    "anthropic": lambda body: body["content"][0]["text"],
    "titan": lambda body: body["results"][0]["outputText"],
    "nova": lambda body: body["output"]["message"]["content"][0]["text"],
    "llama": lambda body: body["generation"],
    "mistral": lambda body: body["outputs"][0]["text"],
    "cohere": lambda body: body["text"],
    "openai": lambda body: body["choices"][0]["message"]["content"],
}
PIECE_OF: dict[str, Any] = {
    "anthropic": lambda piece: piece.get("delta", {}).get("text", ""),
    "titan": lambda piece: piece["outputText"],
    "nova": lambda piece: piece.get("contentBlockDelta", {}).get("delta", {}).get("text", ""),
    "llama": lambda piece: piece["generation"],
    "mistral": lambda piece: piece["outputs"][0]["text"],
    "cohere": lambda piece: piece.get("text", ""),
    "openai": lambda piece: piece["choices"][0]["delta"].get("content", ""),
}

every_family = pytest.mark.parametrize("model", FAMILIES)


@pytest.fixture
def bedrock(provider: FakeProvider) -> Iterator[Any]:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=provider.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - no secret
        config=boto3.session.Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


def test_converse_tells_the_cache_beside_the_input(provider: FakeProvider, bedrock: Any) -> None:
    """The input excludes what was read from and written to the cache, the total includes it."""
    provider.reply(Reply("fine", usage=CACHED))

    answer = bedrock.converse(modelId="amazon.nova-pro-v1:0", messages=ASKED)

    assert answer["output"]["message"]["content"] == [{"text": "fine"}]
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (50, 40, 140)
    assert answer["ResponseMetadata"]["RequestId"] == "req_000001"
    [entry] = provider.ledger
    assert (entry.format, entry.provider) == ("bedrock.converse", "aws.bedrock")
    assert (entry.model, entry.usage) == ("amazon.nova-pro-v1:0", CACHED)


def test_a_stream_has_the_blocks_of_the_whole_answer(provider: FakeProvider, bedrock: Any) -> None:
    """Thinking, text and tool use, in boto3's own events, with checksums that it verifies."""
    if "reasoningContent" not in bedrock.meta.service_model.shape_for("ContentBlock").members:
        pytest.skip("this version has no thinking")
    reply = Reply("Looking.", reasoning="let me see", tool_calls=(ToolCall("find", {"q": "a b"}),))
    provider.reply(reply, reply)

    whole = bedrock.converse(modelId="m", messages=ASKED)["output"]["message"]["content"]
    events = list(bedrock.converse_stream(modelId="m", messages=ASKED)["stream"])

    kinds = [next(iter(event)) for event in events]
    assert (kinds[0], kinds[-2:]) == ("messageStart", ["messageStop", "metadata"])
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    assert "".join(delta.get("text", "") for delta in deltas) == whole[1]["text"] == "Looking."
    thought = "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas)
    assert thought == whole[0]["reasoningContent"]["reasoningText"]["text"]
    arguments = "".join(delta.get("toolUse", {}).get("input", "") for delta in deltas)
    assert json.loads(arguments) == whole[2]["toolUse"]["input"] == {"q": "a b"}
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 7
    assert provider.ledger[1].chunks_sent == 7


@every_family
def test_each_family_has_its_own_body(model: str, provider: FakeProvider, bedrock: Any) -> None:
    """Bedrock passes a model's own answer on, and counts its tokens in headers."""
    response = bedrock.invoke_model(modelId=model, body=json.dumps(FAMILIES[model]))

    [entry] = provider.ledger
    body = json.loads(response["body"].read())
    assert TEXT_OF[entry.format.removeprefix("bedrock.")](body) == "Echo: hello big world"
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == "3"
    assert headers["x-amzn-bedrock-output-token-count"] == "4"
    assert entry.usage.input_tokens == 3


@every_family
def test_each_family_streams_its_own_pieces(
    model: str, provider: FakeProvider, bedrock: Any
) -> None:
    """The last piece has Bedrock's own measurements in it."""
    response = bedrock.invoke_model_with_response_stream(
        modelId=model, body=json.dumps(FAMILIES[model])
    )

    pieces = [json.loads(event["chunk"]["bytes"]) for event in response["body"]]
    family = provider.ledger[0].format.removeprefix("bedrock.")
    assert "".join(PIECE_OF[family](piece) for piece in pieces) == "Echo: hello big world"
    metrics = pieces[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (3, 4)
    assert provider.ledger[0].usage_on_wire


@pytest.mark.parametrize(
    ("model", "body", "member"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "hello big"}, "embedding"),
        ("cohere.embed-english-v3", {"texts": ["hello big"]}, "embeddings"),
    ],
)
def test_embeddings(
    model: str, body: Any, member: str, provider: FakeProvider, bedrock: Any
) -> None:
    """Vectors have no output tokens."""
    response = bedrock.invoke_model(modelId=model, body=json.dumps(body))

    assert json.loads(response["body"].read())[member]
    [entry] = provider.ledger
    assert entry.operation == "embeddings"
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == (2, 0)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.rate_limited(), "ThrottlingException"),
        (Fault.http(400), "ValidationException"),
        (Fault.http(503), "ServiceUnavailableException"),
        (Fault.server_error(), "InternalServerException"),
    ],
)
def test_errors_have_amazons_form(
    fault: Fault, kind: str, provider: FakeProvider, bedrock: Any
) -> None:
    """The kind is in a header, and boto3 makes an exception of it."""
    provider.fail(fault)

    with pytest.raises(exceptions.ClientError) as raised:
        bedrock.converse(modelId="m", messages=ASKED)

    assert raised.value.response["Error"]["Code"] == kind
    assert raised.value.response["ResponseMetadata"]["RequestId"] == "req_000001"
    assert not provider.ledger


@pytest.mark.parametrize(
    ("fault", "error", "outcomes"),
    [
        (Fault.error_event(), "EventStreamError", {"failed"}),
        # Who leaves at a broken message may be gone before the provider has sent the rest.
        (Fault.malformed(), "ChecksumMismatch", {"completed", "client_closed"}),
        (Fault.cut(), "ProtocolError", {"cut"}),
    ],
)
def test_faults_of_a_stream(
    fault: Fault, error: str, outcomes: set[str], provider: FakeProvider, bedrock: Any
) -> None:
    """An exception event, a message that was changed on the way, a connection that is lost."""
    provider.fail(fault)

    stream = bedrock.converse_stream(modelId="m", messages=ASKED)["stream"]
    with contextlib.closing(stream), pytest.raises(Exception, match=r".") as raised:
        list(stream)

    assert type(raised.value).__name__ == error
    provider.ledger.wait_for(1)
    assert provider.ledger[0].outcome in outcomes
