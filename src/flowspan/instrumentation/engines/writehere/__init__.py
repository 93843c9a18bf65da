"""WriteHERE: recursive planning and writing, as its tracing plan of April 2025 names it.

::

    Engine.Run                                   engine.py        one input, one trace
    └─ Engine.Step
       ├─ Engine.FindNextNode
       ├─ Node.SelectAction                      graph.py         the status machine decides …
       │  └─ Node.ExecuteAction                                   … and acts
       │     ├─ Agent.Forward.UpdateAtomPlanning regular.py
       │     │  └─ Agent.LLMInteraction          interactions.py  one prompt (prompts.py)
       │     │     └─ chat gpt-4o                                 (clients: the request itself)
       │     ├─ Agent.Forward.SimpleExecutor
       │     │  ├─ execute_tool BingBrowser.…    retrieval.py     search, select, summarise
       │     │  └─ Agent.SearchMerge             interactions.py
       │     └─ Node.PlanToGraph                 plans.py
       │        └─ Node.Create
       └─ Engine.ExamGraphState                  engine.py        recursive
          └─ Node.EvaluateState                  graph.py

The engine is run from a checkout, mostly as ``python engine.py``: its own classes are then in
``__main__``, which is patched when the first run sets up its memory.  It pickles every node after
every step: rows patch classes and modules, and what they remember is in frames.

Where this differs from the plan, and why, is in ``docs/engines/writehere.md``.
"""

from typing import Final

from flowspan.instrumentation.engines.writehere import (
    engine,
    graph,
    interactions,
    plans,
    prompts,
    regular,
    retrieval,
)
from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "writehere",
    requires="",
    engine="writehere",
    patches=(
        *engine.PATCHES,
        *graph.PATCHES,
        *plans.PATCHES,
        *regular.PATCHES,
        *interactions.PATCHES,
        *prompts.PATCHES,
        *retrieval.PATCHES,
    ),
)
