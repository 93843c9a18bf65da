"""Free ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from typing import Final

_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
"""Below the range from which systems give ports to clients, so that a program that is stopped
and started again finds its port free."""


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A port on loopback for each name, where nobody listens now."""
    held: dict[str, socket.socket] = {}
    try:
        for name in names:
            held[name] = _bound()
        return {name: bound.getsockname()[1] for name, bound in held.items()}
    finally:
        for bound in held.values():
            bound.close()


def _bound() -> socket.socket:
    while True:
        bound = socket.socket()
        try:
            bound.bind(("127.0.0.1", random.randint(_LOWEST, _HIGHEST)))  # noqa: S311 - no secret
        except OSError:
            bound.close()
        else:
            return bound
