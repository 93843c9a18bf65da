"""Message parts in the conventions' format, from the contents of Gemini.

Images, audio and files are never inlined (see :mod:`.parts`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flowspan.instrumentation.clients.wire.parts import (
    Message,
    Part,
    blob,
    linked,
    message,
    reasoning_part,
    text_part,
    tool_call_part,
)
from flowspan.instrumentation.clients.wire.reading import items, read, text

_ROLES: Final = {"model": "assistant", "function": "tool"}


def message_of(content: Any, role: str) -> Message:
    """The message that a content is; ``role`` is the one of a content that names none."""
    if isinstance(content, str):
        return message(_ROLES.get(role, role), [text_part(content)])
    said = text(read(content, "role")) or role
    return message(_ROLES.get(said, said), parts_in(content))


def parts_in(content: Any) -> list[Part]:
    """The parts of a content; a text is one of its own, and a part stands for a content."""
    if isinstance(content, str):
        return [text_part(content)]
    parts = read(content, "parts")
    if isinstance(parts, dict):  # a request may name a single part without a list
        parts = [parts]
    return [_part_of(part) for part in items(parts)]


def _part_of(part: Any) -> Part:
    if isinstance(part, str):
        return text_part(part)
    if (said := text(read(part, "text"))) is not None:
        return reasoning_part(said) if read(part, "thought") is True else text_part(said)
    for names, make in _PARTS:
        for name in names:
            if (found := read(part, name)) is not None:
                return make(found)
    return {"type": "unknown"}


def _modality(mime_type: Any) -> str:
    kind = (text(mime_type) or "").partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else "document"


def _mime_type(data: Any) -> str | None:
    return text(read(data, "mimeType")) or text(read(data, "mime_type"))


def _inline(data: Any) -> Part:
    mime_type = _mime_type(data)
    return blob(_modality(mime_type), mime_type, read(data, "data"))


def _file(data: Any) -> Part:
    address = read(data, "fileUri") or read(data, "file_uri")
    return linked(_modality(_mime_type(data)), address)


def _call(called: Any) -> Part:
    return tool_call_part(read(called, "id"), read(called, "name"), read(called, "args"))


def _response(response: Any) -> Part:
    identity, answer = text(read(response, "id")), read(response, "response")
    found: Part = {"type": "tool_call_response", "id": identity, "response": answer}
    if (name := text(read(response, "name"))) is not None:
        found["name"] = name
    return found


def _code(code: Any) -> Part:
    return {
        "type": "executable_code",
        "language": text(read(code, "language")),
        "content": text(read(code, "code")),
    }


def _ran(result: Any) -> Part:
    return {
        "type": "code_execution_result",
        "outcome": text(read(result, "outcome")),
        "content": text(read(result, "output")),
    }


_PARTS: Final[tuple[tuple[tuple[str, ...], Callable[[Any], Part]], ...]] = (
    (("functionCall", "function_call"), _call),
    (("functionResponse", "function_response"), _response),
    (("inlineData", "inline_data"), _inline),
    (("fileData", "file_data"), _file),
    (("executableCode", "executable_code"), _code),
    (("codeExecutionResult", "code_execution_result"), _ran),
)
