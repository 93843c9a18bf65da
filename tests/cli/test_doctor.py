"""``flowspan doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _few(only: Any) -> None:
    """An integration that patches next to nothing; all of them are asked in tests/doctor."""
    only("http.client")


def test_all_is_well(cli: Any) -> None:
    """Where nothing is wrong the exit code is 0."""
    answer = cli("doctor")

    assert answer.code == 0
    assert answer.out.splitlines()[0] == "start"
    assert answer.out.splitlines()[-1] == "✓ all is well"


def test_something_to_fix(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something is to be fixed the exit code is 1."""
    monkeypatch.setenv("FLOWSPAN_DETAIL", "loud")

    answer = cli("doctor")

    assert answer.code == 1
    assert answer.out.splitlines()[-1] == "✗ 1 thing to fix"


def test_json(cli: Any) -> None:
    """The same for machines."""
    document = cli("doctor", "--json").json

    assert document["problems"] == 0
    assert [section["name"] for section in document["sections"]] == [
        "start",
        "integrations",
        "neighbours",
        "exporters",
        "settings",
        "store",
    ]


def test_own_process_stays_clean(only: Any) -> None:
    """The doctor imports nothing that it examines."""
    only("pocketflow")
    source = """
import sys
from flowspan.doctor import inspect
inspect()
print("pocketflow" in sys.modules)
"""
    command = [sys.executable, "-c", source]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python without flowspan."""
    folder = tmp_path / "bare"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=100
    )
    return folder / "bin" / "python"


def test_command_of_this_python(cli: Any, tmp_path: Path) -> None:
    """A command that runs in this Python is examined here."""
    script = tmp_path / "app.py"
    script.touch()

    assert cli("doctor", "--", script, "--json").code == 0


def test_command_that_keeps_flowspan_away(cli: Any) -> None:
    """The switch is the reason for everything else."""
    answer = cli("doctor", "--", sys.executable, "-E", "app.py")

    assert answer.code == 1
    assert "-E keeps Python from what starts it" in answer.out


def test_command_of_another_python(cli: Any, bare: Path) -> None:
    """Flowspan that is not installed where a command runs is the reason for everything else."""
    answer = cli("doctor", "--", bare, "app.py")

    assert answer.code == 1
    assert "is not installed for" in answer.out
    assert cli("doctor", "--json", "--", bare).json["problems"] == 1


def test_command_of_another_python_with_flowspan(bare: Path) -> None:
    """Another Python with flowspan in it is examined by its own flowspan."""
    done = subprocess.run(
        [sys.executable, "-m", "flowspan", "doctor", "--json", "--", str(bare), "app.py"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    start = json.loads(done.stdout)["sections"][0]["findings"][0]
    assert start["data"]["prefix"] == str(bare.parent.parent)


def test_command_that_is_not_there(cli: Any) -> None:
    """A command that cannot be found is said so."""
    answer = cli("doctor", "--", "nosuch")

    assert answer.code == 127
    assert "cannot find the program nosuch" in answer.err
