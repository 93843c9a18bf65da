"""The Go toolchain: whether it is here, and commands of it that tell how far they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from stack.cache import READY_MADE_VARIABLE
from stack.errors import BuildError, StackUnavailableError

OLDEST: Final = (1, 26)
LINE_EVERY_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.2
_LAST_LINES: Final = 12
_NOT_REACHED: Final = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|TLS handshake|proxyconnect"
    r"|network is unreachable|GOPROXY=off|\b(404|410|5\d\d) [A-Z]|unexpected EOF",
)

Say = Callable[[str], None]


class Go(NamedTuple):
    """A Go toolchain.

    Attributes:
        path: Of the command ``go``.
        version: As ``go1.26.8 linux/amd64``.
    """

    path: str
    version: str


def find_go() -> Go:
    """The toolchain on the path.

    Raises:
        StackUnavailableError: There is none, or it is too old.
    """
    remedy = (
        f"install Go {OLDEST[0]}.{OLDEST[1]} or newer (https://go.dev/dl), or name a folder with "
        f"ready-made programs in {READY_MADE_VARIABLE}"
    )
    path = shutil.which("go")
    if path is None:
        raise StackUnavailableError(
            f"there is no Go here, from which the stack's programs are built: {remedy}"
        )
    done = subprocess.run([path, "version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on the path
    version = done.stdout.strip().removeprefix("go version ")
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise StackUnavailableError(f"{path} is {version or 'not usable'}: {remedy}")
    return Go(path, version)


def environment() -> dict[str, str]:
    """Static, reproducible programs by the toolchain that is here and no other."""
    return {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}


def run(command: list[str], folder: Path, *, what: str, say: Say, **environ: str) -> str:
    """Run a command of the toolchain to its end.

    Args:
        command: With its arguments.
        folder: Where.
        what: What it does, for progress lines and errors.
        say: Takes progress lines.
        **environ: Further variables.

    Returns:
        What it printed.

    Raises:
        StackUnavailableError: The module registry did not answer, or lacks a module.
        BuildError: It failed for any other reason.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(  # noqa: S603 - ours, or found on the path
            command,
            cwd=folder,
            env={**environment(), **environ},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            out = _output(process, lambda: say(what + _steps(errors.fileno())))
        except BaseException:
            process.kill()
            process.wait()
            raise
        errors.seek(0)
        said = errors.read()
    if process.returncode:
        raise _failure(what, said)
    return out


def _output(process: subprocess.Popen[str], still: Callable[[], None]) -> str:
    """Wait for the end; tell every now and then that it goes on."""
    next_line = time.monotonic() + LINE_EVERY_SECONDS
    while True:
        try:
            return process.communicate(timeout=_POLL_SECONDS)[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() >= next_line:
                still()
                next_line = time.monotonic() + LINE_EVERY_SECONDS


def _steps(descriptor: int) -> str:
    """How many lines a command has written: a package compiled or a module fetched each."""
    lines = os.pread(descriptor, os.fstat(descriptor).st_size, 0).count(b"\n")
    return f", {lines} steps" if lines else " …"


def _failure(what: str, said: str) -> Exception:
    lines = [line for line in said.splitlines() if not line.startswith("go: downloading")]
    last = "\n".join(lines[-_LAST_LINES:])
    if _NOT_REACHED.search(last):
        return StackUnavailableError(
            f"{what}: the Go module registry (`go env GOPROXY`) does not answer or lacks a module: "
            f"{lines[-1].strip()}"
        )
    return BuildError(f"{what} failed:\n{last}")
