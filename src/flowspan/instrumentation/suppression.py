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
    for key in _KEYS:  # noqa: SIM110 - asked of every call, and a generator costs half of it
        if context.get(key):
            return True
    return False
