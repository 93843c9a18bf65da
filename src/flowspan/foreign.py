"""Other people's instrumentations that would see the calls which flowspan sees already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OURS: Final = "flowspan"
THREADING: Final = "threading"
"""OpenTelemetry's instrumentor that carries contexts into threads, which ours does as well."""

_SAME_CALLS: Final = {
    "openai": "openai",
    "openai_v2": "openai",
}
"""Entry-point names of instrumentors by other distributions, and our integration beside them."""


def disabled_integrations() -> frozenset[str]:
    """Names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` that are integrations of ours.

    ``flowspan-openai`` disables ours alone; ``openai`` disables everybody's.
    """
    text = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    names = (name.strip().lower() for name in text.split(","))
    return frozenset(name.removeprefix("flowspan-") for name in names if name)


def owner_of(entry_point: EntryPoint) -> str | None:
    """Our integration that sees the same calls as this instrumentor, if it is not disabled."""
    if entry_point.name == OURS:
        return None
    ours = _SAME_CALLS.get(entry_point.name)
    return None if ours is None or ours in disabled_integrations() else ours
