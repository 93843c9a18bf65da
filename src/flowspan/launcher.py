"""Starts a program under flowspan as its shell would: same streams, same process group, same end.

It does what ``opentelemetry-instrument`` does, with two differences: flowspan's distribution is
named, so that no other one can win, and the caller stays alive to tell afterwards what was
recorded.  Nothing else of the program's surroundings is changed; the folder it is started in is not
added to its import path.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from flowspan.errors import FlowspanError

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
_SIGNALLED: Final = 128

_NAMED: Final = {"OTEL_PYTHON_DISTRO": "flowspan", "OTEL_PYTHON_CONFIGURATOR": "flowspan"}
_HOOK_PACKAGE: Final = "opentelemetry.instrumentation.auto_instrumentation"

_FROM_KEYBOARD: Final = ("SIGINT", "SIGQUIT")
_FORWARDED: Final = (*_FROM_KEYBOARD, "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


class CannotStartError(FlowspanError):
    """The command cannot be started.

    Attributes:
        code: The exit code that a shell would give: 126 or 127.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def environment(base: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is to be traced.

    Args:
        base: The caller's own environment.
        settings: Variables that the user set on the command line; they win.

    Returns:
        ``base`` with the settings, flowspan's distribution named, and the folder first in
        ``PYTHONPATH`` whose ``sitecustomize`` starts OpenTelemetry.
    """
    path = without_hook(base).get("PYTHONPATH")
    entries = [str(_hook_folder()), *([path] if path else [])]
    return {**base, **_NAMED, **settings, "PYTHONPATH": os.pathsep.join(entries)}


def without_hook(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is not to be traced."""
    hook = str(_hook_folder())
    path = environ.get("PYTHONPATH", "").split(os.pathsep)
    rest = os.pathsep.join(entry for entry in path if entry != hook)
    bare = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
    return {**bare, "PYTHONPATH": rest} if rest else bare


def _hook_folder() -> Path:
    spec = find_spec(_HOOK_PACKAGE.rpartition(".")[0])
    if spec is None or not spec.submodule_search_locations:
        raise CannotStartError(
            "opentelemetry-instrumentation is not installed beside flowspan: "
            "reinstall flowspan in this environment",
            NOT_FOUND,
        )
    return Path(spec.submodule_search_locations[0]) / _HOOK_PACKAGE.rpartition(".")[2]


def resolve(command: Sequence[str], path: str | None = None) -> list[str]:
    """What to execute for a command as a user types it.

    Args:
        command: A program and its arguments. The program is a name to be looked up, a path, or
            the path of a ``.py`` file, which is run by this Python.
        path: Where names are looked up; ``PATH`` unless given.

    Returns:
        The command with the full path of its program.

    Raises:
        CannotStartError: There is no such program, or it may not be executed.
    """
    program, *arguments = command
    if program.endswith(".py") and Path(program).is_file():
        return [sys.executable, program, *arguments]
    found = shutil.which(program, path=path)
    if found is None and program in {"python", "python3"}:
        found = sys.executable
    if found is None:
        raise _cannot_start(program)
    return [found, *arguments]


def _cannot_start(program: str) -> CannotStartError:
    place = Path(program)
    if place.is_dir():
        return CannotStartError(f"{program} is a folder, not a program", NOT_EXECUTABLE)
    if os.sep in program:
        if place.exists():
            return CannotStartError(
                f"{program} may not be executed: make it executable, "
                "or name its interpreter before it",
                NOT_EXECUTABLE,
            )
        return CannotStartError(f"cannot find {program}: there is no such file", NOT_FOUND)
    if program.endswith(".py"):
        return CannotStartError(f"cannot find {program} in {Path.cwd()}", NOT_FOUND)
    hint = f"; for the file here write .{os.sep}{program}" if place.exists() else ""
    return CannotStartError(
        f"cannot find the program {program}: it is in no folder of PATH{hint}", NOT_FOUND
    )


def replace(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the program; returns only where that failed or cannot be done (Windows)."""
    if os.name == "nt":  # pragma: no cover - there is no exec on Windows
        return run(command, environ)
    try:
        os.execve(command[0], list(command), dict(environ))  # noqa: S606 - the user's own command
    except OSError as error:
        raise _refused(command[0], error) from error


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the program as a child and wait for its end.

    Signals sent to us reach it, once: those of the keyboard go to the whole process group anyway.

    Args:
        command: As :func:`resolve` returned it.
        environ: As :func:`environment` returned it.

    Returns:
        The child's exit code, ``128 + n`` where signal ``n`` ended it.

    Raises:
        CannotStartError: The system refused to execute the program.
    """
    with _Forwarding() as forwarding:
        try:
            child = subprocess.Popen(list(command), env=dict(environ))  # noqa: S603 - the user's own command
        except OSError as error:
            raise _refused(command[0], error) from error
        forwarding.to(child)
        code = child.wait()
    return _SIGNALLED - code if code < 0 else code


def _refused(program: str, error: OSError) -> CannotStartError:
    reason = error.strerror or str(error)
    return CannotStartError(f"cannot execute {program}: {reason}", NOT_EXECUTABLE)


@dataclass(slots=True)
class _Forwarding:
    """Passes our signals to a child for as long as it runs."""

    child: subprocess.Popen[bytes] | None = None
    early: list[int] = field(default_factory=list)
    former: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in _FORWARDED:
            number = getattr(signal, name, None)
            # What is ignored (nohup) stays ignored, in the child too.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self.former[number] = signal.signal(number, self._handler(name))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)

    def to(self, child: subprocess.Popen[bytes]) -> None:
        """Name the child, and give it what came before it was there."""
        self.child = child
        for number in self.early:
            child.send_signal(number)

    def _handler(self, name: str) -> Callable[[int, FrameType | None], None]:
        def forward(number: int, _frame: FrameType | None) -> None:
            if name in _FROM_KEYBOARD and _in_foreground():
                return  # the terminal sent it to the child as well
            if self.child is None:
                self.early.append(number)
            else:
                self.child.send_signal(number)

        return forward


def _in_foreground() -> bool:
    """Whether our process group is the one that the terminal's keys send signals to."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except (OSError, AttributeError):
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # pragma: no cover - the terminal went away between two lines
        return False
    finally:
        os.close(terminal)
