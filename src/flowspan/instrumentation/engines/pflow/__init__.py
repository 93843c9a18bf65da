"""pflow: workflows and the nodes in them, batches, loops, nested workflows and cached answers.

::

    invoke_workflow report                  run     WorkflowRunner.run, or the engine by itself
    ├─ run_step fetch                       node    by the id that the workflow's file gives it
    ├─ run_step summarize                   node    a batch
    │  └─ item                                      where something was seen in it
    │     └─ chat gpt-4o                    llm     in a thread of its own: litellm's row sees it
    └─ run_step publish                     node
       └─ invoke_workflow publish           run     a nested workflow, of the same run

Its own trace in ``~/.pflow/debug`` and its callbacks are left alone.  Until March 2026 pflow ran on
PocketFlow: those versions are in ``planned``.
"""

from typing import Final

from flowspan.instrumentation.engines.pflow import (
    agents,
    batches,
    failures,
    nodes,
    planned,
    workflows,
)
from flowspan.instrumentation.engines.pocketflow.attempts import rows_of
from flowspan.instrumentation.integration import Integration

INTEGRATIONS: Final = (
    Integration(
        "pflow",
        requires="pflow-cli>=0.14",
        patches=(
            *workflows.PATCHES,
            *nodes.PATCHES,
            *batches.PATCHES,
            *agents.PATCHES,
            *rows_of(
                "pflow.core.node:BaseNode", "pflow.core.node:Node", answered=failures.answered
            ),
        ),
        engine="pflow",
    ),
    planned.INTEGRATION,
)
