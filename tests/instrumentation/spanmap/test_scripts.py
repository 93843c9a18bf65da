"""Rows for functions of the main module, which is defined and called in one go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(sys.executable).parent

PROGRAM = """
import functools

def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

@logged
def act(task):
    return task.upper()

class Engine:
    def run(self, topic):
        return [act(task) for task in (topic, "end")]

def main(topic):
    return Engine().run(topic)

for topic in ["honey"]:
    print(main(topic))
"""

MAP = """
[[rows]]
target = "{module}:main"
{more}
kind = "run"
name = "write"

[[rows]]
target = "{module}:Engine.run"
{more}
kind = "step"
name = "{{topic}}"

[[rows]]
target = "{module}:act"
{more}
kind = "node"
name = "act"
id = "{{task}}"
"""

TREE = "run write\n step honey\n  node honey\n  node end\n"


def start(folder: Path, *command: str | Path, **environment: str) -> str:
    """Run a program under the map; what it printed."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [SCRIPTS / "opentelemetry-instrument", sys.executable, *command],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name[:5] != "OTEL_"},
            "PATH": path,
            "FLOWSPAN_STORE": str(folder / "store.db"),
            "FLOWSPAN_MAP": str(folder / "map.toml"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def recorded(folder: Path) -> str:
    """The kinds and names of the spans, indented."""
    shown = subprocess.run(
        [sys.executable, "-m", "flowspan", "show", "--json", "--store", folder / "store.db"],
        capture_output=True,
        check=True,
    )
    spans: list[dict[str, Any]] = json.loads(shown.stdout)["spans"]

    def below(parent: str | None, depth: int) -> str:
        return "".join(
            f"{' ' * depth}{span['kind']} {_name(span)}\n{below(span['span_id'], depth + 1)}"
            for span in spans
            if span["parent_id"] == parent
        )

    return below(None, 0)


def _name(span: dict[str, Any]) -> str:
    return str(span["attributes"].get("flowspan.node.id") or span["name"].split()[-1])


@pytest.mark.parametrize("command", [("agent.py",), ("-m", "agent")], ids=["file", "module"])
def test_functions_of_a_script_are_seen(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Decorated functions and methods too, also where the script calls them on its last line."""
    (tmp_path / "agent.py").write_text(PROGRAM)
    (tmp_path / "map.toml").write_text(MAP.format(module="__main__", more=""))

    assert start(tmp_path, *command) == "['HONEY', 'END']\n"
    assert recorded(tmp_path) == TREE


IMPORTED = ("-c", "import agent\nprint(agent.main('honey'))")


@pytest.mark.parametrize("command", [("agent.py",), IMPORTED], ids=["run", "imported"])
def test_a_row_for_a_script_applies_also_where_it_is_imported(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    program = PROGRAM.replace("\nfor topic", "\nif __name__ == '__main__':\n  for topic")
    (tmp_path / "agent.py").write_text(program)
    (tmp_path / "map.toml").write_text(MAP.format(module="agent", more="script = true"))

    assert start(tmp_path, *command) == "['HONEY', 'END']\n"
    assert recorded(tmp_path) == TREE


def test_another_script_with_functions_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(PROGRAM)
    (tmp_path / "map.toml").write_text(MAP.format(module="agent", more="script = true"))

    start(tmp_path, "other.py")

    assert not (tmp_path / "store.db").exists() or recorded(tmp_path) == ""


def test_a_pattern_stands_for_what_the_script_defines(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(
        "from json import dumps\ndef first(x):\n    return x\ndef second(x):\n    return first(x)\n"
        "def _hidden(x):\n    return second(x)\nif True:\n    print(dumps(_hidden(7)))\n"
    )
    (tmp_path / "map.toml").write_text('[[rows]]\ntarget = "__main__:*"\nkind = "node"\n')

    assert start(tmp_path, "agent.py") == "7\n"
    assert recorded(tmp_path) == "node second\n node first\n"


WORKERS = """
import multiprocessing

def act(task):
    return task.upper()

def run(topic):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(act, [topic])

if __name__ == "__main__":
    print(run("honey"))
"""


def test_functions_of_a_script_are_seen_in_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(WORKERS)
    (tmp_path / "map.toml").write_text(
        '[[rows]]\ntarget = "__main__:run"\nkind = "run"\nname = "run"\n'
        '[[rows]]\ntarget = "__main__:act"\nkind = "node"\nid = "{task}"\n'
    )

    assert start(tmp_path, "agent.py") == "['HONEY']\n"
    assert recorded(tmp_path) == "run run\n node honey\n"


def test_the_programs_own_trace_function_goes_on(tmp_path: Path) -> None:
    """Nothing of ours is left in the way of debuggers once everything is defined."""
    (tmp_path / "agent.py").write_text(
        "import sys\ndef run():\n    return sys.gettrace()\n\nprint(run())\n"
        "print(getattr(sys, 'monitoring', None) and sys.monitoring.get_tool(4))\n"
    )
    (tmp_path / "map.toml").write_text(MAP.format(module="__main__", more=""))

    assert start(tmp_path, "agent.py") == "None\nNone\n"
