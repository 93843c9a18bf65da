"""One program: started, polled until it is ready, stopped by its own process id."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from stack.errors import ProgramError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_LAST_LINES: Final = 8


class Program:
    """A program that listens on loopback.

    Args:
        name: What it is called.
        command: With its arguments.
        environment: Variables beside those of this process.
        ready: An address that answers 200 once it serves.
        log: Where what it prints is appended.

    Attributes:
        name: What it is called.
        log: The file of what it printed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        ready: str,
        log: Path,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(word) for word in command]
        self._environment = dict(environment)
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it serves.

        Raises:
            ProgramError: It ended instead, or did not serve in time.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - built by us
                self._command,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def process_id(self) -> int | None:
        """Its process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self) -> None:
        """Ask it to end and wait until it has; kill it where it does not."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def kill(self) -> None:
        """End it at once, as a crash or a lack of memory would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._ready):
            if process.poll() is not None:
                raise ProgramError(
                    f"{self.name} ended with status {process.returncode} before it was ready:\n"
                    f"{self._last_lines()}"
                )
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"{self.name} did not answer at {self._ready} within {START_SECONDS:.0f} s:\n"
                    f"{self._last_lines()}"
                )
            time.sleep(_POLL_SECONDS)

    def _last_lines(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])


def answers(url: str) -> bool:
    """Whether something answers 200 there."""
    try:
        with _DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's word for yes
    except (urllib.error.URLError, OSError):
        return False


_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never asked by a proxy."""
