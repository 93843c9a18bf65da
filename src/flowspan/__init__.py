"""flowspan: one connected, priced trace for each run of an agent workflow engine.

This is the one door for code: what is listed here is public, everything else may change.  Names are
imported when they are first asked for, so that ``import flowspan`` itself imports nothing.  The
test kit has a door of its own, ``flowspan.testing``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from flowspan import semconv
    from flowspan.distro import FlowspanInstrumentor
    from flowspan.errors import (
        ConfigurationError,
        FlowspanError,
        RunNotFoundError,
        StoreError,
        StoreTooNewError,
    )
    from flowspan.instrumentation.decorators import (
        Handle,
        agent,
        current,
        node,
        prompt,
        run,
        step,
        tool,
    )
    from flowspan.instrumentation.integration import (
        Attributes,
        AttributeValue,
        Call,
        Content,
        Event,
        Frame,
        Integration,
        Joiner,
        Patch,
    )
    from flowspan.semconv import Kind
    from flowspan.usage import Usage

    __version__: str

__all__ = [
    "AttributeValue",
    "Attributes",
    "Call",
    "ConfigurationError",
    "Content",
    "Event",
    "FlowspanError",
    "FlowspanInstrumentor",
    "Frame",
    "Handle",
    "Integration",
    "Joiner",
    "Kind",
    "Patch",
    "RunNotFoundError",
    "StoreError",
    "StoreTooNewError",
    "Usage",
    "__version__",
    "agent",
    "current",
    "node",
    "prompt",
    "run",
    "semconv",
    "step",
    "tool",
]

_NAMES_OF: Final = {
    "flowspan.distro": ("FlowspanInstrumentor",),
    "flowspan.errors": (
        "ConfigurationError",
        "FlowspanError",
        "RunNotFoundError",
        "StoreError",
        "StoreTooNewError",
    ),
    "flowspan.instrumentation.decorators": (
        "Handle",
        "agent",
        "current",
        "node",
        "prompt",
        "run",
        "step",
        "tool",
    ),
    "flowspan.instrumentation.integration": (
        "AttributeValue",
        "Attributes",
        "Call",
        "Content",
        "Event",
        "Frame",
        "Integration",
        "Joiner",
        "Patch",
    ),
    "flowspan.semconv": ("Kind",),
    "flowspan.usage": ("Usage",),
}
_HOMES: Final = {name: home for home, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from flowspan.resource import flowspan_version  # noqa: PLC0415 - only when asked for

        value: Any = flowspan_version()
    elif name == "semconv":
        value = import_module("flowspan.semconv")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
