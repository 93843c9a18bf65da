"""Finds integrations: a module in ``engines`` or ``clients`` *is* its registration.

Third parties publish the same object under the entry-point group ``flowspan_integration``.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowspan.instrumentation import clients, engines
from flowspan.instrumentation.integration import Integration, Patch
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


class Broken(NamedTuple):
    """What another distribution publishes and cannot be used.

    Attributes:
        name: Of its entry point.
        reason: Why, and whose it is.
    """

    name: str
    reason: str


def published() -> Iterator[Integration]:
    """The integrations of other distributions; one that fails costs a sentence and no more."""
    for found in offered():
        if isinstance(found, Integration):
            yield found
        else:
            report_once(
                f"integration {found.name}",
                f"flowspan: the integration {found.name!r} is left out: {found.reason}",
            )


def offered() -> Iterator[Integration | Broken]:
    """What other distributions publish, usable or not."""
    for entry_point in entry_points(group=GROUP):
        found = _load(entry_point)
        if isinstance(found, str):
            owner = "?" if entry_point.dist is None else entry_point.dist.name
            reason = f"{found} ({entry_point.value}, published by {owner})"
            yield Broken(entry_point.name, reason)
        else:
            yield found


def _load(entry_point: EntryPoint) -> Integration | str:
    try:
        found = entry_point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody else's module
        return f"{type(error).__name__}: {error}"
    if isinstance(found, Integration):
        odd = [type(row).__name__ for row in found.patches if not isinstance(row, Patch)]
        return f"expected rows of type Patch, found {odd[0]}" if odd else found
    return f"expected a flowspan Integration, found {type(found).__name__}"


def _of(module: Any) -> Iterator[Integration]:
    one = getattr(module, "INTEGRATION", None)
    if one is not None:
        yield one
    yield from getattr(module, "INTEGRATIONS", ())
