"""Imports genai-prices without what it needs only to renew its lists.

The package imports an HTTP client for that.  Here it would be imported in the background, and some
SDKs look whether it is there without asking whether it is complete: a program's first request would
fail.  So the package runs its own code when somebody asks it for what only that has.
"""

from __future__ import annotations

import importlib
import sys
import threading
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE: Final = "genai_prices"


def prepare() -> None:
    """Make the package importable part by part, unless somebody has imported it already."""
    if PACKAGE in sys.modules:
        return
    spec = find_spec(PACKAGE)
    if spec is None or spec.loader is None:
        return
    package = module_from_spec(spec)
    vars(package)["__getattr__"] = _Rest(package)
    sys.modules.setdefault(PACKAGE, package)


class _Rest:
    """What the package has beside its modules: its own code runs when that is asked for."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package
        self._lock = threading.RLock()
        self._begun = False

    def __call__(self, name: str) -> Any:
        """What the package has under a name.

        Raises:
            AttributeError: Nothing.
        """
        package = self._package
        if not name.startswith("_") and find_spec(f"{PACKAGE}.{name}") is not None:
            return importlib.import_module(f"{PACKAGE}.{name}")
        with self._lock:
            if not self._begun and not _is_of_modules(name):
                self._begun = True
                assert package.__spec__ is not None  # noqa: S101 - it was made from one
                assert package.__spec__.loader is not None  # noqa: S101 - as above
                package.__spec__.loader.exec_module(package)
        if name in vars(package):
            return vars(package)[name]
        raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")


def _is_of_modules(name: str) -> bool:
    """Whether it is a name that Python looks for in any module."""
    return name.startswith("__") and name not in {"__all__", "__version__"}
