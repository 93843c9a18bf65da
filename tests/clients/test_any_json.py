"""Whatever JSON a program sends and a server answers, every format reads it without failing."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowspan.instrumentation.clients import wire
from flowspan.instrumentation.clients.wire import background, describe, failing, recognise
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.recognise import Request
from flowspan.instrumentation.clients.wire.shape import Answer, Shape
from flowspan.instrumentation.clients.wire.stream import BodyJoiner, answer_in
from flowspan.usage import Usage
from flowspan.usageshapes import SHAPES as COUNTS

FOLDER = Path(wire.__file__).parent
SOURCES = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.py"))]
NAMES = sorted({name for source in SOURCES for name in re.findall(r'"([A-Za-z_]{1,40})"', source)})
COUNTED = sorted({row.name for shape in COUNTS.values() for row in shape.rows})


def shapes() -> list[Shape]:
    """Every format of every module: none can be forgotten here."""
    modules = [
        importlib.import_module(f"{wire.__name__}.{found.name}")
        for found in pkgutil.iter_modules(wire.__path__)
    ]
    found = {
        value.name: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Shape)
    }
    return [found[name] for name in sorted(found)]


few = settings(max_examples=30)
"""Of each format: together they are thousands."""

every_shape = pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)

members = st.sampled_from(NAMES) | st.sampled_from(COUNTED) | st.text(max_size=3)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(members, inner, max_size=5),
    max_leaves=15,
)
bodies = st.dictionaries(members, anything, max_size=6)


def check(shape: Shape, request: dict[str, Any], answer: Answer) -> None:
    """What is told of a call is well formed: attributes, messages as JSON, usage in normal form."""
    responded = describe.response_attributes(shape, answer)
    json.dumps(describe.output_content(shape, answer))
    for tool in describe.requested_tools(shape, answer):
        assert isinstance(tool.name, str | None)
        assert isinstance(tool.call_id, str | None)
    for value in responded.values():
        assert value is None or isinstance(value, str | bool | int | float | list)
    check_usage(describe.usage_of(shape, request, answer))
    check_usage(background.usage_of_background(shape, answer))


def check_usage(usage: Usage | None) -> None:
    """Parts are never larger than their whole, and nothing is negative."""
    if usage is None:
        return
    wholes = (
        (usage.input_tokens, (usage.cache_read_tokens, usage.cache_write_tokens)),
        (usage.output_tokens, (usage.reasoning_tokens,)),
    )
    for whole, parts in wholes:
        assert whole is None or whole >= sum(part or 0 for part in parts) >= 0


@every_shape
@few
@given(request_body=bodies, answer_body=anything)
def test_any_request_and_any_answer_can_be_described(
    shape: Shape, request_body: dict[str, Any], answer_body: Any
) -> None:
    shape.matches(request_body)
    requested = describe.request_attributes(shape, request_body, Place("h", 1))
    json.dumps(describe.input_content(shape, request_body))

    for value in requested.values():
        assert value is None or isinstance(value, str | bool | int | float | list)
    check(shape, request_body, Answer(answer_body, error=failing.error_type_of(answer_body)))


@every_shape
@few
@given(events=st.lists(bodies, max_size=5))
def test_any_events_can_be_added_up(shape: Shape, events: list[dict[str, Any]]) -> None:
    if events:
        check(shape, {}, Answer(shape.fold(events), output_bytes=7))


@every_shape
@few
@given(
    pieces=st.lists(
        st.binary(max_size=40)
        | bodies.map(lambda body: b"data: " + json.dumps(body).encode() + b"\n\n")
        | bodies.map(lambda body: json.dumps(body).encode() + b"\n"),
        max_size=6,
    ),
    content=st.booleans(),
)
def test_any_bytes_can_be_joined(shape: Shape, pieces: list[bytes], content: bool) -> None:  # noqa: FBT001 - a parameter
    joiner = BodyJoiner(shape, content=content)
    for piece in pieces:
        joiner.add(piece)

    check(shape, {}, joiner.result())
    check(shape, {}, answer_in(shape, b"".join(pieces), status=200, content=content))


@given(
    usage=st.dictionaries(st.sampled_from(COUNTED), anything, max_size=8),
    shape=st.sampled_from(sorted(COUNTS)),
)
def test_any_counts_come_into_the_normal_form(usage: dict[str, Any], shape: str) -> None:
    check_usage(Usage.of(shape, usage))


@given(body=st.binary(max_size=60) | bodies.map(lambda body: json.dumps(body).encode()))
@pytest.mark.parametrize("path", [*recognise._ENDINGS, "/other"])
def test_any_body_can_be_looked_at(path: str, body: bytes) -> None:
    """The recogniser takes whatever a program sends."""
    found = recognise.recognise(Request(Place("api.openai.com", 443), path, body, {}))

    assert found is None or found.model is None or isinstance(found.model, str)
