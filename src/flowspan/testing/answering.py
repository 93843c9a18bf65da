"""From a reply and a request to an answer in which everything is decided."""

from __future__ import annotations

import json
from dataclasses import replace

from flowspan.testing.counting import count_tokens, split_chunks
from flowspan.testing.received import ReceivedRequest
from flowspan.testing.schema_instance import instance_of
from flowspan.testing.script import Reply
from flowspan.testing.wire.format import Answer, Choice, Stop, WireFormat, member
from flowspan.usage import Usage


def decide(reply: Reply, request: ReceivedRequest, wire: WireFormat) -> Answer:
    """Fills in what the reply leaves to the rules."""
    reply, stop = _with_content(reply, request, wire)
    choices = () if wire.operation == "embeddings" else _choices(reply, request, wire)
    given = reply.usage or Usage()
    usage = wire.meter(given, _usage(given, request, choices), request)
    return Answer(
        request=request,
        model=reply.model or request.model or "",
        choices=choices,
        usage=replace(usage, service_tier=usage.service_tier or _tier(request, wire)),
        stop=stop,
        finish_reason=reply.finish_reason,
    )


def share(usage: Usage, sent: int, total: int) -> Usage:
    """What is charged of a stream that ended early.

    The input is charged in full, the output in proportion to the content chunks sent, rounded
    down.
    """
    if sent >= total:
        return usage

    def part(count: int | None) -> int | None:
        return None if count is None else count * sent // total

    return replace(
        usage,
        output_tokens=part(usage.output_tokens),
        reasoning_tokens=part(usage.reasoning_tokens),
        output_audio_tokens=part(usage.output_audio_tokens),
    )


def _with_content(reply: Reply, request: ReceivedRequest, wire: WireFormat) -> tuple[Reply, Stop]:
    """A reply that says something, and why it stops."""
    if reply.tool_calls:
        return reply, "tool_calls"
    if reply.refusal is not None:
        return reply, "refusal"
    if reply.text is not None or reply.chunks is not None or reply.choices:
        return reply, "stop"
    schema = wire.schema(request.body)
    text = f"Echo: {request.text}" if schema is None else json.dumps(instance_of(schema))
    chunks = split_chunks(text)
    limit = _output_limit(request, wire)
    if limit is not None and len(chunks) > limit:
        return replace(reply, chunks=chunks[:limit]), "length"
    return replace(reply, chunks=chunks), "stop"


def _output_limit(request: ReceivedRequest, wire: WireFormat) -> int | None:
    for key in wire.output_limit:
        limit = member(request.body, key)
        if isinstance(limit, int):
            return limit
    return None


def _choices(reply: Reply, request: ReceivedRequest, wire: WireFormat) -> tuple[Choice, ...]:
    if reply.refusal is not None:
        texts = [split_chunks(reply.refusal)]
    elif reply.choices:
        texts = [split_chunks(text) for text in reply.choices]
    else:
        texts = [reply.chunks if reply.chunks is not None else split_chunks(reply.text or "")]
    wished = member(request.body, wire.choice_count)
    if len(texts) == 1 and isinstance(wished, int):
        texts *= wished
    return tuple(
        Choice(
            chunks=chunks,
            refusal=reply.refusal is not None,
            reasoning=split_chunks(reply.reasoning or ""),
            tool_calls=reply.tool_calls if position == 0 else (),
        )
        for position, chunks in enumerate(texts)
    )


def _usage(given: Usage, request: ReceivedRequest, choices: tuple[Choice, ...]) -> Usage:
    reasoning = sum(len(choice.reasoning) for choice in choices)
    if given.input_tokens is None:
        given = replace(given, input_tokens=count_tokens(request.texts))
    if given.output_tokens is None:
        given = replace(given, output_tokens=sum(choice.chunk_count for choice in choices))
    if given.reasoning_tokens is None and reasoning:
        given = replace(given, reasoning_tokens=reasoning)
    return given


def _tier(request: ReceivedRequest, wire: WireFormat) -> str | None:
    return wire.tiers.get(str(request.body.get("service_tier")), wire.default_tier)
