"""Other people's instrumentations that see the calls which flowspan sees, and who owns them.

``FLOWSPAN_CLIENTS=own``: flowspan does; instrumentations of the same clients are not loaded.
``FLOWSPAN_CLIENTS=foreign``: they do, wherever one is installed; the rows of that client step
aside, and the spans that it makes are completed with what flowspan knows beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from flowspan.instrumentation import discovery

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from flowspan.config import Clients

OURS: Final = "flowspan"
THREADING: Final = "threading"
"""OpenTelemetry's instrumentor that carries contexts into threads, which ours does as well."""

_GROUP: Final = "opentelemetry_instrumentor"
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"

_SAME_CALLS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "openai_v2": "openai",
    "anthropic": "anthropic",
    "google_genai": "google-genai",
    "google_genai_sdk": "google-genai",
    "google_generativeai": "google-generativeai",
    "ollama": "ollama",
    "litellm": "litellm",
    "mistralai": "mistralai",
    "cohere": "cohere",
    "bedrock": "bedrock",
    "huggingface_hub": "huggingface_hub",
    "openai_agents": "openai-agents",
    "pydantic_ai": "pydantic-ai",
    "smolagents": "smolagents",
    "claude_agent_sdk": "claude-agent-sdk",
    "autogen": "autogen",
    "autogen_agentchat": "autogen",
    "ag2": "ag2",
    "llama_index": "llamaindex",
    "llamaindex": "llamaindex",
    "dspy": "dspy",
    "haystack": "haystack",
}
"""Entry-point names of instrumentors by other distributions, with ``_`` for ``-``, and the
integration of ours that is beside them."""


class _BuiltIn(NamedTuple):
    """Tracing that a client brings itself.

    Attributes:
        client: The integration of ours, and the distribution.
        versions: Those that have it.
        switch: The variable that decides; empty where none does.
        default: Its value where it is not set.
    """

    client: str
    versions: str
    switch: str = ""
    default: str = "true"


_BUILT_IN: Final = (
    _BuiltIn("anthropic", ">=2", "ANTHROPIC_OPEN_TELEMETRY"),
    _BuiltIn("mistralai", ">=1.9,<2.10"),
    _BuiltIn("mistralai", ">=2.10", "MISTRAL_SDK_TELEMETRY", "false"),
)


def disabled_integrations(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` that are integrations of ours.

    ``flowspan-openai`` disables ours alone; ``openai`` disables everybody's.
    """
    return frozenset(name.lower().removeprefix("flowspan-") for name in _disabled(environ))


def _disabled(environ: Mapping[str, str]) -> frozenset[str]:
    names = (name.strip() for name in environ.get(_DISABLED, "").split(","))
    return frozenset(name for name in names if name)


def same_calls(entry_point: EntryPoint) -> str | None:
    """Our integration that sees the same calls as this instrumentor."""
    ours = _SAME_CALLS.get(entry_point.name.lower().replace("-", "_"))
    return ours if ours in _names() else None


@cache
def _names() -> frozenset[str]:
    return frozenset(one.name for one in discovery.built_in())


def owner_of(
    entry_point: EntryPoint, clients: Clients, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Our integration that owns the calls which this instrumentor sees, unless others do."""
    ours = same_calls(entry_point)
    owns = ours is not None and clients == "own" and ours not in disabled_integrations(environ)
    return ours if owns else None


def owned(clients: Clients, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Integrations of ours that step aside, and whose spans stand for their calls."""
    if clients != "foreign":
        return {}
    found = dict(_built_in(environ))
    for entry_point in instrumentors(environ):
        ours = same_calls(entry_point)
        if ours is not None and _can_be_loaded(entry_point):
            found[ours] = origin(entry_point)
    return found


def goes_first(clients: Clients, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a model call's span by somebody else owns it where both see it.

    So it is where the user says so, and where our rows of a client were disabled by their name.
    """
    ours = {f"flowspan-{name}" for name in _SAME_CALLS.values()}
    return clients == "foreign" or not ours.isdisjoint(map(str.lower, _disabled(environ)))


def instrumentors(environ: Mapping[str, str] = os.environ) -> Iterator[EntryPoint]:
    """The instrumentors of others that are installed and not disabled."""
    names = _disabled(environ)
    for entry_point in entry_points(group=_GROUP):
        if entry_point.name != OURS and names.isdisjoint({entry_point.name, "*"}):
            yield entry_point


def origin(entry_point: EntryPoint) -> str:
    """Who publishes an instrumentor."""
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value


def _can_be_loaded(entry_point: EntryPoint) -> bool:
    """Whether the loader would load it for the version of the client that is installed."""
    if entry_point.dist is None:
        return True
    try:
        return get_dist_dependency_conflicts(entry_point.dist) is None
    except Exception:  # noqa: BLE001 - somebody else's metadata
        return True


def _built_in(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for client, versions, switch, default in _BUILT_IN:
        try:
            has_it = SpecifierSet(versions).contains(version(client), prereleases=True)
        except (PackageNotFoundError, InvalidVersion):
            continue
        value = environ.get(switch, "").strip().lower() or default
        if has_it and client in _names() and value not in {"false", "0"}:
            yield client, f"{client}'s own tracing"
