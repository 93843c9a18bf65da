"""Everything that flowspan would see in a program, for recordings of whole applications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flowspan.errors import ConfigurationError
from flowspan.instrumentation import discovery
from flowspan.instrumentation.spanmap.loading import load_map

if TYPE_CHECKING:
    from flowspan.instrumentation.integration import Integration


def all_integrations(*, span_map: str | Path | None = None) -> tuple[Integration, ...]:
    """The built-in integrations, those that other packages publish, and a span map's.

    Args:
        span_map: A span map of the application's own.

    Raises:
        ConfigurationError: Something in the map cannot be used.
    """
    found = [*discovery.built_in(), *discovery.published()]
    if span_map is not None:
        mapped, problems = load_map(span_map)
        if problems:
            raise ConfigurationError("; ".join(problems))
        found += [] if mapped is None else [mapped]
    return tuple(found)
