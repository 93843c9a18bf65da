"""Gemini's interactions, whose answers are steps: thoughts, outputs, calls of functions.

Only those that ask a model are read; an agent's say whom they ask, and not which models it asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.gemini import SETTINGS, member
from flowspan.instrumentation.clients.wire.openai_chat import asked
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    message,
    parts_of,
    reasoning_part,
    tool_call_part,
    tool_response_part,
)
from flowspan.instrumentation.clients.wire.reading import count, items, read, text, word
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue, ToolRequest
from flowspan.usage import Usage

_UNDER_WAY: Final = frozenset({"in_progress", "queued"})
_REQUEST: Final[Rules] = {
    "generation_config": (
        *SETTINGS,
        (semconv.REQUEST_REASONING_LEVEL, lambda value: word(member(value, "thinkingLevel"))),
    ),
    "stream": ((semconv.REQUEST_STREAM, asked),),
    "service_tier": ((semconv.SERVICE_TIER, word),),
    "previous_interaction_id": ((semconv.REQUEST_PREVIOUS_RESPONSE_ID, word),),
}


def _matches(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("input"), str | list | dict)


def _response(body: Any) -> dict[str, AttributeValue | None]:
    status = word(read(body, "status"))
    reasons = None if status is None or status in _UNDER_WAY else [status]
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: reasons,
    }


def _usage(body: Any) -> Usage | None:
    usage = read(body, "usage")
    if usage is None:
        return None
    return Usage.of("gemini.interactions", usage, service_tier=read(body, "service_tier"))


def _steps(body: Any, kind: str) -> Iterator[Any]:
    return (step for step in items(read(body, "steps")) if text(read(step, "type")) == kind)


def _output(body: Any) -> Any:
    names = ("summary", "content", "name", "arguments")
    return [[read(step, name) for name in names] for step in items(read(body, "steps"))]


def _tools(body: Any) -> Iterator[ToolRequest]:
    for step in _steps(body, "function_call"):
        yield ToolRequest(word(read(step, "name")), word(read(step, "id")))


# --- streams --------------------------------------------------------------------------------------


def _fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one interaction of a stream's events, or of some of them."""
    body: dict[str, Any] = {}
    steps: dict[int, dict[str, Any]] = {}
    for event in events:
        interaction, step = event.get("interaction"), event.get("step")
        if isinstance(interaction, Mapping):
            body.update(interaction)
        if event.get("error"):
            body["error"] = event["error"]
        if (index := count(event.get("index"))) is not None:
            known = steps.setdefault(index, {"type": "model_output"})
            if isinstance(step, Mapping):
                known.update(step)
            _add_delta(known, event.get("delta"))
    body["steps"] = [steps[index] for index in sorted(steps)]
    return body


def _add_delta(step: dict[str, Any], delta: Any) -> None:
    if isinstance(arguments := read(delta, "arguments"), str):
        before = text(step.get("arguments")) or ""
        step["arguments"] = before + arguments
        return
    name = "summary" if read(delta, "type") == "thought_summary" else "content"
    piece = text(read(delta, "text")) or text(read(read(delta, "content"), "text"))
    if piece:
        parts = step[name] = list(items(step.get(name)))
        before = (text(read(parts.pop(), "text")) or "") if parts else ""
        parts.append({"type": "text", "text": before + piece})


# --- content --------------------------------------------------------------------------------------


def _input(body: Body) -> tuple[Any, Any]:
    system = parts_of(body.get("system_instruction")) or None
    asked_for = body.get("input")
    given = asked_for if isinstance(asked_for, list) else [asked_for]
    return system, [_message_of(each) for each in given]


def _message_of(given: Any) -> Message:
    """The message that a text, a content or a step is."""
    kind = text(read(given, "type"))
    if kind in _ROLES:
        return message(_ROLES[kind], _parts_of_step(given))
    if read(given, "content") is not None and kind is None:
        role = text(read(given, "role")) or "user"
        return message("assistant" if role == "model" else role, parts_of(read(given, "content")))
    return message("user", parts_of(given if isinstance(given, str) else [given]))


_ROLES: Final = {
    "user_input": "user",
    "model_output": "assistant",
    "thought": "assistant",
    "function_call": "assistant",
    "function_result": "tool",
}


def _parts_of_step(step: Any) -> list[Part]:
    kind = text(read(step, "type"))
    if kind == "thought":
        return [reasoning_part(read(part, "text")) for part in items(read(step, "summary"))]
    if kind == "function_call":
        called = (read(step, "id"), read(step, "name"), read(step, "arguments"))
        return [tool_call_part(*called)]
    if kind == "function_result":
        return [tool_response_part(read(step, "call_id"), read(step, "result"))]
    return parts_of(read(step, "content"))


def _messages(body: Any) -> Any:
    parts = [part for step in items(read(body, "steps")) for part in _parts_of_step(step)]
    return [message("assistant", parts)]


INTERACTIONS: Final = Shape(
    name="gemini.interactions",
    provider="gcp.gemini",
    operation="generate_content",
    paths=("/interactions",),
    matches=_matches,
    request=_REQUEST,
    response=_response,
    usage=_usage,
    prompt=("system_instruction", "input", "tools"),
    output=_output,
    marks=Marks(text=("text", "arguments"), each=("name",), latest=("interaction",)),
    fold=_fold,
    input=_input,
    messages=_messages,
    tools=_tools,
    unfinished=lambda body: (
        text(read(body, "status")) in _UNDER_WAY and read(body, "steps") is None
    ),
    own=False,
    header="x-goog-api-key",
)
"""``POST …/interactions`` of a model."""
