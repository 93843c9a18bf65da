"""A function that says itself what it is has one span, whatever rows reach it: its decorator's."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flowspan
from flowspan.instrumentation.integration import Integration
from flowspan.testing import record

PROGRAM = """
import functools
import flowspan


def logged(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **kwargs)
    return call


@flowspan.tool("said")
def plain(topic="tea"):
    return topic


@flowspan.tool("said")
async def waiting(topic="tea"):
    return topic


@flowspan.tool("said")
def parts(topic="tea"):
    yield topic


@logged
@flowspan.tool("said")
def behind(topic="tea"):
    return topic


@functools.lru_cache
@flowspan.tool("said")
def kept(topic="tea"):
    return topic


@flowspan.prompt("outline", version="3")
@flowspan.tool("said")
def chosen(topic="tea"):
    return topic


@flowspan.prompt("outline", version="3")
def prompting(topic="tea"):
    return topic


@flowspan.tool("said")
class Desk:
    def run(self, topic="tea"):
        return topic


class Shelf:
    @staticmethod
    @flowspan.tool("said")
    def free(topic="tea"):
        return topic

    @flowspan.tool("said")
    @classmethod
    def made(cls, topic="tea"):
        return topic


class Root:
    def run(self, topic="tea"):
        return topic


class Node(Root):
    def run(self, topic="tea"):
        return topic


class Sub(Node):
    @flowspan.tool("said")
    def run(self, topic="tea"):
        return super().run(topic)


@flowspan.tool("said")
class Silent(Node):
    pass
"""


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "self_said.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("self_said")
    del sys.modules["self_said"]


Mapped = Callable[[str], Integration]


def row(target: str, *more: str) -> str:
    return "\n".join(["", "[[rows]]", f'target = "self_said:{target}"', *more, ""])


CALLS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda program: program.plain(),
    "waiting": lambda program: asyncio.run(program.waiting()),
    "parts": lambda program: next(iter(list(program.parts()))),
    "behind": lambda program: program.behind(),
    "kept": lambda program: program.kept(),
    "chosen": lambda program: program.chosen(),
    "Desk.run": lambda program: program.Desk().run(),
    "Shelf.free": lambda program: program.Shelf.free(),
    "Shelf.made": lambda program: program.Shelf().made(),
    "Sub.run": lambda program: program.Sub().run(),
    "Silent.run": lambda program: program.Silent().run(),
}


@pytest.mark.parametrize("target", CALLS)
def test_the_decorator_says_what_the_call_is(program: Any, mapped: Mapped, target: str) -> None:
    with record(mapped(row(target, 'kind = "node"', 'name = "mapped"'))) as recording:
        assert CALLS[target](program) == "tea"

    assert recording.spans.tree() == "execute_tool said"


@pytest.mark.parametrize("target", ["Sub.run", "Silent.run"])
def test_so_it_does_where_a_row_follows_subclasses(
    program: Any, mapped: Mapped, target: str
) -> None:
    """An override that calls what it overrides is one call with it, as between rows."""
    rows = row("Node.run", 'kind = "node"', 'name = "{type(self)}"', "subclasses = true")
    with record(mapped(rows)) as recording:
        CALLS[target](program)
        program.Node().run()

    assert recording.spans.tree() == "execute_tool said\nrun_step Node"


@pytest.mark.parametrize("target", ["*", "*.run", "Shelf.*"])
def test_so_it_does_where_a_pattern_fits(program: Any, mapped: Mapped, target: str) -> None:
    with record(mapped(row(target, 'kind = "step"', 'name = "mapped"'))) as recording:
        for call in CALLS.values():
            call(program)

    names = [span.name for span in recording.spans]
    assert names.count("execute_tool said") == len(CALLS)
    others = ["run_step mapped"] if target == "*.run" else []  # Node.run, which Sub asks
    assert [name for name in names if name != "execute_tool said"] == others


def test_a_class_that_is_decorated_after_a_row_has_reached_it_has_one_span(
    program: Any, mapped: Mapped
) -> None:
    """Rows reach a subclass as it is made, which is before its decorator does."""
    told = row("Root.run", "subclasses = true", 'route = { to = "{result}" }')
    rows = row("Node.run", 'kind = "node"', 'name = "mapped"', "subclasses = true")
    for text in (rows, rows + told, told + rows):
        with record(mapped(text)) as recording:

            @flowspan.agent
            class Late(program.Node):  # type: ignore[misc]
                def run(self, topic: str = "tea") -> str:
                    return topic

            @flowspan.agent
            class Later(program.Node):  # type: ignore[misc]
                pass

            with flowspan.run("all"):
                assert [Late().run(), Later().run()] == ["tea", "tea"]

        assert recording.spans.tree().splitlines() == [
            "invoke_workflow all",
            "  invoke_agent Late",
            "  invoke_agent Later",
        ]
        routes = [event for span in recording.spans for event in span.events]
        assert len(routes) == (0 if text == rows else 2)
        assert Late().run() == Later().run() == "tea"


def test_a_row_without_a_kind_applies_beside_a_decorator(program: Any, mapped: Mapped) -> None:
    with (
        record(mapped(row("plain", 'route = { to = "{result}" }'))) as recording,
        flowspan.run("all"),
    ):
        program.plain()

    assert [event.name for event in recording.spans.one("invoke_workflow all").events] == [
        "flowspan.route.taken"
    ]
    assert recording.spans.tree() == "invoke_workflow all\n  execute_tool said"


def test_a_decorator_that_makes_no_span_leaves_the_row_its_own(
    program: Any, mapped: Mapped
) -> None:
    with record(mapped(row("prompting", 'kind = "node"', 'name = "mapped"'))) as recording:
        program.prompting()

    assert recording.spans.tree() == "run_step mapped"


def test_what_says_that_it_wraps_itself_is_asked_once(program: Any, mapped: Mapped) -> None:
    program.prompting.__wrapped__ = program.prompting

    with record(mapped(row("prompting", 'kind = "node"', 'name = "mapped"'))) as recording:
        program.prompting()

    assert recording.spans.tree() == "run_step mapped"


def test_the_program_s_functions_are_as_they_were(program: Any, mapped: Mapped) -> None:
    before = {**vars(program), **vars(program.Sub), **vars(program.Silent)}
    with record(mapped(row("*", 'kind = "step"') + row("*.run", 'kind = "step"'))):
        pass

    assert {**vars(program), **vars(program.Sub), **vars(program.Silent)} == before
