"""Rows on every form that a function has: what it is called with, and when it has ended."""

from __future__ import annotations

import asyncio
import functools
import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration
from flowspan.testing import record

PROGRAM = """
import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass


class Slotted:
    __slots__ = ("key", "status")

    def __init__(self, key):
        self.key = key
        self.status = "new"

    def act(self, task):
        self.status = "done"
        inner(task)
        return {"ok": task}

    @staticmethod
    def static(task):
        return inner(task)

    @classmethod
    def made(cls, task):
        return inner(task), cls.__name__

    async def wait(self, task):
        await asyncio.sleep(0)
        self.status = "waited"
        return inner(task)

    def parts(self, task):
        for letter in task:
            yield inner(letter)
        self.status = "read"
        return len(task)

    async def stream(self, task):
        for letter in task:
            await asyncio.sleep(0)
            yield inner(letter)
        self.status = "streamed"

    @contextlib.contextmanager
    def session(self, task):
        yield inner(task)

    def __call__(self, task):
        return inner(task)


@dataclass(slots=True)
class Frozen:
    key: str
    status: str = "new"

    def act(self, task):
        self.status = "done"
        return inner(task)


class Base(ABC):
    @abstractmethod
    def work(self, task): ...


class Writer(Base):
    def work(self, task):
        return inner(task)


class Critic(Writer):
    def work(self, task):
        return super().work(task)


def inner(task):
    return task


def outer(task):
    def nested(task):
        return inner(task)

    return nested(task)
"""

ROWS = "".join(
    f"""
[[rows]]
target = "formed:{owner}.{name}"
kind = "node"
name = "{name}"
id = "{{task}}"
{extra}
"""
    for owner, name, extra in (
        ("Slotted", "act", 'transition = { watch = "self.status" }\nstate = "self"'),
        ("Slotted", "static", ""),
        ("Slotted", "made", 'attributes = { "of" = "{self}" }'),
        ("Slotted", "wait", 'transition = { watch = "self.status" }'),
        ("Slotted", "parts", 'transition = { watch = "self.status" }'),
        ("Slotted", "stream", 'transition = { watch = "self.status" }'),
        ("Slotted", "session", ""),
        ("Slotted", "__call__", ""),
        ("Frozen", "act", 'state = "self"'),
        ("Base", "work", "subclasses = true"),
    )
)
INNER = '[[rows]]\ntarget = "formed:inner"\nkind = "tool"\nname = "inner"\n'


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "formed.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("formed")
    del sys.modules["formed"]


@pytest.fixture(name="formed")
def _formed(mapped: Callable[[str], Integration]) -> Integration:
    return mapped(ROWS + INNER)


async def _collected(stream: Any) -> list[Any]:
    return [part async for part in stream]


def _with(manager: Any) -> Any:
    with manager as found:
        return found


CALLS: dict[str, Callable[[Any], Any]] = {
    "act": lambda m: m.Slotted("k").act("ab"),
    "static": lambda m: (m.Slotted.static("ab"), m.Slotted("k").static("ab")),
    "made": lambda m: (m.Slotted.made("ab"), m.Slotted("k").made("ab")),
    "wait": lambda m: asyncio.run(m.Slotted("k").wait("ab")),
    "parts": lambda m: list(m.Slotted("k").parts("ab")),
    "stream": lambda m: asyncio.run(_collected(m.Slotted("k").stream("ab"))),
    "session": lambda m: _with(m.Slotted("k").session("ab")),
    "__call__": lambda m: m.Slotted("k")("ab"),
    "frozen": lambda m: m.Frozen("k").act("ab"),
    "abstract": lambda m: (m.Writer().work("ab"), m.Critic().work("ab")),
    "partial": lambda m: functools.partial(m.Slotted("k").act, "ab")(),
}

TREES = {
    "act": "run_step act\n  execute_tool inner",
    "static": "run_step static\n  execute_tool inner\nrun_step static\n  execute_tool inner",
    "made": "run_step made\n  execute_tool inner\nrun_step made\n  execute_tool inner",
    "wait": "run_step wait\n  execute_tool inner",
    "parts": "run_step parts\n  execute_tool inner\n  execute_tool inner",
    "stream": "run_step stream\n  execute_tool inner\n  execute_tool inner",
    "session": "run_step session\n  execute_tool inner",
    "__call__": "run_step __call__\n  execute_tool inner",
    "frozen": "run_step act\n  execute_tool inner",
    "abstract": "run_step work\n  execute_tool inner\nrun_step work\n  execute_tool inner",
    "partial": "run_step act\n  execute_tool inner",
}


@pytest.mark.parametrize("form", CALLS)
def test_every_form_of_function_is_seen_and_gives_what_it_gave(
    program: Any, formed: Integration, form: str
) -> None:
    expected = CALLS[form](program)
    with record(formed) as recording:
        assert CALLS[form](program) == expected

    assert recording.spans.tree() == TREES[form]
    assert {
        (span.attributes or {})[semconv.NODE_ID] for span in recording.spans.of_kind("node")
    } == {"ab"}
    assert CALLS[form](program) == expected


@pytest.mark.parametrize(
    ("form", "status"), [("wait", "waited"), ("parts", "read"), ("stream", "streamed")]
)
def test_a_transition_is_told_when_what_is_awaited_or_read_has_ended(
    program: Any, formed: Integration, form: str, status: str
) -> None:
    with record(formed) as recording:
        CALLS[form](program)

    (node,) = recording.spans.of_kind("node")
    moves = [
        dict(event.attributes or {})
        for event in node.events
        if event.name == semconv.EVENT_STATE_TRANSITION
    ]
    assert [(one[semconv.STATE_FROM], one[semconv.STATE_TO]) for one in moves] == [("new", status)]


def test_the_attributes_of_slots_are_a_state(program: Any, formed: Integration) -> None:
    with record(formed) as recording:
        program.Slotted("k").act("ab")
        program.Frozen("k").act("ab")

    changes = [
        dict(event.attributes or {})
        for span in recording.spans.of_kind("node")
        for event in span.events
        if event.name == semconv.EVENT_STATE_CHANGED
    ]
    assert [change[semconv.STATE_CHANGED] for change in changes] == [("status",), ("status",)]


def test_a_method_that_calls_itself_is_called_again(
    program: Any, mapped: Callable[[str], Integration]
) -> None:
    """Unlike one that calls what it overrides, which is a part of the same call."""

    class Deep(program.Base):  # type: ignore[misc]
        def work(self, task: int) -> int:
            return self.work(task - 1) if task else 0

    with record(mapped(ROWS + INNER)) as recording:
        Deep().work(2)

    assert recording.spans.tree() == "run_step work\n  run_step work\n    run_step work"


def test_a_stream_that_is_left_early_ends_its_node(program: Any, formed: Integration) -> None:
    with record(formed) as recording:
        parts = program.Slotted("k").parts("abc")
        next(parts)
        parts.close()

    (node,) = recording.spans.of_kind("node")
    assert (node.attributes or {})[semconv.STREAM_ABANDONED] is True
    assert node.status.is_unset


def test_the_classes_own_name_is_found_by_class_methods(program: Any, formed: Integration) -> None:
    with record(formed) as recording:
        program.Slotted.made("ab")

    assert (recording.spans.of_kind("node")[0].attributes or {})["of"] == "Slotted"


def test_objects_of_mapped_classes_pickle_as_before(program: Any, formed: Integration) -> None:
    """Their bytes know nothing of flowspan, with slots too."""
    expected = [pickle.dumps(program.Slotted("k")), pickle.dumps(program.Frozen("k"))]
    with record(formed):
        found = [pickle.dumps(program.Slotted("k")), pickle.dumps(program.Frozen("k"))]
        assert pickle.loads(pickle.dumps(program.Slotted("k").act)).__self__.key == "k"

    assert found == expected


def test_a_function_inside_a_function_is_out_of_reach(
    program: Any, mapped: Callable[[str], Integration]
) -> None:
    """It is made anew by each call; the row says so, and what it calls can have a row."""
    with record(mapped('[[rows]]\ntarget = "formed:outer.nested"\nkind = "node"\n')) as recording:
        (status,) = recording.statuses()
        assert program.outer("ab") == "ab"

    assert status.state == "missing"
    assert "formed has no outer.nested" in status.detail


CLIENT = """
[[rows]]
target = "formed:Slotted.{name}"
kind = "llm"
name = "m"
stream = "last"
result_attributes = {{ last = "{{result}}" }}
[rows.usage]
input_tokens = "len(result)"
"""


@pytest.mark.parametrize("form", ["parts", "stream"])
def test_the_result_of_a_stream_is_its_last_piece_if_the_row_says_so(
    program: Any, mapped: Callable[[str], Integration], form: str
) -> None:
    """A client of one's own says its tokens there, mostly; also one that is left early."""
    with record(mapped(CLIENT.format(name=form))) as recording:
        CALLS[form](program)
        if form == "parts":
            parts = program.Slotted("k").parts("xyz")
            next(parts)
            parts.close()

    found = [dict(span.attributes or {}) for span in recording.spans]
    assert [one["last"] for one in found] == ["b", "x"][: len(found)]
    assert {one[semconv.USAGE_INPUT_TOKENS] for one in found} == {1}
    assert all(semconv.RESPONSE_TIME_TO_FIRST_CHUNK in one for one in found)
