"""Decorators and context managers for code that says itself what it is.

::

    @flowspan.node                               a function, method or class: a span for each call
    @flowspan.node("{task.action}", id="{key}")  names and attributes by the paths of span maps
    with flowspan.tool("search", query=query) as span:
        span.describe(hits=len(hits))

Until flowspan is switched on they do nothing and import nothing: a call costs a test more.

::

    roles ─► marks ─► targets ─► functions ─► live: a machine? ─► wrappers, as of any patched row
                └───► blocks ──────────────────┘
"""

from flowspan.instrumentation.decorators.handles import Handle, current
from flowspan.instrumentation.decorators.marks import Mark
from flowspan.instrumentation.decorators.roles import (
    PromptRole,
    Role,
    agent,
    node,
    prompt,
    run,
    step,
    tool,
)

__all__ = [
    "Handle",
    "Mark",
    "PromptRole",
    "Role",
    "agent",
    "current",
    "node",
    "prompt",
    "run",
    "step",
    "tool",
]
