"""OpenAI responses: created, streamed, and fetched again later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.openai_chat import SAMPLING, output_type
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    message,
    parts_of,
    text_part,
    tool_call_part,
    tool_response_part,
)
from flowspan.instrumentation.clients.wire.reading import count, items, read, text, word, word_in
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

_UNFINISHED: Final = frozenset({"queued", "in_progress"})

_REQUEST: Final[Rules] = {
    **SAMPLING,
    "text": ((semconv.OUTPUT_TYPE, lambda value: output_type(read(value, "format"))),),
    "conversation": (
        (semconv.CONVERSATION_ID, word),
        (semconv.CONVERSATION_ID, word_in("id")),
    ),
    "previous_response_id": ((semconv.REQUEST_PREVIOUS_RESPONSE_ID, word),),
    "prompt": (
        (semconv.PROMPT_NAME, word_in("id")),
        (semconv.PROMPT_VERSION, word_in("version")),
    ),
}


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("input"), str | list)


def _response(body: Any) -> dict[str, AttributeValue | None]:
    reason = word(read(read(body, "incomplete_details"), "reason")) or word(read(body, "status"))
    if reason in _UNFINISHED:
        reason = None
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: None if reason is None else [reason],
    }


def is_unfinished(body: Any) -> bool:
    """True for a response that is still being made in the background."""
    return word(read(body, "status")) in _UNFINISHED and read(body, "background") is True


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    if usage is None:
        return None
    tier = read(body, "service_tier")
    searches = read(read(read(body, "tool_usage"), "web_search"), "num_requests")
    found = Usage.of("openai.responses", usage, service_tier=tier, web_searches=searches)
    return found or Usage.of("openai.chat", usage, service_tier=tier)


_REQUESTS: Final = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
    }
)
"""Items of an output that the program is to act on; other calls run at the provider."""


def _tools(body: Any) -> Iterator[ToolRequest]:
    for item in items(read(body, "output")):
        if (kind := text(read(item, "type"))) in _REQUESTS:
            name = word(read(item, "name")) or str(kind).removesuffix("_call")
            yield ToolRequest(name, word(read(item, "call_id")))


# --- streams ------------------------------------------------------------------------------------


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one response of a stream's events: the newest state, else what the pieces say."""
    body: dict[str, Any] = {}
    pieces: dict[int, dict[str, Any]] = {}
    for event in events:
        if isinstance(event.get("response"), Mapping):
            body = {**body, **event["response"]}
        if event.get("error"):
            body["error"] = event["error"]
        elif event.get("type") == "error":
            body["error"] = {"code": event.get("code")}
        _add_piece(pieces, event)
    if pieces and not body.get("output"):
        body["output"] = [pieces[index] for index in sorted(pieces)]
    return body


def _add_piece(pieces: dict[int, dict[str, Any]], event: Body) -> None:
    index = count(event.get("output_index"))
    if index is None:
        return
    if isinstance(event.get("item"), Mapping):
        pieces[index] = dict(event["item"])
        return
    delta = event.get("delta")
    member = _MEMBER_OF_DELTA.get(str(event.get("type")))
    if member is None or not isinstance(delta, str):
        return
    piece = pieces.setdefault(index, {"type": "message", "role": "assistant"})
    if member != "text":
        piece[member] = (text(piece.get(member)) or "") + delta
    else:
        begun = text(read(next(iter(items(piece.get("content"))), None), "text")) or ""
        piece["content"] = [{"type": "output_text", "text": begun + delta}]


_MEMBER_OF_DELTA: Final = {
    "response.output_text.delta": "text",
    "response.function_call_arguments.delta": "arguments",
}


# --- content ------------------------------------------------------------------------------------


def _message_of(item: Any) -> Message:
    kind = text(read(item, "type"))
    make = _MESSAGES.get(kind or "message")
    return make(item) if make is not None else message("assistant", [{"type": kind}])


def _said(item: Any) -> Message:
    return message(read(item, "role") or "user", parts_of(read(item, "content")))


def _reasoned(item: Any) -> Message:
    parts: list[Part] = parts_of(read(item, "summary")) or parts_of(read(item, "content"))
    return message("assistant", parts)


_MESSAGES: Final[dict[str, Callable[[Any], Message]]] = {
    "message": _said,
    "reasoning": _reasoned,
    "function_call": lambda item: message(
        "assistant",
        [tool_call_part(read(item, "call_id"), read(item, "name"), read(item, "arguments"))],
    ),
    "function_call_output": lambda item: message(
        "tool", [tool_response_part(read(item, "call_id"), read(item, "output"))]
    ),
}


def _input(body: Body) -> tuple[Any, Any]:
    instructions, asked = body.get("instructions"), body.get("input")
    system = [text_part(instructions)] if isinstance(instructions, str) else None
    if isinstance(asked, str):
        return system, [message("user", [text_part(asked)])]
    return system, [_message_of(item) for item in items(asked)]


RESPONSES: Final = Shape(
    name="openai.responses",
    provider="openai",
    operation="chat",
    paths=("/responses", "/responses/compact"),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("input", "instructions", "tools"),
    output=lambda body: read(body, "output"),
    marks=Marks(
        text=("delta",),
        each=("name",),
        latest=("response",),
        over=("response.completed", "response.incomplete", "response.failed"),
    ),
    fold=_fold,
    input=_input,
    messages=lambda body: [_message_of(item) for item in items(read(body, "output"))],
    tools=_tools,
    unfinished=is_unfinished,
)
"""``POST …/responses``."""

FETCHED: Final = replace(
    RESPONSES, name="openai.responses.retrieve", operation="fetch_response", paths=(), billed=False
)
"""A response that is fetched once more; it was charged when it was created."""
