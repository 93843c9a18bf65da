"""``make demo``: an example agent runs under opentelemetry-instrument, then its run is shown.

The agent's models are a server on this machine: nothing is charged, and nothing leaves it unless
you named an OpenTelemetry endpoint yourself.  What it records goes to ``.demo``, fresh each time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = Path(".demo")

_SCRIPTS: Final = Path(sys.executable).parent
_OURS: Final = ("FLOWSPAN_", "OTEL_")
_YOURS: Final = "OTEL_EXPORTER_OTLP_"
_LOCAL: Final = "127.0.0.1,localhost"
_TICK_SECONDS: Final = 0.1

NEXT: Final = (
    (
        "show last --events --store {store}",
        "the same run with every event: states, prompts, retries",
    ),
    ("runs --store {store}", "the list of runs"),
    ("doctor", "what would be recorded of your own programs here, and why"),
)
"""Verbs of the command line to go on with, and what each is for."""


def command(folder: Path) -> list[str]:
    """What a user would type."""
    program = ("python", "-m", "recursive_writer", "--output", str(folder / "output"))
    return ["opentelemetry-instrument", *program, "the bicycle"]


def record(folder: Path, watch: Callable[[int, float], None]) -> tuple[int, str]:
    """Run the example against its scripted models.

    Args:
        folder: Where the store and the program's own files go.
        watch: Told every now and then how many steps are done and how many seconds have passed.

    Returns:
        The program's exit code, and what it printed.
    """
    offline = (sys.executable, "-m", "recursive_writer.offline", "--")
    program = subprocess.Popen(  # noqa: S603 - our own example
        [*offline, *command(folder)],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
    )
    began = time.monotonic()
    while True:
        try:
            said, _ = program.communicate(timeout=_TICK_SECONDS)
        except subprocess.TimeoutExpired:
            steps = len(list((ROOT / folder / "output").glob("nodes-*.pickle")))
            watch(steps, time.monotonic() - began)
        except KeyboardInterrupt:
            program.communicate()  # the terminal interrupted it as well
            raise
        else:
            return program.returncode, said


def environment(folder: Path) -> dict[str, str]:
    """The environment as flowspan finds it without any setting, but for the store.

    An OTLP endpoint stays: whoever has named one sees the run there too.
    """
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) or name.startswith(_YOURS)
    }
    search = os.pathsep.join(filter(None, (str(ROOT / "examples"), bare.get("PYTHONPATH"))))
    not_by_proxy = ",".join(filter(None, (bare.get("NO_PROXY") or bare.get("no_proxy"), _LOCAL)))
    return {
        **bare,
        "FLOWSPAN_STORE": str(ROOT / folder),
        "PATH": f"{_SCRIPTS}{os.pathsep}{bare.get('PATH', os.defpath)}",
        "PYTHONPATH": search,
        "NO_PROXY": not_by_proxy,
        "no_proxy": not_by_proxy,
    }


class Progress:
    """One line, written over while the program runs; in a pipe it is written once."""

    def __init__(self) -> None:
        self._moves = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._width = 0
        if not self._moves:
            print("  running, for a few seconds ...", flush=True)

    def __call__(self, steps: int, seconds: float) -> None:
        """Say how far it has come."""
        if self._moves:
            self._write(f"  running: {steps} steps done, {seconds:.1f} s")

    def clear(self) -> None:
        """Take the line away."""
        if self._moves:
            self._write("")

    def _write(self, line: str) -> None:
        print(f"\r{line.ljust(self._width)}\r{line}", end="", flush=True)
        self._width = len(line)


def flowspan() -> str:
    """How to call the command line from here: by its name alone if that finds it."""
    ours = _SCRIPTS / "flowspan"
    found = shutil.which("flowspan")
    if found is not None and Path(found).absolute() == ours.absolute():
        return "flowspan"
    is_below = ours.is_relative_to(Path.cwd())
    return shlex.quote(str(ours.relative_to(Path.cwd()) if is_below else ours))


def show() -> int:
    """Print the run as a tree, by the command line itself."""
    arguments = ("show", "last", "--store", str(FOLDER))
    print(f"  $ {flowspan()} {shlex.join(arguments)}\n", flush=True)
    shown = [sys.executable, "-m", "flowspan", *arguments]
    return subprocess.call(shown, cwd=ROOT)  # noqa: S603 - our own command line


def main() -> int:
    """Run, show, and say how to go on.

    Returns:
        An exit code.
    """
    os.chdir(ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    print("A program that knows nothing of flowspan, with models on this machine:\n")
    print(f"  $ {shlex.join(command(FOLDER))}", flush=True)
    progress = Progress()
    code, said = record(FOLDER, progress)
    progress.clear()
    print("".join(f"  {line}\n" for line in said.splitlines()))
    if code:
        print(f"The example ended with exit code {code}; the lines above say why.")
        return code
    if code := show():
        return code
    print("\nGo on with:\n")
    for arguments, purpose in NEXT:
        print(f"  {flowspan()} {arguments.format(store=FOLDER)}\n      {purpose}")
    print("\nFor a program of your own see README.md.", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print()
        sys.exit(130)
    except BrokenPipeError:  # what reads us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
