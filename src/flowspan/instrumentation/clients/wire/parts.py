"""Message parts in the conventions' format, from the content blocks of OpenAI and Anthropic.

Images, audio and files are never inlined: a ``blob`` part tells modality, MIME type and size.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.wire.reading import items, read, text

Part = dict[str, Any]
Message = dict[str, Any]


def message(role: Any, parts: list[Part], name: Any = None) -> Message:
    """A message of the conventions' format."""
    found: Message = {"role": text(role) or "", "parts": parts}
    if (name := text(name)) is not None:
        found["name"] = name
    return found


def text_part(content: Any) -> Part:
    """A text."""
    return {"type": "text", "content": text(content) or ""}


def reasoning_part(content: Any) -> Part:
    """What the model thought."""
    return {"type": "reasoning", "content": text(content) or ""}


def tool_call_part(identity: Any, name: Any, arguments: Any) -> Part:
    """A tool that the model asked for; its arguments as an object where they can be read."""
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError, RecursionError):  # else the text, as it came
            arguments = json.loads(arguments)
    return {"type": "tool_call", "id": text(identity), "name": text(name), "arguments": arguments}


def tool_response_part(identity: Any, response: Any) -> Part:
    """What a tool answered."""
    if not isinstance(response, str):
        response = parts_of(response)
    return {"type": "tool_call_response", "id": text(identity), "response": response}


def parts_of(content: Any) -> list[Part]:
    """The parts of a message's content: a text, or a list of content blocks."""
    if isinstance(content, str):
        return [text_part(content)]
    return [part_of(block) for block in items(content)]


def asked_in(member: str) -> Callable[[Mapping[str, Any]], tuple[Any, Any]]:
    """Input of a format whose request has all that the user asks in one member."""
    return lambda body: (None, [message("user", parts_of(body.get(member)))])


def part_of(block: Any) -> Part:
    """The part that a content block is; of one that is not known, its type."""
    if isinstance(block, str):
        return text_part(block)
    kind = text(read(block, "type")) or "unknown"
    make = _PARTS.get(kind)
    return make(block) if make is not None else {"type": kind}


def blob(modality: str, mime_type: str | None, data: Any) -> Part:
    """A placeholder for inline data: ``size`` is its length as it was sent (base64), in bytes."""
    size = len(data) if isinstance(data, str | bytes) else None
    return {
        "type": "blob",
        "modality": modality,
        "mime_type": mime_type,
        "content": "",
        "size": size,
    }


def _uri(modality: str, address: str) -> Part:
    # What follows the path may be a signature that opens the file to anybody.
    uri = address.partition("?")[0].partition("#")[0]
    return {"type": "uri", "modality": modality, "uri": uri}


def _file(modality: str, identity: Any) -> Part:
    return {"type": "file", "modality": modality, "file_id": text(identity)}


def linked(modality: str, address: Any) -> Part:
    """An address: inline data, or a place where the data lies."""
    if not isinstance(address, str):
        return blob(modality, None, None)
    if address.startswith("data:"):
        head, _, data = address.partition(",")
        return blob(modality, head[5:].partition(";")[0] or None, data)
    return _uri(modality, address)


def _openai_image(block: Any) -> Part:
    if (identity := read(block, "file_id")) is not None:
        return _file("image", identity)
    address = read(block, "image_url")
    return linked("image", address if isinstance(address, str) else read(address, "url"))


def _openai_audio(block: Any) -> Part:
    audio = read(block, "input_audio")
    return blob("audio", f"audio/{text(read(audio, 'format')) or '*'}", read(audio, "data"))


def _openai_file(block: Any) -> Part:
    file = read(block, "file") or block
    if (identity := read(file, "file_id")) is not None:
        return _file("document", identity)
    return linked("document", read(file, "file_data") or read(file, "file_url"))


def _anthropic_source(modality: str) -> Callable[[Any], Part]:
    def make(block: Any) -> Part:
        source = read(block, "source")
        kind = read(source, "type")
        if kind == "url":
            return linked(modality, read(source, "url"))
        if kind == "file":
            return _file(modality, read(source, "file_id"))
        if kind == "text":
            return text_part(read(source, "data"))
        return blob(modality, text(read(source, "media_type")), read(source, "data"))

    return make


def _joined(content: Any) -> str | None:
    """A text; Mistral has a list of text blocks in its place."""
    if isinstance(content, str):
        return text(content)
    return "".join(text(read(block, "text")) or "" for block in items(content))


def _of(make: Callable[..., Part], *names: str) -> Callable[[Any], Part]:
    return lambda block: make(*(read(block, name) for name in names))


_PARTS: Final[dict[str, Callable[[Any], Part]]] = {
    # OpenAI
    "text": _of(text_part, "text"),
    "input_text": _of(text_part, "text"),
    "output_text": _of(text_part, "text"),
    "summary_text": _of(reasoning_part, "text"),
    "reasoning_text": _of(reasoning_part, "text"),
    "refusal": lambda block: {"type": "refusal", "content": text(read(block, "refusal"))},
    "image_url": _openai_image,
    "input_image": _openai_image,
    "input_audio": _openai_audio,
    "file": _openai_file,
    "input_file": _openai_file,
    # Anthropic
    "image": _anthropic_source("image"),
    "document": _anthropic_source("document"),
    "tool_use": _of(tool_call_part, "id", "name", "input"),
    "tool_result": _of(tool_response_part, "tool_use_id", "content"),
    "thinking": lambda block: reasoning_part(_joined(read(block, "thinking"))),
}
