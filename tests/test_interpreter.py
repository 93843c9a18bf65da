"""Which Python a command runs in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowspan import interpreter


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "tool"


@pytest.mark.parametrize("name", ["python", "python3", "python3.12", "python3.exe"])
def test_python_itself(tmp_path: Path, name: str) -> None:
    """A program called python is a Python."""
    assert interpreter.of_command([str(tmp_path / name), "x.py"]) == tmp_path / name


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}\n",
        "#! {python} -E\n",
        "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_script(script: Path, head: str) -> None:
    """A script names its Python in its first lines, in one of the ways that installers know."""
    script.write_text(head.format(python=sys.executable) + "import x\n")

    assert interpreter.of_command([str(script)]) == Path(sys.executable)


@pytest.mark.parametrize("line", ["#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -I"])
def test_script_by_env(script: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script may have its Python looked up."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    script.write_text(line + "\n")

    found = interpreter.of_command([str(script)])

    assert found == Path(sys.executable).parent / "python3"


@pytest.mark.parametrize(
    "head", ["#!/bin/sh\necho\n", "\x7fELF", "", "#!/nosuch/python3\n", "#!/usr/bin/env make\n"]
)
def test_no_python(script: Path, head: str) -> None:
    """Of anything else it is not known."""
    script.write_text(head)

    assert interpreter.of_command([str(script)]) is None
    assert interpreter.of_command([str(script.parent)]) is None


def test_ours(tmp_path: Path) -> None:
    """This Python is ours by any of its names; one of another environment is not."""
    folder = Path(sys.executable).parent
    elsewhere = tmp_path / "python"
    elsewhere.symlink_to(sys.executable)

    assert interpreter.is_ours(Path(sys.executable))
    assert interpreter.is_ours(folder / "python3")
    assert not interpreter.is_ours(elsewhere)
    assert not interpreter.is_ours(folder / "pip")


def _bare(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=100
    )
    return folder / "bin" / "python"


def test_has_flowspan(tmp_path: Path) -> None:
    """An environment is asked whether flowspan is there; what cannot be asked is trusted."""
    hanging = tmp_path / "python3"
    hanging.write_text("not a program")

    assert interpreter.has_flowspan(Path(sys.executable))
    assert not interpreter.has_flowspan(_bare(tmp_path / "bare"))
    assert interpreter.has_flowspan(hanging)


def test_user_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flowspan may be anywhere on that Python's path."""
    python = _bare(tmp_path / "bare")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    assert interpreter.has_flowspan(python)


@pytest.mark.parametrize(
    ("arguments", "switch"),
    [
        (["-E", "x.py"], "-E"),
        (["-sE", "x.py"], "-E"),
        (["-u", "-I", "-m", "x"], "-I"),
        (["-X", "dev", "-S", "x.py"], "-S"),
        (["-Xdev", "-W", "error", "-uS", "-"], "-S"),
        (["--check-hash-based-pycs", "always", "-E"], "-E"),
        (["x.py", "-E"], None),
        (["-m", "x", "-I"], None),
        (["-mx", "-I"], None),
        (["-c", "pass", "-S"], None),
        (["-W", "-E", "x.py"], None),
        (["-OEm", "x"], "-E"),
        (["-", "-E"], None),
        (["--version"], None),
        (["-c\nE"], None),
        ([], None),
    ],
)
def test_a_switch_that_keeps_flowspan_away(arguments: list[str], switch: str | None) -> None:
    """Of Python itself, and not of the program that it runs."""
    assert interpreter.blinding_switch(["/bin/python3", *arguments]) == switch
    assert interpreter.blinding_switch(["/bin/tool", *arguments]) is None
