"""A method that several rows reach has one span: of the row that names the nearest class."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.wrapped import Wrapped
from flowspan.testing import record

PROGRAM = """
class Node:
    def run(self):
        return "node"

class Writer(Node):
    def run(self):
        return "writer of " + super().run()

class Poet(Writer):
    def run(self):
        return "poet"

class Silent(Writer):
    pass

class Mixin:
    def run(self):
        return "mixin"

class Both(Mixin, Node):
    def run(self):
        return "both"

class Plain(Node):
    def run(self):
        return "plain"
"""


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "ranked.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("ranked")
    del sys.modules["ranked"]


def row(target: str, kind: str | None, *more: str) -> str:
    lines = [f'target = "ranked:{target}"', *([f'kind = "{kind}"'] if kind else []), *more]
    return "\n".join(["", "[[rows]]", *lines, ""])


BASE = row("Node.run", "node", 'name = "{type(self)}"', "subclasses = true")
Mapped = Callable[[str], Integration]


def tree(integration: Integration, *objects: Any) -> list[str]:
    """The spans of a run of each."""
    with record(integration) as recording:
        for one in objects:
            one.run()
        return str(recording.spans.tree()).splitlines()


@pytest.mark.parametrize("first", [0, 1])
def test_a_row_of_its_own_wins_over_one_for_all_subclasses(
    program: Any, mapped: Mapped, first: int
) -> None:
    """Whichever stands first; subclasses of that class are the general row's."""
    rows = [BASE, row("Writer.run", "agent")]
    before = {one: vars(one).get("run") for one in (program.Node, program.Writer, program.Poet)}

    shown = tree(
        mapped(rows[first] + rows[1 - first]), program.Writer(), program.Poet(), program.Plain()
    )

    assert shown == ["invoke_agent Writer", "run_step Poet", "run_step Plain"]
    assert {one: vars(one).get("run") for one in before} == before


def test_the_order_of_rows_and_classes_does_not_matter(program: Any, mapped: Mapped) -> None:
    """The nearest of three, each of which follows subclasses, wins, also for a class of later."""
    rows = (
        BASE,
        row("Writer.run", "agent", "subclasses = true"),
        row("Poet.run", "tool", 'name = "poem"'),
    )

    for order in itertools.permutations(rows):
        with record(mapped("".join(order))) as recording:

            class Late(program.Writer):  # type: ignore[misc]
                def run(self) -> str:
                    return "late"

            for kind in (program.Poet, Late, program.Writer, program.Plain, program.Node):
                kind().run()
            assert str(recording.spans.tree()).splitlines() == [
                "execute_tool poem",
                "invoke_agent Late",
                "invoke_agent Writer",
                "run_step Plain",
                "run_step Node",
            ]
    assert "__init_subclass__" not in vars(program.Node)


def test_of_two_bases_the_one_that_python_asks_first_wins(program: Any, mapped: Mapped) -> None:
    rows = BASE + row("Mixin.run", "agent", "subclasses = true")

    assert tree(mapped(rows), program.Both()) == ["invoke_agent Both"]


def test_a_row_without_a_kind_applies_beside_others(program: Any, mapped: Mapped) -> None:
    """What it says goes to the span around, whatever row that is of."""
    rows = BASE + row("Writer.run", None, 'route = { to = "{result}" }') + row("Poet.run", "agent")
    with record(mapped(rows)) as recording:
        program.Writer().run()

    assert [span.name for span in recording.spans] == ["run_step Writer"]


@pytest.mark.parametrize("places", list(itertools.permutations(range(3))))
def test_a_row_without_a_kind_between_two_others_stays(
    program: Any, mapped: Mapped, places: tuple[int, ...]
) -> None:
    route = 'route = { to = "x" }'
    rows = (BASE, row("Writer.run", None, "subclasses = true", route), row("Poet.run", "agent"))
    before = vars(program.Poet)["run"]

    with record(mapped("".join(rows[place] for place in places))) as recording:
        assert program.Poet().run() == "poet"
        places_of = [type(vars(program.Poet)["run"]), type(vars(program.Poet)["run"].__wrapped__)]

    assert [span.name for span in recording.spans] == ["invoke_agent Poet"]
    assert places_of == [Wrapped, Wrapped]
    assert vars(program.Poet)["run"] is before


def test_a_class_that_inherits_the_method_may_have_a_row_of_its_own(
    program: Any, mapped: Mapped
) -> None:
    """And what it inherits from keeps its own."""
    rows = BASE + row("Silent.run", "agent")

    assert tree(mapped(rows), program.Silent(), program.Writer()) == [
        "invoke_agent Silent",
        "run_step Writer",
    ]
    assert "run" not in vars(program.Silent)


@pytest.mark.parametrize("first", [0, 1])
def test_a_pattern_takes_what_no_other_row_names(program: Any, mapped: Mapped, first: int) -> None:
    """Nor reaches by subclasses; a row without a kind takes nothing from it."""
    rows = [row("Writer.run", "node", "subclasses = true"), row("*.run", "agent")]
    rows[1] += row("Node.run", None, "subclasses = true", 'state = "self"')

    shown = tree(
        mapped(rows[first] + rows[1 - first]), program.Poet(), program.Plain(), program.Both()
    )

    assert shown == ["run_step Writer.run", "invoke_agent Plain", "invoke_agent Both"]


def test_two_rows_of_one_method_under_two_names_are_two_spans(program: Any, mapped: Mapped) -> None:
    """Neither is nearer; ``map check`` says it."""
    program.Alias = program.Plain
    rows = row("Plain.run", "agent") + row("Alias.run", "tool", 'name = "inner"')

    assert len(tree(mapped(rows), program.Plain())) == 2
