"""OpenAI responses, plain and streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowspan.testing.counting import split_chunks
from flowspan.testing.wire import openai_common
from flowspan.testing.wire.format import (
    CREATED,
    Answer,
    Choice,
    EventFormat,
    Frame,
    Json,
    WireFormat,
    encode,
    message_texts,
    texts_in,
)
from flowspan.usage import Usage

_ENDINGS: dict[str, Json] = {
    "length": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    "content_filter": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
    "failed": {
        "status": "failed",
        "error": {"code": "server_error", "message": "The model failed to answer"},
    },
}
"""What a finish reason says about a response; every other one says ``completed``."""

_UNFINISHED = {"queued", "in_progress"}

_ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}
"""Fields of a request that its response repeats, with what they are if left out."""


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    yield from texts_in(body.get("instructions"))
    given = body.get("input")
    yield from texts_in(given) if isinstance(given, str) else message_texts(given)


def _schema(body: Mapping[str, Any]) -> Json | None:
    match body.get("text"):
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
    return None


def _response_id(answer: Answer) -> str:
    return f"resp_{answer.number}"


def _usage(usage: Usage) -> Json:
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {"cache_write_tokens": 0, **openai_common.input_details(usage)},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }


def _tool_usage(searches: int | None) -> Json:
    return {} if searches is None else {"tool_usage": {"web_search": {"num_requests": searches}}}


def _response(answer: Answer, output: list[Json], ending: Json) -> Json:
    """A response object; one that is still being made has neither output nor usage."""
    done = ending["status"] not in _UNFINISHED
    return {
        "id": _response_id(answer),
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED if ending["status"] == "completed" else None,
        "error": None,
        "incomplete_details": None,
        "model": answer.model,
        **{key: answer.request.body.get(key, value) for key, value in _ECHOED.items()},
        "output": output,
        "service_tier": answer.usage.service_tier,
        "usage": _usage(answer.usage) if done else None,
        **_tool_usage(answer.usage.web_searches if done else None),
        **ending,
    }


def _ending(answer: Answer) -> Json:
    return _ENDINGS.get(answer.finish_reason or answer.stop, {"status": "completed"})


def _part(choice: Choice, text: str) -> Json:
    if choice.refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _items(answer: Answer) -> list[Json]:
    """The output: reasoning, message, function calls, as far as the answer has them."""
    choice = answer.choices[0]
    items: list[Json] = []
    if choice.reasoning:
        summary = [{"type": "summary_text", "text": "".join(choice.reasoning)}]
        items.append({"id": f"rs_{answer.number}", "type": "reasoning", "summary": summary})
    if choice.chunks or not choice.tool_calls:
        items.append(
            {
                "id": f"msg_{answer.number}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [_part(choice, choice.text)],
            }
        )
    items.extend(
        {
            "id": f"fc_{answer.number}_{position}",
            "type": "function_call",
            "status": "completed",
            "call_id": answer.call_id(position, "call"),
            "name": call.name,
            "arguments": call.arguments_text,
        }
        for position, call in enumerate(choice.tool_calls)
    )
    return items


def _body(answer: Answer) -> Json:
    return _response(answer, _items(answer), _ending(answer))


_Event = tuple[str, Json]


def _reasoning_events(choice: Choice, item: Json) -> Iterator[_Event]:
    yield "output_item.added", {"item": {**item, "summary": []}}
    place = {"item_id": item["id"], "summary_index": 0}
    empty = {"type": "summary_text", "text": ""}
    yield "reasoning_summary_part.added", {**place, "part": empty}
    for chunk in choice.reasoning:
        yield "reasoning_summary_text.delta", {**place, "delta": chunk}
    [part] = item["summary"]
    yield "reasoning_summary_text.done", {**place, "text": part["text"]}
    yield "reasoning_summary_part.done", {**place, "part": part}
    yield "output_item.done", {"item": item}


def _message_events(choice: Choice, item: Json) -> Iterator[_Event]:
    yield "output_item.added", {"item": {**item, "status": "in_progress", "content": []}}
    place = {"item_id": item["id"], "content_index": 0}
    yield "content_part.added", {**place, "part": _part(choice, "")}
    more: Json = {} if choice.refusal else {"logprobs": []}
    key, event = ("refusal", "refusal") if choice.refusal else ("text", "output_text")
    for chunk in choice.chunks:
        yield f"{event}.delta", {**place, "delta": chunk, **more}
    yield f"{event}.done", {**place, key: choice.text, **more}
    yield "content_part.done", {**place, "part": item["content"][0]}
    yield "output_item.done", {"item": item}


def _call_events(_choice: Choice, item: Json) -> Iterator[_Event]:
    yield "output_item.added", {"item": {**item, "status": "in_progress", "arguments": ""}}
    place = {"item_id": item["id"]}
    for piece in split_chunks(item["arguments"]):
        yield "function_call_arguments.delta", {**place, "delta": piece}
    done = {**place, "name": item["name"], "arguments": item["arguments"]}
    yield "function_call_arguments.done", done
    yield "output_item.done", {"item": item}


_EVENTS = {
    "reasoning": _reasoning_events,
    "message": _message_events,
    "function_call": _call_events,
}


def _events(answer: Answer) -> Iterator[_Event]:
    begun = _response(answer, [], {"status": "in_progress"})
    yield "created", {"response": begun}
    yield "in_progress", {"response": begun}
    for index, item in enumerate(_items(answer)):
        for name, data in _EVENTS[item["type"]](answer.choices[0], item):
            yield name, {"output_index": index, **data}
    response = _body(answer)
    yield response["status"], {"response": response}


def _frame(kind: str, data: Json, sequence: int, *, content: bool, usage: bool) -> Frame:
    event = encode({"type": kind, "sequence_number": sequence, **data})
    return Frame(b"event: " + kind.encode() + b"\ndata: " + event + b"\n\n", content, usage)


def _frames(answer: Answer) -> Iterator[Frame]:
    for sequence, (name, data) in enumerate(_events(answer)):
        usage = "response" in data and data["response"]["usage"] is not None
        content = name.endswith(".delta")
        yield _frame(f"response.{name}", data, sequence, content=content, usage=usage)


def _error_frame(message: str, sent: int) -> Frame:
    """An error event.

    The reference shows its fields beside ``type``; what the service sends has them in ``error``,
    and that is what the SDK raises on.
    """
    error = openai_common.error(500, message, "")
    return _frame("error", error, sent, content=False, usage=False)


FORMAT = WireFormat(
    name="openai.responses",
    provider="openai",
    operation="chat",
    path_endings=("/responses",),
    texts=_texts,
    output_limit=("max_output_tokens",),
    default_tier="default",
    tiers=openai_common.TIERS,
    schema=_schema,
    body=_body,
    response_id=_response_id,
    headers=openai_common.headers,
    error=openai_common.error,
    model=openai_common.model,
    events=EventFormat(frames=_frames, error=_error_frame),
    retrievable=True,
    promise=lambda answer, status: _response(answer, [], {"status": status}),
)
