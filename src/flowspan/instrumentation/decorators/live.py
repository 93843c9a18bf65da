"""The machine that decorated code is seen by, while there is one.

Decorated functions look here at each call, so that it does not matter whether they were decorated
before flowspan was switched on or after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowspan.instrumentation.decorators.functions import Plan
    from flowspan.instrumentation.machine import Machine, Site


class Connection:
    """A machine, and what was made for it.

    Attributes:
        machine: Where calls are seen.
        wrappers: The wrapper of each decorated function that was called; weak, because functions
            that are made inside functions come and go.
        sites: The rows of ``with`` blocks, by what they have in common.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.wrappers: WeakKeyDictionary[Plan, Callable[..., Any]] = WeakKeyDictionary()
        self.sites: dict[Any, Site] = {}


connections: Final[list[Connection]] = []
"""The last one counts; empty while flowspan is off."""


def connect(machine: Machine) -> None:
    """Let decorated code be seen by a machine."""
    connections.append(Connection(machine))


def disconnect(machine: Machine) -> None:
    """Let it be seen no more."""
    connections[:] = [each for each in connections if each.machine is not machine]


def connection() -> Connection | None:
    """The one that counts, also where another thread is taking it away."""
    try:
        return connections[-1]
    except IndexError:
        return None
