"""Finds integrations: a module in ``engines`` or ``clients`` *is* its registration.

Third parties publish the same object under the entry-point group ``flowspan_integration``.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation import clients, engines
from flowspan.instrumentation.integration import Integration
from flowspan.safety import report_once

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP: Final = "flowspan_integration"


def built_in() -> Iterator[Integration]:
    """The integrations of this package, engines first."""
    for package in (engines, clients):
        for module in pkgutil.iter_modules(package.__path__):
            found = importlib.import_module(f"{package.__name__}.{module.name}")
            yield from _of(found)


def published() -> Iterator[Integration]:
    """The integrations of other distributions; one that fails costs a sentence and no more."""
    for entry_point in entry_points(group=GROUP):
        yield from _load(entry_point)


def _load(entry_point: EntryPoint) -> Iterator[Integration]:
    try:
        found = entry_point.load()
    except Exception as error:  # noqa: BLE001 - somebody else's module
        report_once(
            f"integration {entry_point.name}",
            f"The integration {entry_point.name!r} ({entry_point.value}) is left out: "
            f"{type(error).__name__}: {error}",
        )
        return
    if isinstance(found, Integration):
        yield found
    else:
        report_once(
            f"integration {entry_point.name}",
            f"The integration {entry_point.name!r} ({entry_point.value}) is left out: "
            f"expected a flowspan Integration, found {type(found).__name__}",
        )


def _of(module: Any) -> Iterator[Integration]:
    one = getattr(module, "INTEGRATION", None)
    if one is not None:
        yield one
    yield from getattr(module, "INTEGRATIONS", ())
