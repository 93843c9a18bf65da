"""Other instrumentations of model calls that are installed here, and who owns the calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from flowspan.config import Settings
from flowspan.foreign import instrumentors, origin, owned, owner_of, same_calls
from flowspan.report.findings import Finding

_RECORD_MODEL_CALLS: Final = frozenset(
    {
        "agno", "aleph_alpha", "anthropic", "autogen", "bedrock", "beeai", "claude_agent_sdk",
        "cohere", "crewai", "dspy", "google_adk", "google_genai", "google_generativeai", "groq",
        "guardrails", "haystack", "instructor", "langchain", "litellm", "llama_index",
        "llamaindex", "mistralai", "ollama", "openai", "openai_agents", "openai_v2", "portkey",
        "pydantic_ai", "replicate", "sagemaker", "smolagents", "strands", "together",
        "transformers", "vertexai", "watsonx", "writer",
    }
)  # fmt: skip
"""Entry-point names under which the known families publish instrumentations of model calls."""


def findings(environ: Mapping[str, str], wanted: Settings) -> list[Finding]:
    """One finding for each such instrumentation, none where there is none."""
    return list(_findings(environ, wanted))


def _findings(environ: Mapping[str, str], wanted: Settings) -> Iterator[Finding]:
    stepping_aside = owned(wanted.clients, environ)
    for entry_point in instrumentors(environ):
        ours = owner_of(entry_point, wanted.clients, environ)
        if ours is not None:
            text = f"{origin(entry_point)} is not loaded: flowspan's own {ours} sees the same calls"
            yield Finding("ok", entry_point.name, text, data={"loaded": False})
        elif (theirs := same_calls(entry_point)) in stepping_aside:
            text = f"{origin(entry_point)} owns the calls of {theirs}: flowspan completes its spans"
            yield Finding("ok", entry_point.name, text, data={"loaded": True, "owns": theirs})
        elif entry_point.name in _RECORD_MODEL_CALLS:
            text = f"{origin(entry_point)} records model calls too; each is counted once"
            yield Finding("note", entry_point.name, text, data={"loaded": True})
