"""What is thrown at, and what must hold whatever is thrown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.plain.library import may_be, place_and_path
from flowspan.instrumentation.clients.wire import describe, recognise
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.recognise import SHAPES, Request, Sighting
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner
from fuzz.corpus import Exchange
from fuzz.mutations import OF_ANSWERS, OF_REQUESTS, cut, mutated

_PACKED: Final = (b"\x1f\x8b", b"\x78")
_HOSTS: Final = (
    *("api.openai.com", "API.Anthropic.com.", "127.0.0.1", "::1", "gateway.example.com"),
    *("generativelanguage.googleapis.com", "api.mistral.ai", "bedrock-runtime.eu.amazonaws.com"),
    *("", ".", "..", "ü.example", "a" * 300, None),
)
_PORTS: Final = (443, 80, 11434, 0, -1, 70000, None)
_URLS: Final = (
    *(
        "http://",
        "https://",
        "//",
        "",
        "http://[::1",
        "http://u:p@",
        "http://h:99999",
        "http://h:x",
    ),
    *("http://h:-1", "unix://", "http://\x00", "http://ü", "HTTP://H"),
)


class Found(NamedTuple):
    """What became of one case.

    Attributes:
        target: What was thrown at.
        size: How many bytes.
        told: In a word, what was made of it.
        mutations: What was done to the bytes before.
        seconds: Processor time that it took, without making the case.
    """

    target: str
    size: int
    told: str
    mutations: Sequence[str]
    seconds: float


def recogniser(chance: Random, exchanges: Sequence[Exchange]) -> Found:
    """A request is one of a format, or none; what its rows tell of it is well-formed."""
    exchange = chance.choice(exchanges)
    others = [each.request for each in exchanges]
    body, mutations = mutated(chance, exchange.request, others, OF_REQUESTS)
    path = _path(chance, exchange, exchanges).partition("?")[0]
    place = Place(chance.choice(_HOSTS), chance.choice(_PORTS))
    headers = exchange.headers if chance.random() < 0.8 else {"\xff": "", "": "x"}
    begun = time.thread_time()
    recognise.configure(chance.choice(((), ("*",), ("gateway.example.com",), ("", ":"))))
    try:
        sighting = recognise.recognise(Request(place, path, body, headers))
    finally:
        recognise.configure()
    if sighting is not None:
        _check_request(sighting)
    told = "none" if sighting is None else sighting.shape.name
    return Found("recogniser", len(body), told, mutations, time.thread_time() - begun)


def urls(chance: Random, exchanges: Sequence[Exchange]) -> Found:
    """Any text may stand where a URL should."""
    exchange = chance.choice(exchanges)
    url = chance.choice(_URLS) + _path(chance, exchange, exchanges)
    begun = time.thread_time()
    place, path = place_and_path(url)
    seen = recognise.recognise(Request(place, path, exchange.request, {})) if may_be(url) else None
    return Found(
        "urls", len(url), "none" if seen is None else "call", (), time.thread_time() - begun
    )


def joiner(chance: Random, exchanges: Sequence[Exchange]) -> Found:
    """An answer is the same however it was cut, and what rows tell of it is well-formed."""
    exchange = chance.choice(exchanges)
    shape = chance.choice(shapes_of(exchange)) if chance.random() < 0.8 else chance.choice(SHAPES)
    others = [each.answer for each in exchanges]
    data, mutations = mutated(chance, exchange.answer, others, OF_ANSWERS)
    content = chance.random() < 0.5
    pieces = cut(chance, data)
    begun = time.thread_time()
    answer, complete = joined(shape, pieces, content=content)
    whole = joined(shape, [data], content=content)
    # Of compressed bytes that are broken, what was unpacked before depends on the pieces.
    if not data.startswith(_PACKED):
        assert repr((answer, complete)) == repr(whole), "the answer depends on how it was cut"
    request = json.loads(exchange.request)
    told = _check_answer(shape, request, answer)
    return Found("joiner", len(data), told, mutations, time.thread_time() - begun)


TARGETS: Final[tuple[Callable[[Random, Sequence[Exchange]], Found], ...]] = (
    *(recogniser, recogniser, joiner, joiner, joiner),
    urls,
)
"""Each as often as it is worth it."""


def _path(chance: Random, exchange: Exchange, exchanges: Sequence[Exchange]) -> str:
    kind = chance.random()
    if kind < 0.6:
        return exchange.path
    if kind < 0.8:
        return chance.choice(exchanges).path
    odd = ("/", "", "?", "//", "/models/:generateContent", "/deployments/", "%", "é", "\x00", ":")
    return chance.choice(odd) + exchange.path + chance.choice(("", "/", "?a=b", "#x"))


def shapes_of(exchange: Exchange) -> Sequence[Shape]:
    """The formats that an exchange may be in, by its path."""
    path = exchange.path.partition("?")[0]
    found = [shape for shape in SHAPES if path.endswith(shape.paths)]
    return found or SHAPES


def joined(shape: Shape, pieces: Sequence[bytes], *, content: bool) -> tuple[Answer, bool]:
    """The answer in some pieces, and whether it says that it is whole."""
    joiner = BodyJoiner(shape, content=content)
    for piece in pieces:
        joiner.add(piece)
    return joiner.result(), joiner.complete


def _check_request(sighting: Sighting) -> None:
    shape, place, body, _, _ = sighting
    attributes = describe.request_attributes(shape, body, place)
    assert isinstance(sighting.model, str)
    _check_attributes(attributes)
    json.dumps(describe.input_content(shape, body))


def _check_answer(shape: Shape, request: Any, answer: Answer) -> str:
    _check_attributes(describe.response_attributes(shape, answer))
    json.dumps(describe.output_content(shape, answer))
    list(describe.requested_tools(shape, answer))
    error = describe.error_type(answer)
    assert error is None or 0 < len(error) <= 64
    usage = describe.usage_of(shape, request, answer)
    if usage is None:
        return "error" if error else "free"
    _check_attributes(usage.attributes())
    return "estimated" if usage.estimated else "reported"


def _check_attributes(attributes: Any) -> None:
    for name, value in attributes.items():
        assert isinstance(name, str)
        assert value is None or isinstance(value, str | bool | int | float | list | tuple), name
