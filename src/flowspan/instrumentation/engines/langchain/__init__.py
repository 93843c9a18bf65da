"""LangChain: models, tools, retrievers and agents; no span for the plumbing between them.

::

    invoke_workflow RunnableSequence      runnables.py    the outermost chain, if nothing is around
    ├─ retrieval NotesRetriever
    ├─ chat gpt-4o                        models.py       what the SDK inside knows is told to it
    └─ execute_tool lookup

LangGraph's graphs are rows of their own, and what they run is here.
"""

from typing import Final

from flowspan.instrumentation.engines.langchain import models, runnables
from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "langchain",
    requires="langchain-core>=0.3.67",
    engine="langchain",
    patches=(*models.PATCHES, *runnables.PATCHES),
)
