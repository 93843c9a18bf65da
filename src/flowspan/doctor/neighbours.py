"""Other instrumentations installed here that would record the same model calls once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from flowspan.foreign import OURS, owner_of
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


def findings(environ: Mapping[str, str]) -> list[Finding]:
    """One finding for each such instrumentation, none where there is none."""
    return list(_findings(environ))


def _findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    text = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    disabled = {name.strip() for name in text.split(",")}
    for entry_point in entry_points(group="opentelemetry_instrumentor"):
        if entry_point.name == OURS or not disabled.isdisjoint({entry_point.name, "*"}):
            continue
        ours = owner_of(entry_point)
        if ours is not None:
            yield Finding(
                "ok",
                entry_point.name,
                f"{_origin(entry_point)} is not loaded: flowspan's own {ours} sees the same calls",
                data={"loaded": False},
            )
        elif entry_point.name in _RECORD_MODEL_CALLS:
            yield Finding(
                "problem",
                entry_point.name,
                f"{_origin(entry_point)} records model calls too, so they are counted twice",
                f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={entry_point.name}",
                data={"loaded": True},
            )


def _origin(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value
