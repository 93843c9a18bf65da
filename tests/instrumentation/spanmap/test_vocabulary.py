"""What rows can say beyond their own call: callers, tables, patterns, what is kept, which span."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from span_kit import seen

from flowspan import semconv
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map
from flowspan.testing import RecordedSpans, record

PROGRAM = """
from enum import Enum


class Mood(Enum):
    GOOD = 1
    BAD = 2


class Engine:
    def __init__(self, goal):
        self.goal = goal
        self.memory = {"article": "", "notes": [], **{str(n): n for n in range(50)}}

    def run(self, tasks):
        return [self.act(task, mood) for task, mood in tasks]

    def act(self, task, mood=Mood.GOOD):
        self.memory["notes"].append(task)
        self.memory["extra"] = task
        tools.search(task)
        return mood

    def look(self, result):
        return result

    def _hidden(self):
        return None


class tools:
    @staticmethod
    def search(query):
        return Inner().choose(query)


class Inner:
    def choose(self, query):
        return query


def search(query):
    return query


find = search


def browse(url):
    return url


def _private(url):
    return url
"""

RUN = """
[[rows]]
target = "speaking:Engine.run"
label = "the run"
kind = "run"
name = "{self.goal}"
"""

Mapped = Callable[[str], Integration]


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "speaking.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("speaking")
    del sys.modules["speaking"]


def found(spans: RecordedSpans, kind: str) -> dict[str, Any]:
    return dict(spans.of_kind(kind)[0].attributes or {})


def test_paths_may_look_at_the_call_around(program: Any, mapped: Mapped) -> None:
    """Its object, arguments, label and kind, and the same of what is around that."""
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "speaking:Engine.act"
        kind = "node"
        name = "act"
        [[rows]]
        target = "speaking:tools.search"
        kind = "tool"
        [rows.attributes]
        goal = "{caller.caller.self.goal}"
        task = "{caller.arguments.task}"
        around = "{caller.kind} {caller.label} in {caller.caller.label}"
        nothing = "{caller.caller.caller.label}"
        unheard = "{caller.frame}"
        """
    )

    tool = found(seen(integration, lambda: program.Engine("honey").run([("a", None)])), "tool")

    assert (tool["goal"], tool["task"]) == ("honey", "a")
    assert tool["around"] == "node Engine.act in the run"
    assert {"nothing", "unheard"}.isdisjoint(tool)


def test_a_condition_may_ask_where_a_call_is_made(program: Any, mapped: Mapped) -> None:
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "speaking:Engine.act"
        kind = "node"
        name = "{task}"
        when = { path = "caller.label", equals = "the run" }
        """
    )
    engine = program.Engine("honey")

    spans = seen(integration, lambda: (engine.act("alone"), engine.run([("inside", None)])))

    assert spans.tree() == "invoke_workflow honey\n  run_step inside"


def test_tables_say_what_values_stand_for(program: Any, mapped: Mapped) -> None:
    """Also for an Enum's member, a number or a boolean; what they do not know may be said by or."""
    integration = mapped(
        """
        [tables.moods]
        GOOD = "fine"
        true = "yes"
        7 = "seven"

        [[rows]]
        target = "speaking:Engine.act"
        kind = "node"
        name = "{tables.moods[mood] or text(mood) or 'none'}"
        """.replace(" or 'none'", " or type(self)")
    )
    engine = program.Engine("honey")
    moods = (program.Mood.GOOD, program.Mood.BAD, True, 7, None)

    spans = seen(integration, lambda: [engine.act("task", mood) for mood in moods])

    assert [span.name.removeprefix("run_step ") for span in spans] == [
        *("fine", "BAD", "yes", "seven", "Engine")
    ]


def test_an_argument_with_a_name_of_the_language_is_reached_through_arguments(
    program: Any, mapped: Mapped
) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "speaking:Engine.look"
        kind = "node"
        name = "{arguments.result} {arguments['result']}"
        """
    )

    assert seen(integration, lambda: program.Engine("x").look("it")).tree() == "run_step it it"


def test_a_pattern_stands_for_what_fits_it(program: Any, mapped: Mapped) -> None:
    """By each of its names; what is imported or hidden is not meant, nor what has its own row."""
    integration = mapped(
        """
        [[rows]]
        target = "speaking:*"
        kind = "tool"
        [[rows]]
        target = "speaking:browse"
        kind = "node"
        [[rows]]
        target = "speaking:Engine.*"
        kind = "internal"
        """
    )
    engine = program.Engine("x")

    spans = seen(
        integration,
        lambda: (
            *(program.search("a"), program.find("b"), program.browse("c"), program._private("d")),
            *(engine.look("e"), engine._hidden()),
        ),
    )

    assert spans.tree().split("\n") == [
        *("execute_tool search", "execute_tool search", "run_step browse", "Engine.look")
    ]


def test_a_pattern_that_fits_nothing_is_a_missing_row(program: Any, mapped: Mapped) -> None:
    with record(mapped('[[rows]]\ntarget = "speaking:zzz*"\n')) as recording:
        (status,) = recording.statuses()

    assert (status.state, status.detail) == ("missing", "speaking defines nothing that fits zzz*")


def test_what_a_pattern_replaced_is_put_back(program: Any, mapped: Mapped) -> None:
    before = dict(vars(program))

    seen(mapped('[[rows]]\ntarget = "speaking:*"\nkind = "tool"\n'), lambda: program.search("a"))

    assert dict(vars(program)) == before


def test_a_function_that_is_called_under_another_name_is_seen(program: Any, mapped: Mapped) -> None:
    integration = mapped(
        '[[rows]]\ntarget = "speaking:search"\nnames = ["speaking:find"]\nkind = "tool"\n'
    )

    assert seen(integration, lambda: program.find("a")).tree() == "execute_tool search"


KEEP = """
[[rows]]
target = "speaking:Engine.act"
kind = "internal"
remember = { notes = "{len(self.memory['notes'])}" }
keep = [
  { path = "result.name", not_like = "G*" },
  { path = "len(self.memory['notes'])", differs_from = "before.notes" },
]
"""


def test_a_span_in_which_nothing_happened_is_dropped(program: Any, mapped: Mapped) -> None:
    """Except at detail full, and where something inside it is kept."""
    engine = program.Engine("x")

    def work() -> None:
        engine.act("a", program.Mood.GOOD)
        engine.act("b", program.Mood.BAD)

    assert seen(mapped(KEEP), work).tree() == "Engine.act"
    assert seen(mapped(KEEP), work, detail="full").tree() == "Engine.act\nEngine.act"


def test_events_go_to_the_nearest_span_of_a_kind(program: Any, mapped: Mapped) -> None:
    """A transition belongs to the step, whatever calls are between."""
    integration = mapped(
        RUN
        + """
        [[rows]]
        target = "speaking:Engine.act"
        kind = "node"
        name = "{task}"
        [[rows]]
        target = "speaking:tools.search"
        kind = "tool"
        [[rows]]
        target = "speaking:Inner.choose"
        [[rows.events]]
        name = "to run"
        span = "run"
        at = "before"
        [[rows.events]]
        name = "to node"
        span = "node"
        [[rows.events]]
        name = "to nobody"
        span = "agent"
        """
    )

    spans = seen(integration, lambda: program.Engine("x").run([("a", None)]))

    assert {span.name: [event.name for event in span.events] for span in spans} == {
        "invoke_workflow x": ["to run"],
        "run_step a": ["to node"],
        "execute_tool search": [],
    }


def test_only_the_keys_that_a_row_names_are_looked_at(program: Any, mapped: Mapped) -> None:
    integration = mapped(
        """
        [[rows]]
        target = "speaking:Engine.act"
        kind = "node"
        name = "act"
        state = { watch = "self.memory", keys = ["notes", "absent", "extra"] }
        """
    )

    (span,) = seen(integration, lambda: program.Engine("x").act("a"))

    (event,) = span.events
    assert dict(event.attributes or {}) == {
        semconv.STATE_ADDED: ("extra",),
        semconv.STATE_CHANGED: ("notes",),
        semconv.STATE_SIZE: 2,
    }


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('name = "{tables.word[x]}"', "the name of a table of the map, of which there are moods, "),
        ('name = "{tables.moods}"', 'expected "[key]" after the name of a table, found the end'),
        ('name = "{tables}"', "expected tables.name[key], found the end"),
        (
            'name = "{x or}"',
            "expected a name, such as self, result or an argument's, found the end",
        ),
        ('keep = { path = "x", same_as = "error.x" }', '"error" is not known here'),
        ('keep = { path = "x", same_as = "{x}" }', "here it stands without braces"),
        ('keep = { path = "error", exists = true }', '"error" is not known here'),
        ("subclasses = true\n[rows.remember]", None),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, row: str, complaint: str | None) -> None:
    file = tmp_path / "map.toml"
    file.write_text(f'[tables.moods]\na = "b"\n[[rows]]\ntarget = "m:C.f"\nkind = "node"\n{row}\n')

    _, problems = load_map(file)

    assert len(problems) == (complaint is not None)
    assert all(complaint is not None and complaint in problem for problem in problems)


@pytest.mark.parametrize("key", ["subclasses = true", "script = true", 'names = ["m:f"]'])
def test_a_pattern_excludes_what_is_about_one_function(tmp_path: Path, key: str) -> None:
    file = tmp_path / "map.toml"
    file.write_text(f'[[rows]]\ntarget = "m:C.*"\n{key}\n')

    _, (problem,) = load_map(file)

    name = key.partition(" ")[0]
    assert f'line 3, rows[0].{name}: a target with "*" takes no "{name}"' in problem


@pytest.mark.parametrize(
    "target",
    ["builtins:len", "flowspan.safety:swallow", "opentelemetry.context:*", "wrapt:wrap_function"],
)
def test_what_flowspan_itself_runs_on_is_no_target(tmp_path: Path, target: str) -> None:
    """A row for ``len`` would see the calls that seeing a call consists of, and so on for ever."""
    file = tmp_path / "agent.toml"
    file.write_text(
        f'[[rows]]\ntarget = "{target}"\n[[rows]]\ntarget = "a:b"\nnames = ["x:y", "builtins:len"]'
    )

    found, problems = load_map(file)

    assert found is None
    why = "is what flowspan itself runs on, and would be seen seeing itself: expected a function of"
    assert f'line 2, rows[0].target: "{target}" {why}' in problems[0]
    assert f'line 5, rows[1].names[1]: "builtins:len" {why}' in problems[1]
