"""Whether somebody asked for no instrumentation here: an exporter sending its own data, say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import context as _api

if TYPE_CHECKING:
    from opentelemetry.context import Context

_KEYS: Final = tuple(
    key
    for key in (
        getattr(_api, "_SUPPRESS_INSTRUMENTATION_KEY", None),
        "suppress_instrumentation",
    )
    if key is not None
)


def is_suppressed(context: Context) -> bool:
    """True where the context carries one of OpenTelemetry's suppression keys."""
    return any(context.get(key) for key in _KEYS)
