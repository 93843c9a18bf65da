"""What pflow's tests share: a provider that pflow asks, workflows, and what must be charged.

pflow lives in an environment of its own (``make test-engines``); elsewhere its tests are skipped.
"""

from __future__ import annotations

import http.client  # noqa: F401 - pflow's search for nodes hides it from who imports it later
import importlib.util
import inspect
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from phases import known
from traces import threaded

from flowspan import semconv
from flowspan.instrumentation.clients import http as http_rows
from flowspan.instrumentation.clients import litellm as litellm_rows
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.instrumentation.engines import claude_agent_sdk
from flowspan.instrumentation.engines import pflow as rows
from flowspan.testing import FakeProvider, Recording

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices at import
pytest.importorskip("pflow.runtime.engine")

import litellm
from pflow.core import node as lifecycle
from pflow.execution.runner import RunnerConfig, WorkflowRunner
from pflow.runtime.engine import engine, types

EXAMPLE: Final = Path(__file__).parents[3] / "examples" / "pflow_workflow" / "report.pflow.md"
TODAY: Final = rows.INTEGRATIONS[0]
ALL: Final = (
    TODAY,
    litellm_rows.INTEGRATION,
    openai_rows.INTEGRATION,
    *http_rows.INTEGRATIONS,
    claude_agent_sdk.INTEGRATION,
)
MODEL: Final = "openai/gpt-4o"
SLOW: Final = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Marks of modules that run pflow: it takes its time, and leaves things open."""

can_resume: Final = pytest.mark.skipif(
    importlib.util.find_spec("pflow.runtime.resume_source") is None,
    reason="this version of pflow cannot resume",
)

Node: Final[Any] = lifecycle.Node
WorkflowEngine: Final[Any] = engine.WorkflowEngine
BatchConfig: Final[Any] = types.BatchConfig
CompiledWorkflow: Final[Any] = types.CompiledWorkflow
NodeConfig: Final[Any] = types.NodeConfig


@pytest.fixture(name="provider")
def asked_provider(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeProvider]:
    """What pflow asks; a home of its own for pflow's traces and its cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    yield provider
    _close_clients()


@pytest.fixture(name="recording")
def watched(provider: FakeProvider) -> Iterator[Recording]:
    """Everything that is seen, threads included."""
    with threaded(*ALL, priced=True) as recording:
        yield recording


def _close_clients() -> None:
    """Close what litellm keeps to ask with, which it never does."""
    kept = litellm.in_memory_llm_clients_cache
    for client in kept.cache_dict.values():
        if hasattr(client, "close") and not inspect.iscoroutinefunction(client.close):
            client.close()
    kept.flush_cache()


def run(workflow: Any, params: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a workflow as the command line does."""
    config = RunnerConfig(
        cache_enabled=options.pop("cached", False), only_node=options.pop("only", None)
    )
    return WorkflowRunner().run(workflow, params or {}, config, **options)


def ask(name: str, **params: Any) -> dict[str, Any]:
    """A node that asks a model."""
    said = {"model": MODEL, "prompt": "Say something", **params}
    return {"id": name, "type": "llm", "params": said}


def code(name: str, source: str, **more: Any) -> dict[str, Any]:
    """A node that runs Python."""
    return {"id": name, "type": "code", "params": {"code": source}, **more}


def divide(name: str, by: Any, **more: Any) -> dict[str, Any]:
    """A node that fails with what is nothing."""
    made = code(name, "by: int\nresult: float = 1 / by", **more)
    made["params"]["inputs"] = {"by": by}
    return made


def workflow(
    *nodes: dict[str, Any], edges: tuple[tuple[str, ...], ...] = (), **more: Any
) -> dict[str, Any]:
    """A workflow of nodes in a line, or as the edges say."""
    names = [node["id"] for node in nodes]
    line = tuple(itertools.pairwise(names))
    return {
        "ir_version": "0.1.0",
        "nodes": list(nodes),
        "edges": [
            {"from": edge[0], "to": edge[1], **({"action": edge[2]} if len(edge) > 2 else {})}
            for edge in edges or line
        ],
        **more,
    }


def assert_charged(recording: Recording, provider: FakeProvider) -> None:
    """The tokens are the ledger's, each call once, and the whole is on each root."""
    charged, spans = provider.ledger.total(), recording.spans
    assert len(spans.of_kind("llm")) == len(provider.requests)
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == (charged.output_tokens or 0)
    roots = [known(root) for root in spans.roots()]
    assert sum(root.get(semconv.ROLLUP_LLM_CALLS, 0) for root in roots) == len(provider.requests)
