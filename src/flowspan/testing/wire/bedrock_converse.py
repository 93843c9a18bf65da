"""Bedrock's Converse, plain and streamed; and Nova's own format, which is nearly the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import bedrock_common as common
from flowspan.testing.wire.anthropic_messages import tool_input
from flowspan.testing.wire.format import (
    Answer,
    Frame,
    Json,
    Stop,
    WireFormat,
    message_texts,
    texts_in,
)
from flowspan.usage import Usage

_STOP_REASONS: dict[Stop, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "content_filtered",
}


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from texts_in(body.get("system"))
    yield from message_texts(body.get("messages"))


def _stop_reason(answer: Answer) -> str:
    return answer.finish_reason or _STOP_REASONS[answer.stop]


def _usage(usage: Usage) -> Json:
    """The exclusive form: cached tokens stand beside ``inputTokens``, not in it."""
    found: Json = {
        "inputTokens": common.uncached(usage),
        "outputTokens": usage.output_tokens,
        "totalTokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
    }
    if usage.cache_read_tokens is not None:
        found["cacheReadInputTokens"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        hour = usage.cache_write_1h_tokens or 0
        found["cacheWriteInputTokens"] = usage.cache_write_tokens
        found["cacheDetails"] = [
            {"ttl": "5m", "inputTokens": usage.cache_write_tokens - hour},
            {"ttl": "1h", "inputTokens": hour},
        ]
    return found


def _tail(answer: Answer) -> Json:
    """What an answer says of its making."""
    found: Json = {"usage": _usage(answer.usage), "metrics": {"latencyMs": 400}}
    if answer.usage.service_tier is not None:
        found["serviceTier"] = {"type": answer.usage.service_tier}
    return found


def _blocks(answer: Answer) -> Iterator[tuple[Json, Json | None, list[Json]]]:
    """Content blocks: the finished one, how it opens in a stream, and its deltas."""
    choice = answer.choices[0]
    if choice.reasoning:
        whole = {"text": "".join(choice.reasoning), "signature": "Zmxvd3NwYW4="}
        deltas: list[Json] = [{"reasoningContent": {"text": piece}} for piece in choice.reasoning]
        signed = {"reasoningContent": {"signature": whole["signature"]}}
        yield {"reasoningContent": {"reasoningText": whole}}, None, [*deltas, signed]
    if choice.chunks or not choice.tool_calls:
        yield {"text": choice.text}, None, [{"text": piece} for piece in choice.chunks]
    for position, call in enumerate(choice.tool_calls):
        opening = {"toolUseId": answer.call_id(position, "tooluse"), "name": call.name}
        pieces = split_chunks(call.arguments_text)
        yield (
            {"toolUse": {**opening, "input": tool_input(call)}},
            {"toolUse": opening},
            [{"toolUse": {"input": piece}} for piece in pieces],
        )


def _body(answer: Answer) -> Json:
    content = [block for block, _, _ in _blocks(answer)]
    said = {"role": "assistant", "content": content}
    return {"output": {"message": said}, "stopReason": _stop_reason(answer), **_tail(answer)}


def _events(answer: Answer) -> Iterator[tuple[str, Json, bool]]:
    """Each event's name and data, and whether it carries content."""
    yield "messageStart", {"role": "assistant"}, False
    for index, (_, opening, deltas) in enumerate(_blocks(answer)):
        place = {"contentBlockIndex": index}
        if opening is not None:
            yield "contentBlockStart", {"start": opening, **place}, False
        for delta in deltas:
            signature = "signature" in delta.get("reasoningContent", {})
            yield "contentBlockDelta", {"delta": delta, **place}, not signature
        yield "contentBlockStop", place, False
    yield "messageStop", {"stopReason": _stop_reason(answer)}, False
    yield "metadata", _tail(answer), False


def _frames(answer: Answer) -> Iterator[Frame]:
    for name, data, content in _events(answer):
        yield common.event(name, data, content=content, usage=name == "metadata")


FORMAT = WireFormat(
    name="bedrock.converse",
    provider=common.PROVIDER,
    operation="chat",
    path_endings=("/converse", "/converse-stream"),
    texts=_texts,
    body=_body,
    output_limit=("inferenceConfig.maxTokens",),
    headers=common.headers,
    error=common.error,
    error_headers=common.error_headers,
    events=common.events(_frames),
    model=common.model,
    streams=common.streams,
)


def _nova_usage(usage: Usage) -> Json:
    renamed = {
        "cacheReadInputTokens": "cacheReadInputTokenCount",
        "cacheWriteInputTokens": "cacheWriteInputTokenCount",
    }
    counts = _usage(usage)
    counts.pop("cacheDetails", None)
    return {renamed.get(name, name): count for name, count in counts.items()}


def _nova_body(answer: Answer) -> Json:
    found = _body(answer)
    found.pop("metrics")
    return {**found, "usage": _nova_usage(answer.usage)}


def _nova_pieces(answer: Answer) -> Iterator[tuple[Json, bool]]:
    for name, data, content in _events(answer):
        last = name == "metadata"
        told = {"usage": _nova_usage(answer.usage), "metrics": {}, "trace": {}} if last else data
        yield {name: told}, content


NOVA = common.invoked(
    common.Family(
        name="nova",
        of="amazon.nova",
        texts=_texts,
        body=_nova_body,
        pieces=_nova_pieces,
        limit="inferenceConfig.maxTokens",
    )
)
