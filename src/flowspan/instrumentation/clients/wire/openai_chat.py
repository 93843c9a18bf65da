"""OpenAI chat completions, which most other providers speak as well; and the older completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flowspan import semconv
from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    asked_in,
    message,
    parts_of,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_response_part,
)
from flowspan.instrumentation.clients.wire.reading import (
    count,
    items,
    number,
    read,
    text,
    word,
    word_in,
    words,
)
from flowspan.instrumentation.clients.wire.shape import Body, Marks, Rules, Shape
from flowspan.instrumentation.integration import AttributeValue, Call, ToolRequest
from flowspan.usage import Usage


def output_type(value: Any) -> str | None:
    """``json`` or ``text`` from a response format: a mapping, or the class to parse into."""
    if isinstance(value, type):
        return "json"
    kind = read(value, "type")
    if not isinstance(kind, str):
        return None
    return "json" if kind.startswith("json") else "text"


def several(value: Any) -> int | None:
    """A number of choices, which the conventions want only where it is not one."""
    found = count(value)
    return None if found == 1 else found


def asked(value: Any) -> bool | None:
    """``True`` where a switch is on; "not given" marks are no truth values."""
    return True if value is True else None


def usage_request(call: Call) -> Mapping[str, Any]:
    """What makes a stream say its usage, where the program did not decide that itself."""
    options = call.kwargs.get("stream_options")
    known = options if isinstance(options, Mapping) else {}
    if call.kwargs.get("stream") is not True or "include_usage" in known:
        return {}
    return {"stream_options": {**known, "include_usage": True}}


SAMPLING: Final[Rules] = {
    "temperature": ((semconv.REQUEST_TEMPERATURE, number),),
    "top_p": ((semconv.REQUEST_TOP_P, number),),
    "frequency_penalty": ((semconv.REQUEST_FREQUENCY_PENALTY, number),),
    "presence_penalty": ((semconv.REQUEST_PRESENCE_PENALTY, number),),
    "max_tokens": ((semconv.REQUEST_MAX_TOKENS, count),),
    "max_completion_tokens": ((semconv.REQUEST_MAX_TOKENS, count),),
    "max_output_tokens": ((semconv.REQUEST_MAX_TOKENS, count),),
    "stop": ((semconv.REQUEST_STOP_SEQUENCES, words),),
    "seed": ((semconv.REQUEST_SEED, count),),
    "n": ((semconv.REQUEST_CHOICE_COUNT, several),),
    "stream": ((semconv.REQUEST_STREAM, asked),),
    "reasoning_effort": ((semconv.REQUEST_REASONING_LEVEL, word),),
    "reasoning": ((semconv.REQUEST_REASONING_LEVEL, word_in("effort")),),
    "service_tier": ((semconv.SERVICE_TIER, word),),
    "response_format": ((semconv.OUTPUT_TYPE, output_type),),
}
"""Members of OpenAI's requests that are attributes."""


def _matches(body: Body) -> bool:
    messages = body.get("messages")
    return (
        isinstance(body.get("model"), str)
        and isinstance(messages, list)
        and all(isinstance(each, Mapping) and "role" in each for each in messages[:4])
    )


def response_attributes(body: Any) -> dict[str, AttributeValue | None]:
    """Id, model and finish reasons of a body with choices."""
    reasons = [
        reason
        for choice in items(read(body, "choices"))
        if (reason := word(read(choice, "finish_reason"))) is not None
    ]
    return {
        semconv.RESPONSE_ID: word(read(body, "id")),
        semconv.RESPONSE_MODEL: word(read(body, "model")),
        semconv.RESPONSE_FINISH_REASONS: reasons or None,
    }


def _usage(body: Any) -> Usage | None:
    usage, tier = read(body, "usage"), read(body, "service_tier")
    if usage is None:
        return None
    # Some gateways answer a chat with the keys of the newer API.
    return Usage.of("openai.chat", usage, service_tier=tier) or Usage.of(
        "openai.responses", usage, service_tier=tier
    )


def _output(body: Any) -> Any:
    return [
        [read(said, name) for name in ("content", "refusal", "reasoning", "reasoning_content")]
        + [read(call, "function") for call in items(read(said, "tool_calls"))]
        for choice in items(read(body, "choices"))
        if (said := read(choice, "message")) is not None
    ]


def _tools(body: Any) -> Iterator[ToolRequest]:
    for choice in items(read(body, "choices")):
        for call in items(read(read(choice, "message"), "tool_calls")):
            function = read(call, "function") or read(call, "custom")
            yield ToolRequest(word(read(function, "name")), word(read(call, "id")))


# --- streams ------------------------------------------------------------------------------------


def fold(events: Sequence[Body]) -> dict[str, Any]:
    """Make one completion of its chunks, or of some of them."""
    body: dict[str, Any] = {}
    choices: dict[Any, dict[str, Any]] = {}
    for event in events:
        for name in ("id", "model", "service_tier", "usage", "error"):
            if event.get(name):
                body[name] = event[name]
        for choice in items(event.get("choices")):
            if isinstance(choice, Mapping):
                _add_choice(choices, choice)
    body["choices"] = list(choices.values())
    return body


def _add_choice(choices: dict[Any, dict[str, Any]], choice: Body) -> None:
    index = count(choice.get("index")) or 0
    known = choices.setdefault(index, {"index": index, "message": {"role": "assistant"}})
    if choice.get("finish_reason"):
        known["finish_reason"] = choice["finish_reason"]
    if isinstance(choice.get("text"), str):
        known["text"] = known.get("text", "") + choice["text"]
    delta = choice.get("delta")
    if not isinstance(delta, Mapping):
        return
    said = known["message"]
    for name in ("content", "refusal", "reasoning", "reasoning_content"):
        if isinstance(delta.get(name), str):
            said[name] = said.get(name, "") + delta[name]
    for call in items(delta.get("tool_calls")):
        if isinstance(call, Mapping):
            _add_tool_call(said.setdefault("tool_calls", []), call)


def _add_tool_call(calls: list[dict[str, Any]], call: Body) -> None:
    index = count(call.get("index")) or 0
    known = next((each for each in calls if each["index"] == index), None)
    if known is None:
        known = {"index": index, "id": None, "function": {"name": "", "arguments": ""}}
        calls.append(known)
    known["id"] = call.get("id") or known["id"]
    for name in ("name", "arguments"):
        if isinstance(piece := read(call.get("function"), name), str):
            known["function"][name] += piece


# --- content ------------------------------------------------------------------------------------


def _parts(said: Any) -> list[Part]:
    parts: list[Part] = []
    for name in ("reasoning_content", "reasoning"):
        if thought := text(read(said, name)):
            parts.append(reasoning_part(thought))
            break
    parts.extend(parts_of(read(said, "content")))
    if refusal := text(read(said, "refusal")):
        parts.append({"type": "refusal", "content": refusal})
    for call in items(read(said, "tool_calls")):
        function = read(call, "function") or read(call, "custom")
        arguments = read(function, "arguments") or read(function, "input")
        parts.append(tool_call_part(read(call, "id"), read(function, "name"), arguments))
    return parts


def _input_message(said: Any) -> Message:
    role = read(said, "role")
    if role == "tool":
        response = tool_response_part(read(said, "tool_call_id"), read(said, "content"))
        return message(role, [response])
    return message(role, _parts(said), read(said, "name"))


def _input(body: Body) -> tuple[Any, Any]:
    return None, [_input_message(said) for said in items(body.get("messages"))]


def _messages(body: Any) -> Any:
    return [
        message(read(said, "role") or "assistant", _parts(said))
        for choice in items(read(body, "choices"))
        if (said := read(choice, "message")) is not None
    ]


CHAT: Final = Shape(
    name="openai.chat",
    provider="openai",
    operation="chat",
    paths=("/chat/completions",),
    matches=_matches,
    request=SAMPLING,
    response=response_attributes,
    usage=_usage,
    prompt=("messages", "tools", "functions"),
    output=_output,
    marks=Marks(
        text=(
            "content",
            "arguments",
            "reasoning_content",
            "reasoning",
            "refusal",
        ),
        each=("finish_reason", "name"),
        latest=("usage",),
    ),
    fold=fold,
    input=_input,
    messages=_messages,
    tools=_tools,
)
"""``POST …/chat/completions``."""


# --- the older completions ------------------------------------------------------------------------


def _matches_text(body: Body) -> bool:
    return isinstance(body.get("model"), str) and isinstance(body.get("prompt"), str | list)


TEXT: Final = Shape(
    name="openai.completions",
    provider="openai",
    operation="text_completion",
    paths=("/completions",),
    matches=_matches_text,
    request=SAMPLING,
    response=response_attributes,
    usage=_usage,
    prompt=("prompt", "suffix"),
    output=lambda body: [read(choice, "text") for choice in items(read(body, "choices"))],
    marks=Marks(
        text=("text",),
        each=("finish_reason",),
        latest=("usage",),
    ),
    fold=fold,
    input=asked_in("prompt"),
    messages=lambda body: [
        message("assistant", [text_part(read(choice, "text"))])
        for choice in items(read(body, "choices"))
    ],
)
"""``POST …/completions``."""
