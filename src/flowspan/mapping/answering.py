"""The other side of ``asking``: answers, whatever the imported program prints or leaves running."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pkgutil
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any


def answer(work: Callable[[], Any]) -> None:
    """Print as JSON what ``work`` returns, and nothing else, and end the process."""
    out = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    found = work()
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        json.dump(found, stream)
        stream.flush()
    os._exit(0)  # not waiting for threads that an imported module has started


def import_module(name: str) -> ModuleType | str:
    """A module of the program, or why it cannot be imported, in a sentence."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            return f"there is no module {error.name}{_nearest_module(error.name)}"
        return f"{name} cannot be imported: {error}"
    except BaseException as error:  # noqa: BLE001 - whatever a module does when it is imported
        return f"{name} cannot be imported: {type(error).__name__}: {error}"


def import_script(path: Path) -> str | None:
    """Make a script the main module, without running what it does as one; why not, if it fails."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        return f"{path} is no Python file"
    script = importlib.util.module_from_spec(spec)
    sys.modules["__main__"] = script
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(script)
    except BaseException as error:  # noqa: BLE001 - as above
        return f"{path} cannot be imported: {type(error).__name__}: {error}"
    return None


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about a name that is not there: which one may have been meant."""
    found = get_close_matches(name, known, n=1)
    return f": did you mean {found[0]}?" if found else ""


def _nearest_module(name: str) -> str:
    package, _, _ = name.rpartition(".")
    if not package:
        return nearest(name, [found.name for found in pkgutil.iter_modules()])
    path = getattr(sys.modules.get(package), "__path__", ())
    siblings = [f"{package}.{found.name}" for found in pkgutil.iter_modules(path)]
    return nearest(name, siblings)
