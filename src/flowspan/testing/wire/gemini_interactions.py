"""Gemini's interactions: the answer as steps, whole, streamed, or fetched again by its id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import gemini_common
from flowspan.testing.wire.format import (
    Answer,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
    texts_in,
)
from flowspan.usage import Usage

_MADE = "2026-09-21T13:33:20Z"


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from texts_in(body.get("system_instruction"))
    asked = body.get("input")
    yield from texts_in([asked] if isinstance(asked, dict) else asked)


def _response_id(answer: Answer) -> str:
    return f"interaction-{answer.number}"


def _usage(usage: Usage) -> Json:
    """The counts: thoughts and what tools gave stand beside prompt and answer."""
    read, thoughts = usage.input_tokens or 0, usage.reasoning_tokens or 0
    answered = (usage.output_tokens or 0) - thoughts
    return {
        "total_input_tokens": read,
        "input_tokens_by_modality": [{"modality": "text", "tokens": read}],
        "total_cached_tokens": usage.cache_read_tokens or 0,
        "total_output_tokens": answered,
        "total_thought_tokens": thoughts,
        "total_tool_use_tokens": 0,
        "total_tokens": read + answered + thoughts,
    }


def _arguments(text: str) -> Json:
    """The arguments of a call as an object; a text that is none is wrapped in one."""
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {"input": text}


def _steps(answer: Answer) -> list[Json]:
    choice = answer.choices[0]
    steps: list[Json] = []
    if choice.reasoning:
        summary = [{"type": "text", "text": "".join(choice.reasoning)}]
        steps.append({"type": "thought", "summary": summary})
    if choice.chunks:
        content = [{"type": "text", "text": choice.text}]
        steps.append({"type": "model_output", "content": content})
    for position, call in enumerate(choice.tool_calls):
        arguments = _arguments(call.arguments_text)
        called = {"id": answer.call_id(position, "call"), "name": call.name}
        steps.append({"type": "function_call", **called, "arguments": arguments})
    return steps


def _status(answer: Answer) -> str:
    implied = {"tool_calls": "requires_action", "length": "incomplete"}
    return answer.finish_reason or implied.get(answer.stop, "completed")


def _head(answer: Answer, status: str) -> Json:
    return {
        "id": _response_id(answer),
        "object": "interaction",
        "model": answer.model,
        "status": status,
        "created": _MADE,
        "updated": _MADE,
    }


def _body(answer: Answer) -> Json:
    head = _head(answer, _status(answer))
    return {**head, "steps": _steps(answer), "usage": _usage(answer.usage)}


def _frame(kind: str, *, content: bool = False, usage: bool = False, **members: Any) -> Frame:
    data = encode({"event_type": kind, **members})
    return Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), content, usage)


def _deltas(step: Json) -> Iterator[Json]:
    """What a step brings after it was begun."""
    for part in step.get("summary", ()):
        for piece in split_chunks(part["text"]):
            yield {"type": "thought_summary", "content": {"type": "text", "text": piece}}
    for part in step.get("content", ()):
        for piece in split_chunks(part["text"]):
            yield {"type": "text", "text": piece}
    if "arguments" in step:
        yield {"type": "arguments_delta", "arguments": json.dumps(step["arguments"])}


def _frames(answer: Answer) -> Iterator[Frame]:
    yield _frame("interaction.created", interaction=_head(answer, "in_progress"))
    for index, step in enumerate(_steps(answer)):
        begun: Json = {name: step[name] for name in ("type", "id", "name") if name in step}
        if "arguments" in step:
            begun["arguments"] = {}
        yield _frame("step.start", index=index, step=begun)
        for delta in _deltas(step):
            yield _frame("step.delta", content=True, index=index, delta=delta)
        yield _frame("step.stop", index=index)
    whole = {**_head(answer, _status(answer)), "usage": _usage(answer.usage)}
    yield _frame("interaction.completed", usage=True, interaction=whole)
    yield Frame(b"event: done\ndata: [DONE]\n\n")


def _error(message: str, _sent: int) -> Frame:
    return _frame("error", error={"code": "internal_error", "message": message})


FORMAT = WireFormat(
    name="gemini.interactions",
    provider="gcp.gemini",
    operation="generate_content",
    path_endings=("/interactions",),
    texts=_texts,
    output_limit=("generation_config.max_output_tokens",),
    body=_body,
    response_id=_response_id,
    retrievable=True,
    headers=gemini_common.headers,
    error=gemini_common.error,
    events=EventFormat(frames=_frames, error=_error, media_type="text/event-stream"),
    media_type="application/json; charset=UTF-8",
)
