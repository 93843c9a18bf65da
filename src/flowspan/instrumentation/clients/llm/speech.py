"""What is said in a prompt and its answer: texts, for estimates, and messages, for content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    message,
    reasoning_part,
    text_part,
    tool_call_part,
    tool_response_part,
)
from flowspan.instrumentation.clients.wire.reading import items, read, text, word
from flowspan.instrumentation.integration import Content


def texts(answer: Any) -> Iterator[str]:
    """Every text that is sent, the conversation so far included."""
    prompt = getattr(answer, "prompt", None)
    said = getattr(prompt, "messages", None)
    if isinstance(said, list):
        yield from _texts_of(said)
    else:
        yield from _former(answer)
        yield from _now(prompt)
    if system := word(getattr(prompt, "system", None)):
        yield system


def _texts_of(said: list[Any]) -> Iterator[str]:
    for each in said:
        if read(each, "role") == "system":
            continue  # is on the prompt as well
        for part in items(read(each, "parts")):
            for name in ("text", "output"):
                if found := word(read(part, name)):
                    yield found


def _former(answer: Any) -> Iterator[str]:
    """Older versions keep a conversation as its responses."""
    for former in items(getattr(getattr(answer, "conversation", None), "responses", None)):
        if former is not answer:
            yield from _now(getattr(former, "prompt", None))
            yield from (chunk for chunk in items(getattr(former, "_chunks", None)) if text(chunk))


def _now(prompt: Any) -> Iterator[str]:
    if found := word(getattr(prompt, "prompt", None)):
        yield found
    for result in items(getattr(prompt, "tool_results", None)):
        if found := word(read(result, "output")):
            yield found


# --- messages -------------------------------------------------------------------------------------


def asked(answer: Any) -> Content:
    """What was asked, in the conventions' format."""
    prompt = getattr(answer, "prompt", None)
    said = getattr(prompt, "messages", None)
    messages: list[Message] = []
    if isinstance(said, list):
        messages = [_message(each) for each in said if read(each, "role") != "system"]
    else:
        messages = [message("user", [text_part(found)]) for found in _former(answer)]
        messages += _turn(prompt)
    system = word(getattr(prompt, "system", None))
    return Content(input=messages, system=[text_part(system)] if system else None)


def _turn(prompt: Any) -> list[Message]:
    results = [
        tool_response_part(read(result, "tool_call_id"), text(read(result, "output")))
        for result in items(getattr(prompt, "tool_results", None))
    ]
    found = [message("tool", results)] if results else []
    parts: list[Part] = [_attachment(each) for each in items(getattr(prompt, "attachments", None))]
    if said := word(getattr(prompt, "prompt", None)):
        parts.insert(0, text_part(said))
    return [*found, message("user", parts)] if parts else found


def answered(answer: Any) -> Content:
    """What was answered, in the conventions' format."""
    said = "".join(chunk for chunk in items(getattr(answer, "_chunks", None)) if text(chunk))
    parts: list[Part] = [text_part(said)] if said else []
    parts += [
        tool_call_part(read(call, "tool_call_id"), read(call, "name"), read(call, "arguments"))
        for call in items(getattr(answer, "_tool_calls", None))
    ]
    return Content(output=[message("assistant", parts)])


def _message(said: Any) -> Message:
    return message(read(said, "role"), [_part(part) for part in items(read(said, "parts"))])


def _part(part: Any) -> Part:
    kind = type(part).__name__
    if kind == "ToolCallPart":
        return tool_call_part(
            read(part, "tool_call_id"), read(part, "name"), read(part, "arguments")
        )
    if kind == "ToolResultPart":
        return tool_response_part(read(part, "tool_call_id"), text(read(part, "output")))
    if kind == "AttachmentPart":
        return _attachment(read(part, "attachment"))
    if kind == "ReasoningPart":
        return reasoning_part(read(part, "text"))
    return text_part(read(part, "text"))


def _attachment(attachment: Any) -> Part:
    """An attachment is never read for us: its type may have to be fetched, its bytes as well."""
    kind = word(read(attachment, "type"))
    data = read(attachment, "content")
    size = len(data) if isinstance(data, bytes) else None
    return {"type": "blob", "mime_type": kind, "size": size}
