"""Asks a process of its own, in the program's Python, what only importing the program can tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from flowspan.errors import ConfigurationError
from flowspan.interpreter import has_flowspan
from flowspan.launcher import without_hook

_SECONDS: Final = 120.0


def ask(module: str, arguments: Sequence[str], python: Path | None = None) -> Any:
    """What a module of ours, run as a program, answers in JSON.

    Args:
        module: Its name.
        arguments: Its command line.
        python: The Python to run it in; this one unless said.

    Raises:
        ConfigurationError: It cannot be run there, or there was no answer.
    """
    interpreter = Path(sys.executable) if python is None else python
    if not has_flowspan(interpreter):
        raise ConfigurationError(
            f"flowspan is not installed for {interpreter}: "
            f"install it there with {interpreter} -m pip install flowspan"
        )
    command = [str(interpreter), "-m", module, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            env=without_hook(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError(f"{interpreter} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"importing the program takes more than {_SECONDS:.0f} s: "
            "name modules that do nothing when they are imported"
        ) from None
    try:
        return json.loads(done.stdout)
    except ValueError:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConfigurationError(
            f"importing the program ends the process ({reason or done.returncode})"
        ) from None
