"""PocketFlow: flows, their nodes, attempts, fallbacks, batches, routes and shared state.

The engine is a hundred lines: a flow copies the node that comes next, runs it, and asks what it
returned for the way on.  Every class has its own ``_run`` or ``_run_async``, which rows follow
through all overrides; nothing is put on flows and nodes, which are copied before each run.
"""

from typing import Final

from flowspan.instrumentation.engines.pocketflow import attempts, flows, nodes
from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "pocketflow",
    requires="pocketflow>=0.0.0",
    patches=(*flows.PATCHES, *nodes.PATCHES, *attempts.PATCHES),
    engine="pocketflow",
)
