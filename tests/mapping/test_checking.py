"""``flowspan map check``: what each row of a map matches in a program that can be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowspan.errors import ConfigurationError
from flowspan.mapping.checking import check
from flowspan.report.findings import Finding

Write = Callable[[str], Path]


def rows(file: Path, **options: Any) -> list[Finding]:
    return list(check(file, **options)[1].findings)


def told(found: list[Finding]) -> list[str]:
    return [f"{one.level} {one.subject}: {one.text}" for one in found]


def test_what_each_row_matches_is_said_with_its_line(write_map: Write) -> None:
    """In whatever form the function is: nothing has to be called to know it."""
    file = write_map(
        """
        [[rows]]
        target = "house.engine:Engine.run"
        kind = "run"
        name = "{topic}"
        [[rows]]
        target = "house.engine:Engine.free"
        kind = "tool"
        [[rows]]
        target = "house.engine:Engine.made"
        [[rows]]
        target = "house.engine:Engine.parts"
        kind = "node"
        [[rows]]
        target = "house.engine:Slotted.move_to"
        transition = { watch = "self.status" }
        [[rows]]
        target = "house.engine:anything"
        kind = "tool"
        name = "{whatever}"
        [[outcomes]]
        when = { path = "result", equals = "bad" }
        """
    )

    assert told(rows(file)) == [
        "ok line 2 run: house.engine:Engine.run is a method",
        "ok line 6 tool: house.engine:Engine.free is a staticmethod",
        "ok line 9: house.engine:Engine.made is a coroutine function classmethod",
        "ok line 11 node: house.engine:Engine.parts is an async generator",
        "ok line 14: house.engine:Slotted.move_to is a method",
        "ok line 17 tool: house.engine:anything is a function",
        "ok line 21 outcome: asked after results of every engine",
    ]


def test_a_pattern_matches_what_the_module_defines_and_no_row_names(write_map: Write) -> None:
    file = write_map(
        """
        [[rows]]
        target = "house.engine:*.*"
        kind = "internal"
        [[rows]]
        target = "house.engine:Engine.run"
        kind = "run"
        """
    )

    found = rows(file)

    assert [match["place"] for match in found[0].data["matches"]] == [
        "house.engine:Engine.free",
        "house.engine:Engine.made",
        "house.engine:Engine.parts",
        "house.engine:Engine.step",
        "house.engine:Slotted.move_to",
    ]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("house.engine:Engine.stap", "house.engine has no Engine.stap: did you mean Engine.step?"),
        ("house.engine:anythin", "house.engine has no anythin: did you mean anything?"),
        ("house.engine:Zzz", "house.engine has no Zzz"),
        ("house.engin:run", "there is no module house.engin: did you mean house.engine?"),
        ("hous.engine:run", "there is no module hous: did you mean house?"),
        ("house.engine:Engine", "house.engine:Engine cannot be patched: it is a class"),
        ("house.engine:*.nothing", "house.engine has no *.nothing"),
        ("__main__:run", "is looked for in the script that is run: name it with --script"),
    ],
)
def test_a_row_that_matches_nothing_says_the_nearest_name(
    write_map: Write, target: str, reason: str
) -> None:
    (finding,) = rows(write_map(f'[[rows]]\ntarget = "{target}"\nkind = "node"\n'))

    assert finding.level == "problem"
    assert finding.text.startswith(f"{target} matches nothing: {reason}")


def test_an_optional_row_may_match_nothing(write_map: Write) -> None:
    file = write_map('[[rows]]\ntarget = "house.engine:gone"\noptional = true\n')

    assert [one.level for one in rows(file)] == ["absent"]


def test_a_module_that_fails_is_named_with_its_error(house: Path, write_map: Write) -> None:
    (house / "house" / "broken.py").write_text("raise SystemExit(3)")
    (house / "house" / "lacking.py").write_text("import nothing_of_the_kind")
    file = write_map('[[rows]]\ntarget = "house.broken:f"\n[[rows]]\ntarget = "house.lacking:f"\n')

    assert [one.text.partition(": ")[2] for one in rows(file)] == [
        "house.broken cannot be imported: SystemExit: 3",
        "house.lacking cannot be imported: No module named 'nothing_of_the_kind'",
    ]


def test_a_name_that_is_no_argument_is_said_with_the_nearest(write_map: Write) -> None:
    """A path that starts from it would find nothing, without a word."""
    file = write_map(
        """
        [[rows]]
        target = "house.engine:Engine.run"
        kind = "run"
        name = "{topc} {zzz} {self.topic} {arguments.other}"
        """
    )

    assert told(rows(file))[1:] == [
        "problem line 2 run: house.engine:Engine.run has no argument topc: did you mean topic?",
        "problem line 2 run: house.engine:Engine.run has no argument zzz, so it finds nothing",
    ]


def test_a_rule_for_an_engine_that_nobody_knows_is_said_with_the_nearest(
    write_map: Write,
) -> None:
    """Engines of rows and of the map itself are known."""
    when = 'when = { path = "result", exists = true }'
    file = write_map(
        "".join(f'[[outcomes]]\nengine = "{engine}"\n{when}\n' for engine in ("writeher", "write*"))
    )

    assert told(rows(file)) == [
        (
            "problem line 1 outcome: writeher is no engine that flowspan knows here: "
            "did you mean writehere?"
        ),
        "ok line 4 outcome: asked after results of writehere",
    ]


def test_calls_through_registries_and_copied_names_are_said_to_be_unseen(write_map: Write) -> None:
    """A decorator that registers a function while its module is imported keeps the original."""
    file = write_map(
        '[[rows]]\ntarget = "house.tools:search"\n[[rows]]\ntarget = "house.tools:browse"\n'
    )

    notes = [one for one in rows(file) if one.level == "note"]

    assert [one.text.partition(" are")[0] for one in notes] == [
        "calls through house.tools:TOOLS['search']",
        "calls through house.early:browse_page, house.tools:browse_page",
    ]


def test_a_method_with_two_rows_is_said(house: Path, write_map: Write) -> None:
    """One and the same method, twice: each call would have two spans; the nearest row has one."""
    (house / "house" / "nodes.py").write_text(
        "class Node:\n    def run(self): ...\n"
        "class Writer(Node):\n    def run(self): ...\n"
        "Scribe = Writer\n"
    )
    file = write_map(
        """
        [[rows]]
        target = "house.nodes:Node.run"
        kind = "node"
        subclasses = true
        [[rows]]
        target = "house.nodes:Writer.run"
        kind = "agent"
        [[rows]]
        target = "house.nodes:Scribe.run"
        kind = "tool"
        """
    )

    found = rows(file)
    (note,) = [one for one in found if one.level == "note"]

    assert note.subject == "line 9 tool"
    assert note.text.startswith("house.nodes:Writer.run has another row with a kind")
    assert "Writer" not in found[0].text


def test_what_wraps_itself_is_a_function_and_what_refuses_to_be_asked_is_said(
    house: Path, write_map: Write
) -> None:
    (house / "house" / "odd.py").write_text(
        "def circle(x): ...\ncircle.__wrapped__ = circle\n"
        "def signed(x): ...\nsigned.__signature__ = 'nonsense'\n"
        "class Refusing:\n    def __getattr__(self, name): raise RuntimeError(name)\n"
        "    def __call__(self, x): ...\nrefusing = Refusing()\n"
    )
    file = write_map(
        """
        [[rows]]
        target = "house.odd:circle"
        kind = "tool"
        name = "{x}"
        [[rows]]
        target = "house.odd:signed"
        kind = "tool"
        name = "{x}"
        [[rows]]
        target = "house.odd:refusing"
        kind = "tool"
        """
    )

    assert told(rows(file)) == [
        "ok line 2 tool: house.odd:circle is a function",
        "ok line 6 tool: house.odd:signed is a function",
        (
            "problem line 10 tool: house.odd:refusing matches nothing: house.odd:refusing could "
            "not be patched: RuntimeError: __func__"
        ),
    ]


def test_a_row_for_what_says_itself_what_it_is_is_said(house: Path, write_map: Write) -> None:
    (house / "house" / "said.py").write_text(
        "import flowspan\n@flowspan.tool\ndef search(query): ...\ndef browse(url): ...\n"
    )
    file = write_map(
        """
        [[rows]]
        target = "house.said:search"
        kind = "tool"
        [[rows]]
        target = "house.said:*"
        kind = "step"
        """
    )

    assert told(rows(file)) == [
        (
            "problem line 2 tool: house.said:search matches nothing: all that fits it has a nearer "
            "row, or says its role itself by a decorator; leave the row out, or its kind"
        ),
        "ok line 5 step: house.said:* matches house.said:browse (function)",
    ]


def test_a_row_for_a_module_that_is_started_says_so(house: Path, write_map: Write) -> None:
    """Python calls it ``__main__`` then, and nothing would be seen of it."""
    (house / "desk.py").write_text("def answer(): ...\n")
    row = '[[rows]]\ntarget = "desk:answer"\n'

    (matched, note) = rows(write_map(row), script=house / "desk.py")
    (known,) = rows(write_map(f"{row}script = true\n"), script=house / "desk.py")

    assert (matched.level, note.level, known.level) == ("ok", "note", "ok")
    assert note.text.startswith("desk:answer is not seen where its module is started")
    assert note.remedy == "add script = true to the row"


def test_names_see_what_was_copied(write_map: Write) -> None:
    file = write_map(
        """
        [[rows]]
        target = "house.tools:browse"
        names = ["house.early:browse_page", "house.tools:browse_page"]
        """
    )

    assert [one.level for one in rows(file)] == ["ok"]


def test_a_further_name_that_is_none_is_said_with_the_nearest(write_map: Write) -> None:
    file = write_map(
        """
        [[rows]]
        target = "house.tools:browse"
        names = ["house.early:browse_pag", "house.earl:browse_page", "house.tools:browse_page"]
        """
    )

    assert [one.text.rpartition("name: ")[2] for one in rows(file) if one.level == "problem"] == [
        "house.early has no browse_pag: did you mean browse_page?",
        "there is no module house.earl: did you mean house.early?",
    ]


def test_what_is_wrong_with_the_map_is_said_before_its_rows(write_map: Write) -> None:
    file = write_map('[[rows]]\ntarget = "house.tools:browse"\nkind = "nod"\n')

    (wrong,) = check(file)[0].findings

    assert (wrong.level, wrong.text) == (
        "problem",
        (
            f'span map {file}, line 3, rows[0].kind: "nod" is not usable: did you mean "node"? '
            "(the row is left out)"
        ),
    )


@pytest.mark.parametrize(("kind", "notes"), [("node", 1), ("run", 0)])
def test_a_map_without_a_run_is_told_what_that_means(
    write_map: Write, kind: str, notes: int
) -> None:
    file = write_map(f'[[rows]]\ntarget = "house.tools:browse"\nkind = "{kind}"\n')

    found = check(file)[0].findings

    assert [one.level for one in found] == ["note"] * notes
    assert all('no row has kind "run"' in one.text for one in found)


def test_rows_of_main_are_found_in_a_script(house: Path, write_map: Write) -> None:
    """Without running what it does when it is the main module."""
    (house / "agent.py").write_text(
        "def run(topic):\n    return topic\n"
        "if __name__ == '__main__':\n    raise SystemExit(run(9))\n"
    )
    file = write_map('[[rows]]\ntarget = "__main__:run"\nkind = "run"\nname = "{topic}"\n')

    assert [one.text for one in rows(file, script=house / "agent.py")] == [
        "__main__:run matches agent:run (function)"
    ]


def test_a_script_that_fails_is_named(house: Path, write_map: Write) -> None:
    (house / "agent.py").write_text("1 / 0")
    file = write_map('[[rows]]\ntarget = "__main__:run"\nkind = "run"\n')

    (finding,) = rows(file, script=house / "agent.py")

    assert "agent.py cannot be imported: ZeroDivisionError: division by zero" in finding.text


def test_nothing_of_the_program_is_imported_by_the_asking_process(write_map: Write) -> None:
    check(write_map('[[rows]]\ntarget = "house.engine:Engine.run"\n'))

    assert not [name for name in sys.modules if name.partition(".")[0] == "house"]


def test_a_program_that_ends_the_process_is_an_error_in_one_sentence(
    house: Path, write_map: Write
) -> None:
    (house / "house" / "dead.py").write_text("import os\nos._exit(7)")

    with pytest.raises(ConfigurationError, match=r"importing the program ends the process \(7\)"):
        check(write_map('[[rows]]\ntarget = "house.dead:f"\n'))


def test_another_python_is_asked_if_flowspan_is_there(tmp_path: Path, write_map: Write) -> None:
    """A program lives in its own environment."""
    file = write_map('[[rows]]\ntarget = "house.engine:Engine.run"\n')
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)

    with pytest.raises(ConfigurationError, match=r"flowspan is not installed for .*bare"):
        check(file, python=bare / "bin" / "python")
