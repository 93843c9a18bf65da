"""Simon Willison's ``llm``: prompts, conversations, chains, tools and embeddings.

A ``Response`` is lazy: nothing is asked before somebody reads it, and then it is asked wherever it
is read.  So the rows are where models really run, whoever built the response and however it was
obtained (``prompt``, ``conversation``, ``chain``, ``reply``, the command line):

- ``Response._iter_events``, or ``__iter__`` where older versions run the model; a second iteration
  of an unfinished response is a second call, as it is for the provider;
- ``execute`` of every async model, which returns the generator that an ``AsyncResponse`` reads;
- ``embed_batch`` of every embedding model, whose vectors may come lazily.

Plugins call models by an SDK or by HTTP: what those know is taken over (``defers``).  Nothing here
calls a method of a response, because nearly all of them would make the call.
"""

from __future__ import annotations

from typing import Any, Final

from flowspan.instrumentation.clients.llm import asking, embedding, templates, toolcalls
from flowspan.instrumentation.integration import Integration, Patch

_MODELS: Final = "llm.models"


def _asking(target: str, **more: Any) -> Patch:
    return Patch(
        target=f"{_MODELS}:{target}",
        kind="llm",
        name=asking.model_name,
        request=asking.request,
        snapshot=asking.kept,
        response=asking.response,
        failure=asking.failure,
        usage=asking.usage,
        tools=asking.requested_tools,
        content=asking.content,
        join=asking.Joined,
        when=asking.is_unread,
        defers=True,
        **more,
    )


def _chain(target: str, *, optional: bool = False) -> Patch:
    """The rounds of a chain, tools between them: one trace, whoever iterates."""
    return Patch(
        target=f"{_MODELS}:{target}",
        kind="internal",
        span_name="chain",
        quiet=("PauseChain",),
        optional=optional,
    )


_PATCHES: Final = (
    _asking("Response._iter_events", optional=True),
    _asking("Response.__iter__", glance=asking.runs_the_model),
    _asking("AsyncModel.execute", subclasses=True),
    _asking("AsyncKeyModel.execute", subclasses=True),
    _chain("ChainResponse.__iter__"),
    _chain("ChainResponse.stream_events", optional=True),
    _chain("AsyncChainResponse.__aiter__"),
    _chain("AsyncChainResponse.astream_events", optional=True),
    Patch(
        target=f"{_MODELS}:Tool.implementation",
        role="held",
        within=toolcalls.RUNNERS,
        kind="tool",
        name=toolcalls.tool_name,
        request=toolcalls.request,
        quiet=("PauseChain", "CancelToolCall"),
    ),
    Patch(
        target=f"{_MODELS}:EmbeddingModel.embed_batch",
        kind="llm",
        operation="embeddings",
        name=embedding.model_name,
        request=embedding.request,
        failure=asking.failure,
        usage=embedding.usage,
        content=embedding.content,
        join=embedding.Vectors,
        subclasses=True,
        defers=True,
    ),
    Patch(target="llm.templates:Template.evaluate", glance=templates.evaluated),
)

INTEGRATION: Final = Integration("llm", "llm>=0.26", _PATCHES)

__all__ = ["INTEGRATION"]
