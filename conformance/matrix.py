"""Tests clients and engines in environments of their own: older versions, and what pins versions.

The environments are two tables, ``environments.toml`` and ``engines.toml``.  They are made with
``uv``, a few at a time while the first are tested in, and kept until what they are made from
changes.  An environment that cannot be made, or lacks what it promises, has failed: nothing is left
out in silence.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from conformance import pipsettings
from conformance.discovery import PROGRAMS, PROMISED, absent, drivers

ROOT: Final = Path(__file__).resolve().parent.parent
TABLE: Final = Path(__file__).with_name("environments.toml")
ENGINES: Final = TABLE.with_name("engines.toml")
FOLDER: Final = ROOT / ".venv-clients"
_STAMP: Final = ".made-from"
_AT_ONCE: Final = 3
_PYTEST: Final = ("-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", "--timeout", "60")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment.

    Attributes:
        name: By which it is asked for; the name of its folder.
        about: What it is for, in a few words.
        install: Requirements beside flowspan and the tools of tests.
        promises: Drivers that must be usable in it; only these clients are asked.
        programs: Those of ``tests/distro/test_ownership.py`` that must run in it; only these do.
        others: Clients whose calls others see there, each with the distribution that does.
        modules: What must be importable in it.
        tests: What is run in it, one after the other: what would stand behind ``pytest``, with
            wildcards of files; one that stands for none fails, as a file that is not there does.
    """

    name: str
    about: str
    install: tuple[str, ...]
    promises: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    tests: tuple[str, ...] = ("tests/clients/conformance",)

    @property
    def folder(self) -> Path:
        """Where it is."""
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of processes in it."""
        promised = {PROMISED: self.promises, PROGRAMS: self.programs}
        return {**os.environ, **{name: ",".join(names) for name, names in promised.items()}}


def environments(table: Path | None = None) -> tuple[Environment, ...]:
    """All of a table (the clients'), in its order."""
    return tuple(
        Environment(name=name, **{key: _frozen(value) for key, value in row.items()})
        for name, row in _rows(table or TABLE).items()
        if name != "tools"
    )


def run(names: Sequence[str], table: Path | None = None, *, without: str | None = None) -> int:
    """Make the environments that are named (or all), test in them, and say how it went.

    Args:
        names: Which, with wildcards.
        table: Of which table; the clients' unless said.
        without: Which of these to leave out, with wildcards.

    Returns:
        The exit status: 0 if the tests passed in all of them.
    """
    known = environments(table)
    for name in filter(None, (*names, without)):
        if not any(fnmatchcase(each.name, name) for each in known):
            there = ", ".join(each.name for each in known)
            _say(f"no such environment: {name}; there are {there}")
            return 2
    if _uv() is None:
        _say("the environments are made with uv, which is not here: pip install uv")
        return 2
    wanted = [each for each in known if _is_wanted(each.name, names, without)]
    told = pipsettings.for_uv()
    with ThreadPoolExecutor(_AT_ONCE) as makers:
        made = [(each, makers.submit(_made, each, told)) for each in wanted]
        outcomes = [
            (each, *_tested(each, future, number, len(made)))
            for number, (each, future) in enumerate(made, 1)
        ]
    _say("\nenvironment by environment:")
    for each, outcome, seconds in outcomes:
        _say(f"  {each.name:<17} {outcome or 'passed':<16} {seconds:4.0f} s  {each.about}")
    return int(any(outcome for _, outcome, _ in outcomes))


def _is_wanted(name: str, names: Sequence[str], without: str | None) -> bool:
    asked = not names or any(fnmatchcase(name, each) for each in names)
    return asked and not (without is not None and fnmatchcase(name, without))


def _tested(environment: Environment, made: Future[str], number: int, of: int) -> tuple[str, float]:
    """What went wrong in an environment, empty if nothing did, and how long its tests took."""
    _say(f"\n== {number}/{of} {environment.name}: {environment.about}")
    trouble = made.result()
    started = time.monotonic()
    if trouble:
        _say(f"environment {environment.name} cannot be made:\n{trouble}")
        outcome = "CANNOT BE MADE"
    elif _run(environment, "-m", "conformance", "keeps", environment.name):
        outcome = "LACKS SOMETHING"
    else:
        statuses = [_run(environment, *_PYTEST, *arguments(each)) for each in environment.tests]
        outcome = "FAILED" if any(statuses) else ""
    return outcome, time.monotonic() - started


def _run(environment: Environment, *arguments: str) -> int:
    done = subprocess.run(  # noqa: S603 - this project's tests
        [environment.python, *arguments], cwd=ROOT, env=environment.variables, check=False
    )
    return done.returncode


def arguments(tests: str) -> list[str]:
    """The arguments of one run of ``pytest``, with the files that wildcards stand for."""
    return [found for word in shlex.split(tests) for found in _files(word) or [word]]


def _files(word: str) -> list[str]:
    if "*" not in word:
        return []
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(word))


# --- making ---------------------------------------------------------------------------------------


def _made(environment: Environment, told: Mapping[str, str]) -> str:
    """Make an environment unless it is there; what went wrong, in uv's words.

    Args:
        environment: Which.
        told: Variables for uv, beside those of this process.
    """
    stamp = environment.folder / _STAMP
    wanted = _fingerprint(environment)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return ""
    started = time.monotonic()
    shutil.rmtree(environment.folder, ignore_errors=True)
    requirements = [*_rows(TABLE)["tools"]["install"], *environment.install]
    python = ["--python", str(environment.python)]
    for command in (
        ["venv", "--python", sys.executable, str(environment.folder)],
        # Each test may start several processes: what they import is compiled once.
        ["pip", "install", "--compile-bytecode", *python, "--editable", ".", *requirements],
    ):
        done = subprocess.run(  # noqa: S603 - ours
            [str(_uv()), *command, "--quiet"],
            cwd=ROOT,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            asked = " ".join(environment.install)
            return f"{done.stderr.strip()}\n(asked for beside flowspan: {asked})"
    stamp.write_text(wanted, "utf-8")
    _say(f"-- made {environment.name} in {time.monotonic() - started:.0f} s")
    return ""


def _uv() -> str | None:
    beside = str(Path(sys.executable).parent)
    return shutil.which("uv", path=os.pathsep.join((beside, os.environ.get("PATH", ""))))


def _fingerprint(environment: Environment) -> str:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    parts = (project, sys.version, *_rows(TABLE)["tools"]["install"], *environment.install)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


# --- promises -------------------------------------------------------------------------------------


def keeps(name: str) -> int:
    """Say what an environment promises and lacks, inside of it.

    Returns:
        The exit status: 0 if it has everything.
    """
    known = (*environments(), *environments(ENGINES))
    environment = next(each for each in known if each.name == name)
    broken = list(_broken(environment))
    for sentence in broken:
        _say(f"environment {name}: {sentence}")
    return int(bool(broken))


def _broken(environment: Environment) -> Iterator[str]:
    for driver in environment.promises:
        if driver not in drivers():
            yield f"there is no driver {driver}"
        elif driver in absent():
            yield f"the driver {driver} lacks {', '.join(absent()[driver])}"
    for module in environment.modules:
        if find_spec(module) is None:
            yield f"there is no module {module}"
    # Not above: flowspan is imported where its tests run, not where environments are made.
    owners = import_module("flowspan.foreign").owned("foreign")
    for client, distribution in environment.others.items():
        if owners.get(client) != distribution:
            yield f"calls of {client} are seen by {owners.get(client)}, not by {distribution}"


def _rows(table: Path) -> dict[str, Any]:
    return tomllib.loads(table.read_text("utf-8"))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _say(line: str) -> None:
    print(line, flush=True)
