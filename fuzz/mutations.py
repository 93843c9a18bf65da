"""Mutations that keep the grammar, more or less: of JSON, of the frames of a stream, of bytes."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

_MOST_BYTES: Final = 50_000
"""Longer than this nothing grows."""
_MOST_INDENTED: Final = 5_000
_SEPARATORS: Final = ((",", ":"), (", ", ": "), (" ,\t", " :\n"))

_ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 2**63, -(10**30), 10**400, float("nan"), float("inf")),
    *("", " ", "x" * 5000, "\ud800", "\u2028", "\x00", '"error"', "[DONE]", "data: {}\n\n", "\\"),
    *("error", "message_stop", "response.completed", "data:image/png;base64,AAAA", "stop"),
    *([], {}, [[]], [None], {"": None}, {"type": []}, {"error": {}}, {"error": "x"}, "429"),
)
_WORDS: Final = (
    *("type", "error", "usage", "content", "text", "delta", "choices", "index", "model", "message"),
    *("messages", "done", "finish_reason", "tool_calls", "function", "arguments", "id", "input"),
    *("candidates", "parts", "usageMetadata", "prompt", "stream", "role", "output", "response"),
)
_TELLING: Final[tuple[dict[str, Any], ...]] = (
    {"type": "error"},
    {"object": "error"},
    {"type": "message_stop"},
    {"type": "message-end"},
    {"event_type": "stream-end"},
    {"done": True},
    {"error": {"type": "overloaded", "message": "x"}},
    {"error": "no"},
    {"content": "text"},
    {"usage": {"input_tokens": 1, "output_tokens": 2}},
    {"finish_reason": "stop"},
)
"""Members by which events say what they are."""
_LINES: Final = (
    *(
        b"",
        b": comment",
        b"event: error",
        b"data",
        b"data:",
        b"data: [DONE]",
        b"id: 1",
        b"retry: x",
    ),
    *(b"{", b"}", b"[", b"]", b",", b"data: {", b'data: {"error":"x"}', b'{"done":true}', b"\xff"),
)
_AFTER_AN_EVENT: Final = re.compile(rb"(?<=\n\n)")
_AFTER_A_LINE: Final = re.compile(rb"(?<=\n)")
_ENDS: Final = (b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n")

Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]
"""From chance, what is mutated, and other material."""


# --- JSON -----------------------------------------------------------------------------------------


def mutated_json(
    chance: Random, value: Any, others: Sequence[bytes], replaced: float = 0.35
) -> Any:
    """A JSON value with one thing about it changed, anywhere in it.

    Args:
        chance: Decides.
        value: The value.
        others: JSON texts, of which one may be put in.
        replaced: How likely it is that the value itself is replaced, and not something in it.
    """
    if chance.random() < replaced or not isinstance(value, dict | list) or not value:
        return _instead(chance, value, others)
    if isinstance(value, list):
        return _mutated_list(chance, value, others)
    return _mutated_object(chance, value, others)


def _mutated_list(chance: Random, value: list[Any], others: Sequence[bytes]) -> list[Any]:
    at = chance.randrange(len(value))
    kind = chance.randrange(4)
    if kind == 0:
        return value[:at] + value[at + 1 :]
    if kind == 1:
        return value + [value[at]] * chance.choice((1, 2, 300 // len(value)))
    changed = list(value)
    changed[at] = mutated_json(chance, value[at], others)
    return changed


def _mutated_object(chance: Random, value: dict[str, Any], others: Sequence[bytes]) -> Any:
    name = chance.choice(list(value))
    kind = chance.randrange(8)
    changed = dict(value)
    if kind == 0:
        del changed[name]
    elif kind == 1:
        changed[chance.choice(_WORDS)] = changed.pop(name)
    elif kind == 2:
        changed[chance.choice(_WORDS)] = chance.choice(_ODD)
    elif kind == 3:
        changed |= chance.choice(_TELLING)
    else:
        changed[name] = mutated_json(chance, value[name], others)
    return changed


def _instead(chance: Random, value: Any, others: Sequence[bytes]) -> Any:
    kind = chance.randrange(5)
    if kind == 0:
        return [value]
    if kind == 1:
        return {chance.choice(_WORDS): value}
    if kind == 2:
        return loaded(chance.choice(others))
    if kind == 3:
        for _ in range(chance.choice((5, 50, 400))):
            value = [value] if chance.random() < 0.5 else {"content": value}
        return value
    return chance.choice(_ODD)


def loaded(data: bytes) -> Any:
    """The JSON in some bytes, or nothing."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def dumped(value: Any, chance: Random) -> bytes:
    """A JSON value as bytes, dense, spaced or indented, in ASCII or not."""
    ascii_only = chance.random() < 0.5
    text = json.dumps(value, ensure_ascii=ascii_only, separators=chance.choice(_SEPARATORS))
    if len(text) < _MOST_INDENTED and chance.random() < 0.3:
        text = json.dumps(value, ensure_ascii=ascii_only, indent=2)
    return text.encode("utf-8", "surrogatepass")


def _json(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    value = loaded(data)
    return dumped(mutated_json(chance, value, others, 0.03), chance) if value is not None else data


# --- frames ---------------------------------------------------------------------------------------


def _frames(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Change the events of a stream: leave one out, repeat, swap, or change the JSON in one."""
    events = data.split(b"\n\n") if b"\n\n" in data else data.split(b"\n")
    separator = b"\n\n" if b"\n\n" in data else b"\n"
    at = chance.randrange(len(events))
    kind = chance.randrange(5)
    if kind == 0:
        del events[at]
    elif kind == 1:
        events[at:at] = [events[at]] * chance.choice((1, 3, 700))
    elif kind == 2:
        chance.shuffle(events)
    else:
        head, colon, body = events[at].partition(b"{")
        value = loaded(colon + body)
        changed = mutated_json(chance, value, others, 0.05)
        events[at] = head + dumped(changed, chance).replace(b"\n", b" ")
    return separator.join(events)


def _lines(chance: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Put an odd line somewhere, or end all lines otherwise."""
    if chance.random() < 0.3:
        return data.replace(b"\n", chance.choice(_ENDS))
    lines = data.split(b"\n")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(_LINES))
    return b"\n".join(lines)


# --- bytes ----------------------------------------------------------------------------------------


def _bytes(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Flip, cut out, cut off, repeat, put in."""
    at = chance.randrange(len(data) + 1)
    upto = min(len(data), at + chance.choice((1, 2, 20, 1000)))
    kind = chance.randrange(6)
    if kind == 0:
        return data[:at] + chance.randbytes(1) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[upto:]
    if kind == 2:
        return data[:at]
    if kind == 3:
        return data[:upto] + data[at:upto] * chance.choice((1, 5, 100)) + data[upto:]
    if kind == 4:
        return data[:at] + chance.choice((b'"', b"\\", b"{", b"\x00", b"\xc3")) + data[at:]
    return data[:at] + chance.choice(others) + data[at:]


def _packed(chance: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Compress, perhaps with a fault in it."""
    packed = chance.choice((gzip.compress, zlib.compress))(data)
    return _bytes(chance, packed, others) if chance.random() < 0.3 else packed


def _anything(chance: Random, _data: bytes, _others: Sequence[bytes]) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 3, 100)))


_MUTATIONS: Final[dict[str, Mutation]] = {
    "json": _json,
    "frames": _frames,
    "lines": _lines,
    "bytes": _bytes,
    "packed": _packed,
    "anything": _anything,
}
OF_REQUESTS: Final = {"json": 80, "bytes": 15, "packed": 1, "anything": 1}
"""How often each is done to a request."""
OF_ANSWERS: Final = {
    "json": 25,
    "frames": 35,
    "lines": 15,
    "bytes": 20,
    "packed": 4,
    "anything": 1,
}
"""How often each is done to an answer."""


def mutated(
    chance: Random, data: bytes, others: Sequence[bytes], kinds: Mapping[str, int]
) -> tuple[bytes, list[str]]:
    """Some bytes with up to four mutations on each other, and the names of these."""
    chosen = chance.choices(list(kinds), list(kinds.values()), k=chance.choice((0, 1, 1, 2, 3, 4)))
    for name in chosen:
        if len(data) <= _MOST_BYTES:
            data = _MUTATIONS[name](chance, data, others)
    return data[: 10 * _MOST_BYTES], chosen


def cut(chance: Random, data: bytes) -> list[bytes]:
    """The same bytes in pieces, as a network might bring them: often an event in each."""
    if chance.random() < 0.4:
        after = _AFTER_AN_EVENT if b"\n\n" in data else _AFTER_A_LINE
        return [piece for piece in after.split(data) if piece]
    most = chance.choice((1, 3, 40, 1000, 100_000))
    pieces: list[bytes] = []
    at = 0
    while at < len(data) and len(pieces) < 3000:
        upto = at + chance.randint(0 if len(pieces) % 7 else 1, most)
        pieces.append(data[at:upto])
        at = upto
    return [*pieces, data[at:]]
