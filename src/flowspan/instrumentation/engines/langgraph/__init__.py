"""LangGraph: compiled graphs, the functional API and the agents that come with them.

::

    invoke_workflow writer                       runs.py     one input, read to its end
    └─ invoke_agent writer                                   only the library's own agents
       ├─ run_step superstep                     steps.py    nodes that run at once
       │  ├─ run_step plan                       nodes.py    a node with all its attempts …
       │  │  └─ chat gpt-4o                                  (clients: the request itself)
       │  └─ run_step research                               … which may be a graph itself
       │     └─ invoke_workflow research
       └─ run_step superstep
          ├─ run_step write:0                                each Send of a fan-out
          └─ run_step write:1
             └─ execute_tool lookup                          (langchain: tools and models)

What is patched is where the engine runs things, not its callbacks: those see neither calls of an
SDK inside a node nor which branch was taken.  Nothing is put into a state, a config or a
checkpoint.
"""

from typing import Final

from flowspan.instrumentation.engines.langgraph import nodes, runs, steps
from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "langgraph",
    requires="langgraph>=0.6",
    engine="langgraph",
    patches=(*runs.PATCHES, *steps.PATCHES, *nodes.PATCHES),
)
