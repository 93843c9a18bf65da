"""``flowspan map``."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowspan.instrumentation.spanmap.schema import schema

PROGRAM = """
def run(topic):
    return topic
"""
MAP = """
[[rows]]
target = "littleagent:run"
kind = "run"
name = "{topic}"
"""


@pytest.fixture(name="program", autouse=True)
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "littleagent.py").write_text(PROGRAM)
    (tmp_path / "map.toml").write_text(MAP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_map_that_fits_its_program_is_well(cli: Any) -> None:
    """The exit code is 0, and each row is told with its line."""
    answer = cli("map", "check", "map.toml")

    assert answer.code == 0
    assert answer.out.splitlines() == [
        "rows",
        "  ✓ line 2 run  littleagent:run is a function",
        "",
        "✓ all is well",
    ]


def test_a_map_with_something_to_fix_ends_with_1(program: Path, cli: Any) -> None:
    (program / "map.toml").write_text(MAP.replace(":run", ":rum"))

    answer = cli("map", "check", "map.toml", "--python", sys.executable)

    assert answer.code == 1
    assert "littleagent has no rum: did you mean run?" in answer.out


def test_the_same_for_machines(cli: Any) -> None:
    document = cli("map", "check", "map.toml", "--json").json

    (row,) = document["sections"][1]["findings"]
    assert document["problems"] == 0
    assert row["data"]["line"] == 2
    assert row["data"]["matches"] == [{"place": "littleagent:run", "form": "function"}]


def test_a_map_that_is_not_there_is_one_problem(cli: Any) -> None:
    answer = cli("map", "check", "absent.toml")

    assert answer.code == 1
    assert "span map absent.toml cannot be read: No such file or directory" in answer.out


def test_a_draft_is_printed(cli: Any) -> None:
    answer = cli("map", "suggest", "littleagent")

    assert answer.code == 0
    assert tomllib.loads(answer.out)["rows"] == [
        {"target": "littleagent:run", "kind": "run", "name": "littleagent"}
    ]


def test_a_module_that_is_not_there_is_one_sentence(cli: Any) -> None:
    answer = cli("map", "suggest", "nothing_of_the_kind")

    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("flowspan: there is nothing to suggest for nothing_of_the_kind: ")


def test_the_schema_for_editors_is_the_one_that_maps_are_checked_by(cli: Any) -> None:
    assert json.loads(cli("map", "schema").out) == schema()
