"""Which Python a command will run in, and whether flowspan is installed there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"python(\d+(\.\d+)?)?(\.exe)?", re.IGNORECASE)
_FIRST_LINES: Final = 512
_ENV: Final = re.compile(rb"#!\s*\S*/env\s+(?:-S\s+)?(\S+)")
_DIRECT: Final = re.compile(rb"#!\s*(\S+)")
_BY_SHELL: Final = re.compile(rb"'''exec'\s+\"?([^\"\n]+?)\"?\s+\"\$0\"")
"""How installers write the first lines of a script whose interpreter's path is too long."""

_SHORT: Final = re.compile(r"-([^cmXW]*)([cmXW]?)(.*)", re.DOTALL)
"""Switches in one word, and the one at their end that takes a value."""
_LONG_WITH_VALUE: Final = "--check-hash-based-pycs"
_ENDS: Final = frozenset({"-", "--"})
_PROGRAM: Final = frozenset({"c", "m"})
_BLINDING: Final = frozenset("EIS")
"""No variables of the environment, neither these nor the user's folder, no ``sitecustomize``."""

_QUESTION: Final = (
    "import sys, importlib.util as u; sys.exit(3 if u.find_spec('flowspan') is None else 0)"
)
_NO: Final = 3
_SECONDS: Final = 20.0


def of_command(command: Sequence[str]) -> Path | None:
    """The Python that a command runs in.

    Args:
        command: As ``launcher.resolve`` returned it: its program is a path.

    Returns:
        The interpreter; ``None`` where the program is neither Python nor a Python script.
    """
    program = Path(command[0])
    if _NAME.fullmatch(program.name):
        return program
    try:
        with program.open("rb") as file:
            head = file.read(_FIRST_LINES)
    except OSError:
        return None
    named = _BY_SHELL.search(head) or _ENV.match(head) or _DIRECT.match(head)
    if named is None:
        return None
    interpreter = Path(named[1].decode(errors="replace"))
    if not _NAME.fullmatch(interpreter.name):
        return None
    found = shutil.which(str(interpreter))
    return None if found is None else Path(found)


def blinding_switch(command: Sequence[str]) -> str | None:
    """The switch of a command by which Python does not look for what starts flowspan.

    Args:
        command: As ``launcher.resolve`` returned it.

    Returns:
        ``-E``, ``-I`` or ``-S``; ``None`` where there is none, or the program is not Python.
    """
    if not _NAME.fullmatch(Path(command[0]).name):
        return None
    arguments = iter(command[1:])
    for argument in arguments:
        if argument == _LONG_WITH_VALUE:
            next(arguments, None)
        elif argument in _ENDS or not argument.startswith("-"):
            return None
        elif not argument.startswith("--"):
            switches, value, rest = _SHORT.fullmatch(argument).groups()  # type: ignore[union-attr]
            found = next((switch for switch in switches if switch in _BLINDING), None)
            if found is not None:
                return f"-{found}"
            if value in _PROGRAM:
                return None
            if value and not rest:
                next(arguments, None)
    return None


def is_ours(interpreter: Path) -> bool:
    """Whether it is the Python of this process: the same program in the same environment."""
    ours = Path(sys.executable)
    same_folder = interpreter.absolute().parent == ours.absolute().parent
    return same_folder and interpreter.resolve() == ours.resolve()


def has_flowspan(interpreter: Path) -> bool:
    """Whether flowspan can be imported there; true if that cannot be found out."""
    if is_ours(interpreter):
        return True
    try:
        done = subprocess.run(  # noqa: S603 - the Python that the user's command names
            [str(interpreter), "-c", _QUESTION],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != _NO
