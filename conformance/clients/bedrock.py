"""Amazon Bedrock through boto3: Converse, and InvokeModel with each family's own bodies."""

from __future__ import annotations

import functools
import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from conformance.pictures import shown, shows
from conformance.vocabulary import QUESTION, Client, Opened, Way
from flowspan.instrumentation.clients import bedrock as rows
from flowspan.instrumentation.clients import bodies, http
from flowspan.testing import FakeProvider

_MESSAGES: list[Any] = [{"role": "user", "content": [{"text": QUESTION}]}]
_CONVERSED = "us.amazon.nova-lite-v1:0"


def _connect(provider: FakeProvider, attempts: int = 1) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=provider.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - no secret
        config=Config(retries={"total_max_attempts": attempts}),
    )


def _close(client: Any) -> Any:
    return client.close()


def _converse(client: Any, **members: Any) -> Any:
    return client.converse(**{"modelId": _CONVERSED, "messages": _MESSAGES, **members})


def _converse_stream(client: Any) -> Opened:
    return _opened(client.converse_stream(modelId=_CONVERSED, messages=_MESSAGES)["stream"])


def _opened(stream: Any) -> Opened:
    # A stream that is dropped leaves its socket to the collector, which complains of it.
    weakref.finalize(stream, stream._raw_stream.close)  # noqa: SLF001 - nothing public has it
    return Opened(stream, stream.__iter__, stream.close)


# --- InvokeModel ----------------------------------------------------------------------------------


def _invoke(client: Any, model: str, body: dict[str, Any]) -> Any:
    return client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()


def _invoke_stream(client: Any, model: str, body: dict[str, Any]) -> Opened:
    response = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    return _opened(response["body"])


def _chunks(client: Any, model: str, body: dict[str, Any]) -> Any:
    response = client.invoke_model(modelId=model, body=json.dumps(body))
    return b"".join(response["body"].iter_chunks(64))


def _raw(client: Any, model: str, body: dict[str, Any]) -> Any:
    with client.invoke_model(modelId=model, body=json.dumps(body))["body"] as raw:
        return raw.read()


_CHAT = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 500}
_FAMILIES: dict[str, tuple[str, dict[str, Any], frozenset[Any]]] = {
    "anthropic": (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {**_CHAT, "anthropic_version": "bedrock-2023-05-31"},
        frozenset({"cache", "reasoning", "tools", "refusal"}),
    ),
    "nova": (
        "amazon.nova-pro-v1:0",
        {"messages": _MESSAGES, "inferenceConfig": {"maxTokens": 500}},
        frozenset({"cache", "tools"}),
    ),
    "titan": ("amazon.titan-text-express-v1", {"inputText": QUESTION}, frozenset()),
    "llama": ("us.meta.llama3-3-70b-instruct-v1:0", {"prompt": QUESTION}, frozenset()),
    "mistral": ("mistral.mistral-7b-instruct-v0:2", {"prompt": QUESTION}, frozenset()),
    "cohere": ("cohere.command-r-v1:0", {"message": QUESTION}, frozenset()),
    "openai": ("openai.gpt-oss-120b-1:0", _CHAT, frozenset({"tools"})),
}
_EMBEDDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "titan.embed": ("amazon.titan-embed-text-v2:0", {"inputText": QUESTION}),
    "cohere.embed": (
        "cohere.embed-english-v3",
        {"texts": [QUESTION], "input_type": "search_query"},
    ),
}


# --- ways ---------------------------------------------------------------------------------------

_SHARED: dict[str, Any] = {"operation": "chat", "connect": _connect, "disconnect": _close}


def _way(call: str, run: Callable[[Any], Any], **more: Any) -> Way:
    return Way(**{**_SHARED, "call": call, "run": run, **more})


def _abilities() -> frozenset[Any]:
    """What this version of boto3 passes on of an answer; it drops what it does not know."""
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    found = {"tools", "refusal"}
    if "cacheReadInputTokens" in service.shape_for("TokenUsage").members:
        found.add("cache")
    return frozenset(found)


def _converse_ways() -> Iterator[Way]:
    shared: dict[str, Any] = {
        "format": "bedrock.converse",
        "model": _CONVERSED,
        "can": _abilities(),
    }
    seen = shows("bedrock.converse", {}, lambda members: functools.partial(_converse, **members))
    yield _way("converse", _converse, shows=seen, **shared)
    yield _way("converse_stream", _converse_stream, stream=True, **shared)
    twice: dict[str, Any] = {
        "connect": functools.partial(_connect, attempts=2),
        "tries": 2,
        "variant": "retried",
    }
    yield _way("converse", _converse, **shared, **twice)


def _invoke_ways() -> Iterator[Way]:
    for family, (model, body, can) in _FAMILIES.items():
        shared = {"format": f"bedrock.{family}", "model": model, "can": can, "variant": family}
        run = functools.partial(_invoke, model=model, body=body)
        with_picture = shown(f"bedrock.{family}", body)
        seen = with_picture and functools.partial(_invoke, model=model, body=with_picture)
        yield _way("invoke_model", run, shows=seen, **shared)
        stream = functools.partial(_invoke_stream, model=model, body=body)
        yield _way("invoke_model_with_response_stream", stream, stream=True, **shared)
    model, body, can = _FAMILIES["anthropic"]
    read: dict[str, Any] = {"format": "bedrock.anthropic", "model": model, "can": can}
    for variant, way in (("iter_chunks", _chunks), ("with", _raw)):
        reading = functools.partial(way, model=model, body=body)
        yield _way("invoke_model", reading, **read, variant=variant)


def _embedding_ways() -> Iterator[Way]:
    for family, (model, body) in _EMBEDDINGS.items():
        shared = {"format": f"bedrock.{family}", "operation": "embeddings", "model": model}
        run = functools.partial(_invoke, model=model, body=body)
        yield _way("invoke_model", run, **shared, variant=family)


CLIENT = Client(
    name="bedrock",
    module="boto3",
    integrations=(rows.INTEGRATION, *http.INTEGRATIONS, *bodies.INTEGRATIONS),
    ways=(*_converse_ways(), *_invoke_ways(), *_embedding_ways()),
)
