"""Reads values that may be anything: a parsed JSON body, a keyword, an SDK's typed object.

Each function gives ``None`` (or nothing) for what is not of its type, so that an SDK's "not given"
marks and a server's oddities never become attributes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from flowspan.estimates import utf8_length

_MOST_PARSED: Final = 4_000_000
"""Bodies beyond this many bytes (embeddings, images) are read at their end only, where usage is."""
_TAIL: Final = 65_536
_AT_THE_END: Final = (
    *("usage", "model"),  # OpenAI and those who speak its formats
    *("usageMetadata", "modelVersion", "responseId"),  # Gemini
    *("prompt_eval_count", "eval_count", "meta"),  # Ollama, Cohere
)
_DECODER: Final = json.JSONDecoder()


def read(value: Any, name: str) -> Any:
    """The member ``name`` of a mapping or an object, or ``None``."""
    if type(value) is dict:
        return value.get(name)
    if (found := getattr(value, name, None)) is not None:
        return found
    return value.get(name) if isinstance(value, Mapping) else None


def text(value: Any) -> str | None:
    """A string (an enumeration of strings gives its value)."""
    if type(value) is str:
        return value
    return str.__str__(value) if isinstance(value, str) else None


def word(value: Any) -> str | None:
    """A string that is not empty."""
    return text(value) or None


def word_in(name: str) -> Callable[[Any], str | None]:
    """A reader of the word that is a value's member ``name``."""
    return lambda value: word(read(value, name))


def number(value: Any) -> float | None:
    """A number that is not a truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def count(value: Any) -> int | None:
    """A whole number that is not negative, as token counts are."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def words(value: Any) -> list[str] | None:
    """A list of strings; a single string is a list of one."""
    if isinstance(value, str):
        return [value]
    found = [item for item in items(value) if isinstance(item, str)]
    return found or None


def items(value: Any) -> Sequence[Any]:
    """The items of a list or tuple; nothing else is looked into (an iterator could be used up)."""
    return value if isinstance(value, list | tuple) else ()


def parsed(body: bytes) -> Any:
    """A JSON body, or what can be told of one that is very large, or ``None``."""
    if len(body) > _MOST_PARSED:
        return tail_of(body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def tail_of(body: bytes) -> dict[str, Any]:
    """Usage and model of a large answer, which providers put behind its data."""
    end = body[-_TAIL:].decode("utf-8", "replace")
    return {name: value for name in _AT_THE_END if (value := _member(end, name)) is not None}


def _member(end: str, name: str) -> Any:
    at = end.rfind(f'"{name}":')
    if at < 0:
        return None
    rest = end[at + len(name) + 3 :].lstrip()
    try:
        return _DECODER.raw_decode(rest)[0]
    except (ValueError, RecursionError):
        return None


def text_bytes(value: Any) -> int:
    """How much text a prompt or an answer holds, in UTF-8 bytes; the data of images is left out."""
    return sum(utf8_length(found) for found in texts(value))


def texts(value: Any, depth: int = 8) -> Iterator[str]:
    """Every text in a value: strings, and the members of lists and mappings that hold text."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif depth <= 0:
        return
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item, depth - 1)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if name not in _NO_TEXT:
                yield from texts(member, depth - 1)
    elif hasattr(type(value), "model_fields"):  # a typed object of an SDK (pydantic)
        yield from texts(value.__dict__, depth - 1)


_NO_TEXT: Final = frozenset(
    {
        "type",
        "role",
        "id",
        "call_id",
        "tool_call_id",
        "tool_use_id",
        "data",
        "url",
        "file_data",
        "image_url",
        "signature",
        "thoughtSignature",
        "thought_signature",
        "mimeType",
        "mime_type",
        "fileUri",
        "file_uri",
        "encrypted_content",
        "cache_control",
        "index",
        "status",
        "object",
    }
)
