"""Whatever an extractor brings is kept sensibly, and no exporter stumbles over it."""

from __future__ import annotations

import datetime as dt
import enum
import json
import logging
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from flowspan.instrumentation import streams
from flowspan.instrumentation.integration import Event, Integration, Patch
from flowspan.instrumentation.values import MOST_ITEMS, cleaned
from flowspan.testing import record


class Word(str, enum.Enum):  # noqa: UP042 - the older form is what programs have
    YES = "yes"


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mute:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class Broken(list[int]):
    def __len__(self) -> int:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("é", "é"),
        ("lone \ud800", "lone ?"),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (True, True),
        (None, None),
        (Word.YES, "yes"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 2), 0.5),
        (b"by\xfftes", "by\ufffdtes"),
        (bytearray(b"bytes"), "bytes"),
        (PurePosixPath("/a/b"), "/a/b"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.date(2026, 11, 20), "2026-11-20"),
        ([], ()),
        ([1, 2], (1, 2)),
        ([1, 2.5], (1.0, 2.5)),
        (["a", "\ud800"], ("a", "?")),
        (range(2), (0, 1)),
        ([1, None], "[1, null]"),
        ([1, "a"], '[1, "a"]'),
        ([[1], [2]], "[[1], [2]]"),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        ({1: float("nan"), (2, 3): float("inf")}, '{"1": "nan", "(2, 3)": "inf"}'),
        (Mute(), "<Mute that cannot be shown>"),
        ([Mute()], ("<Mute that cannot be shown>",)),
        (Broken(), "<Broken that cannot be shown>"),
    ],
)
def test_values_become_what_a_span_can_hold(value: Any, expected: Any) -> None:
    found = cleaned(value)
    assert found == expected
    assert type(found) is type(expected)


def test_values_of_numpy_become_pythons() -> None:
    numpy = pytest.importorskip("numpy")
    assert cleaned(numpy.int64(3)) == 3
    assert cleaned(numpy.float32(0.5)) == 0.5
    assert cleaned(numpy.bool_(True)) is True
    assert cleaned(numpy.array([1, 2])) == (1, 2)
    assert "..." in cleaned(numpy.zeros(10_000))


def test_what_is_long_deep_or_circular_is_bounded() -> None:
    circle: dict[str, Any] = {}
    circle.update(a=circle, b=circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "characters more" in cleaned("x" * 1_000_000)
    assert len(json.loads(cleaned(list(range(1_000_000))))) == MOST_ITEMS
    assert "…" in cleaned(circle)
    assert "…" in cleaned(deep)


HOSTILE: dict[Any, Any] = {
    "none": None,
    "nested": {"a": [1, {"b": object()}]},
    "bytes": b"\xff",
    "nan": float("nan"),
    "surrogate \ud800": "\ud800",
    "mixed": [1, "a", None],
    "huge": 10**30,
    7: "a key that is no text",
    Word.YES: "a key that is a kind of text",
}


def test_no_exporter_and_no_log_notices_hostile_attributes(
    toy: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    patch = Patch(
        target="toyengine:Engine.node",
        kind="node",
        name=lambda _: "na\ud800me",
        span_name=lambda _: b"span",  # type: ignore[arg-type, return-value]
        request=lambda _: HOSTILE,
        response=lambda _c, _r: HOSTILE,
        failure=lambda _c, _e: HOSTILE,
        before=lambda _: [Event("\ud800", HOSTILE), Event(5, HOSTILE)],  # type: ignore[arg-type]
    )

    def fail(_: int) -> None:
        raise LookupError("not \ud800 found")

    with caplog.at_level(logging.DEBUG), record(Integration("toy", "", (patch,))) as recording:
        toy.Engine().node(1)
        with pytest.raises(LookupError):
            toy.Engine().node(1, fail)

        encoded = encode_spans(list(recording.spans))
        assert len(encoded.SerializeToString()) > 0
        attributes = dict(recording.spans[0].attributes or {})
        assert recording.spans[0].name == "span"
        assert attributes["nested"].startswith('{"a": [1, {"b": "<object')
        assert attributes["7"] == "a key that is no text"
        assert attributes["yes"] == "a key that is a kind of text"
        assert "none" not in attributes
    assert not caplog.records


async def _nothing() -> None:
    """Awaited by nobody."""


ODD: tuple[Any, ...] = (5, "text", [1], [None], object(), float("nan"), Mute(), Broken(), True)


@pytest.mark.parametrize("answer", ODD, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize(
    "slot",
    [
        "name", "span_name", "operation", "request", "response", "snapshot", "before", "after",
        "usage", "content", "join", "lazy", "keep", "outcome", "salvage",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["run", "llm", None])
def test_an_extractor_may_answer_with_anything(
    toy: ModuleType, slot: str, answer: Any, kind: Any
) -> None:
    """Its call is seen or not, but every span that began ends, and the program goes on."""
    patch: dict[str, Any] = {
        "target": "toyengine:Engine.node",
        "kind": kind,
        slot: lambda *_: answer,
    }
    around = Patch(target="toyengine:Engine.run", kind="run", name="around")

    def fail(_: int) -> None:
        raise LookupError

    with record(
        Integration("toy", "", (around, Patch(**patch))), strict=False, content="full"
    ) as recording:
        assert toy.Engine().run(1) == [0]
        with pytest.raises(LookupError):
            toy.Engine().run(1, fail)

        streams.end_open()
        expected = 2 if kind is None or slot == "keep" else 4
        assert len(recording.spans) >= expected
        assert encode_spans(list(recording.spans)).SerializeToString()
