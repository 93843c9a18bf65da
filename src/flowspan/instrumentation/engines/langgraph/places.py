"""Labels of LangGraph's rows, and how they find each other and read what the engine passes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Attributes, Call, Frame
from flowspan.semconv import INTERRUPTION

RUN: Final = "run"
AGENT: Final = "agent"
STEP: Final = "superstep"
NODE: Final = "node"

START: Final = "__start__"
"""The node that takes the input in: plumbing, and no node of the program's."""

END: Final = "__end__"

_ROOT: Final = "__root__"
_PLUMBING: Final = ("__", "branch:", "join:")

QUIET: Final = ("GraphBubbleUp",)
"""Interrupts, commands for the graph around and drained runs: control flow."""


def is_key(channel: str) -> bool:
    """Whether a channel is a key of the program's state, not one of the engine's own."""
    return channel == _ROOT or not channel.startswith(_PLUMBING)


def values(channels: Mapping[str, Any]) -> dict[str, Any]:
    """The program's state: what the channels hold that are its keys."""
    return {
        name: channel.get()
        for name, channel in channels.items()
        if is_key(name) and channel.is_available()
    }


def configurable(config: Any) -> Mapping[str, Any]:
    """The part of a config that names thread, checkpoint and what the engine adds."""
    found = config.get("configurable") if isinstance(config, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def frames(call: Call) -> Iterator[Frame]:
    """The frames around a call, the nearest first."""
    frame = call.enclosing
    while frame is not None:
        yield frame
        frame = frame.parent


def run_around(call: Call) -> Frame | None:
    """The run of the graph that a call is part of."""
    return next((frame for frame in frames(call) if frame.label == RUN), call.enclosing)


def interruption(error: BaseException) -> Attributes:
    """What is said of a call that an interrupt or a drain ended; nothing of other errors."""
    names = [kind.__name__ for kind in type(error).__mro__]
    for name in ("GraphInterrupt", "GraphDrained"):
        if name in names:
            return {INTERRUPTION: name}
    return {}
