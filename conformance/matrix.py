"""Tests the clients in environments of their own: older versions, and what pins versions.

The environments are a table, ``environments.toml``.  Each is made with ``uv`` where that is here
and with ``venv`` and ``pip`` elsewhere, and kept until what it is made from changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.discovery import PROMISED

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = Path(__file__).with_name("environments.toml")
FOLDER: Final = ROOT / ".venv-clients"
_STAMP: Final = ".made-from"
_WORKERS: Final = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment.

    Attributes:
        name: By which it is asked for; the name of its folder.
        about: What it is for, in a few words.
        install: Requirements beside flowspan and the tools of tests.
        promises: Drivers that must be usable in it; only these clients are asked.
        tests: What is run in it.
    """

    name: str
    about: str
    install: tuple[str, ...]
    promises: tuple[str, ...] = ()
    tests: tuple[str, ...] = ("tests/clients/conformance",)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        scripts = "Scripts" if os.name == "nt" else "bin"
        return FOLDER / self.name / scripts / "python"


def environments() -> tuple[Environment, ...]:
    """All of the table, in its order."""
    return tuple(
        Environment(name=name, **{key: _frozen(value) for key, value in row.items()})
        for name, row in _table().items()
        if name != "tools"
    )


def run(names: Sequence[str]) -> int:
    """Make the environments that are named (or all), test in them, and say how it went.

    Returns:
        The exit status: 0 if the tests passed in all of them.
    """
    known = {each.name: each for each in environments()}
    if unknown := [name for name in names if name not in known]:
        _say(f"no such environment: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    outcomes = [(each, *_timed(each)) for each in map(known.__getitem__, names or known)]
    _say("\nclients, environment by environment:")
    for each, outcome, seconds in outcomes:
        _say(f"  {each.name:<14} {outcome:<18} {seconds:4.0f} s  {each.about}")
    return any(outcome != _PASSED for _, outcome, _ in outcomes)


_PASSED: Final = "passed"


def _timed(environment: Environment) -> tuple[str, float]:
    started = time.monotonic()
    _say(f"\n== {environment.name}: {environment.about}")
    if _make(environment):
        passed = _tested(environment)
        outcome = _PASSED if passed else "FAILED"
    else:
        outcome = "CANNOT BE MADE"
    return outcome, time.monotonic() - started


# --- making ---------------------------------------------------------------------------------------


def _make(environment: Environment) -> bool:
    stamp = FOLDER / environment.name / _STAMP
    wanted = _fingerprint(environment)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return True
    folder = FOLDER / environment.name
    shutil.rmtree(folder, ignore_errors=True)
    requirements = [*_table()["tools"]["install"], *environment.install]
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(environment.python)],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(environment.python), "-m", "pip", "install", "--quiet"],
        ]
    commands[1] += ["--editable", ".", *requirements]
    for command in commands:
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - ours
            return False
    stamp.write_text(wanted, "utf-8")
    return True


def _fingerprint(environment: Environment) -> str:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    parts = (project, sys.version, *_table()["tools"]["install"], *environment.install)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


# --- testing --------------------------------------------------------------------------------------


def _tested(environment: Environment) -> bool:
    command = [
        str(environment.python),
        "-m",
        "pytest",
        "-q",
        "-n",
        _WORKERS,
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(  # noqa: S603 - this project's tests
        [*command, "--timeout", "60", *environment.tests],
        cwd=ROOT,
        env={**os.environ, PROMISED: ",".join(environment.promises)},
        check=False,
    )
    return done.returncode == 0


def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text("utf-8"))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _say(line: str) -> None:
    print(line, flush=True)
