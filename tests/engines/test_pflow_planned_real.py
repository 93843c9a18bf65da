"""pflow of August and September 2025 under ``opentelemetry-instrument``, unmodified.

Enabled by ``FLOWSPAN_PFLOW``: paths of checkouts of spinje/pflow (6d0f1fed, 2d2187b6), joined as in
``PATH``, each with a ``.venv`` that has its requirements, ``llm<0.28``, ``llm-anthropic<0.20``,
``anthropic<0.80`` (later ones refuse what it asks for) and flowspan.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pflow_planner import MODEL, NESTED, WISH, respond

from flowspan import semconv
from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import FakeProvider

CHECKOUTS: Final = [path for path in os.environ.get("FLOWSPAN_PFLOW", "").split(os.pathsep) if path]
PLANNER: Final = "claude-sonnet-4-0"
SMALL: Final = "claude-3-haiku-20240307"
"""What the earlier version has its metadata made by."""
COMMAND: Final = """
import json, sys
from pflow.cli.main import main
main(json.loads(sys.argv[1]))
"""
REGISTER: Final = """
from pathlib import Path
import pflow
from pflow.registry import Registry, scan_for_nodes
nodes = Path(pflow.__file__).parent / "nodes"
Registry().update_from_scanner(scan_for_nodes([one for one in nodes.iterdir() if one.is_dir()]))
"""
COMPILE: Final = """
import json, sys
from pflow.registry import Registry
from pflow.runtime import compile_ir_to_flow
flow = compile_ir_to_flow(json.loads(sys.argv[1]), registry=Registry(), validate=False)
store = {}
flow.run(store)
print(json.dumps(store["publish"]))
"""

pytestmark = [
    pytest.mark.skipif(
        not CHECKOUTS,
        reason="FLOWSPAN_PFLOW is not set: the real engine is not run "
        "(set it to checkouts of spinje/pflow of 2025 whose .venv has their requirements)",
    ),
    pytest.mark.timeout(300),
]


class Engine:
    """Runs one checkout in processes of their own."""

    def __init__(self, checkout: str, provider: FakeProvider, home: Path) -> None:
        self._checkout = Path(checkout)
        self._provider = provider
        self._home = home
        self.store = home / "store.db"
        self._start(["-c", REGISTER], watched=False)

    def run(self, *arguments: str, watched: bool = True) -> str:
        """Run Python in the checkout's environment; what it wrote to its standard output."""
        self._provider.clear()
        self._provider.respond = respond
        return self._start(arguments, watched=watched)

    def command(self, *arguments: str, watched: bool = True) -> str:
        """Run pflow's command (``opentelemetry-instrument`` has options of the same names)."""
        return self.run("-c", COMMAND, json.dumps(arguments), watched=watched)

    def spans(self) -> list[SpanRow]:
        """The spans of the only trace."""
        with open_store(self.store) as store:
            [run] = store.runs()
            return store.trace(run.trace_id)

    def traces(self) -> list[dict[str, Any]]:
        """What pflow itself has written of its runs."""
        files = sorted((self._home / ".pflow" / "debug").glob("*.json"))
        return [json.loads(file.read_text("utf-8")) for file in files]

    def option_for_a_trace(self) -> str:
        """What makes the planner keep its debug trace."""
        said = self._start(["-c", COMMAND, '["--help"]'], watched=False)
        return "--trace-planner" if "--trace-planner" in said else "--trace"

    def _start(self, arguments: Any, *, watched: bool) -> str:
        scripts = self._checkout / ".venv" / "bin"
        scripts = scripts if scripts.exists() else Path(sys.executable).parent
        command = [str(scripts / "python"), *arguments]
        if watched:
            command.insert(0, str(scripts / "opentelemetry-instrument"))
        done = subprocess.run(
            command,
            cwd=self._home,
            env={
                **os.environ,
                **self._provider.environment,
                "HOME": str(self._home),
                "LLM_USER_PATH": str(self._home / "llm"),
                "PYTHONPATH": os.pathsep.join([f"{self._checkout}/src", str(self._checkout)]),
                "FLOWSPAN_STORE": str(self.store),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(name="provider")
def _provider() -> Iterator[FakeProvider]:
    with FakeProvider(respond=respond) as provider:
        yield provider


@pytest.fixture(name="engine", params=CHECKOUTS, ids=[Path(path).name for path in CHECKOUTS])
def _engine(request: pytest.FixtureRequest, provider: FakeProvider, tmp_path: Path) -> Engine:
    return Engine(request.param, provider, tmp_path)


def tree(spans: list[SpanRow]) -> str:
    """Kinds and names, as an indented text."""
    depths: dict[str, int] = {}
    lines = []
    for span in spans:
        depths[span.span_id] = depth = depths.get(span.parent_id or "", -1) + 1
        lines.append(f"{'  ' * depth}{span.kind} {span.name.partition(' ')[2]}")
    return "\n".join(lines)


PLANNED: Final = f"""\
run pflow
  run planner
    node WorkflowDiscoveryNode
      llm {PLANNER}
    node ComponentBrowsingNode
      llm {PLANNER}
    node ParameterDiscoveryNode
      llm {PLANNER}
    node WorkflowGeneratorNode
      llm {PLANNER}
    node ParameterMappingNode
      llm {PLANNER}
    node ValidatorNode
    node MetadataGenerationNode
      llm {PLANNER}
    node ParameterPreparationNode
    node ResultPreparationNode
  run workflow
    node write
      llm {MODEL}
    node shorten
      llm {MODEL}"""


def test_planner_and_workflow_are_one_run(engine: Engine) -> None:
    engine.command("--verbose", WISH)

    spans = sorted(engine.spans(), key=lambda span: span.start_ns)
    assert tree(spans).replace(SMALL, PLANNER) == PLANNED
    assert [span.name for span in spans if span.orphan or span.state != "done"] == []


def test_what_the_metrics_task_asks_for_is_in_the_trace(
    engine: Engine, provider: FakeProvider
) -> None:
    """Time, tokens, model and cost of every node, of planner and workflow, and of all together."""
    engine.command(WISH)

    spans = engine.spans()
    [root, planner, workflow] = [span for span in spans if span.kind == "run"]
    calls = [span for span in spans if span.kind == "llm"]
    charged = provider.ledger.total()
    # Tokens: those of the provider's ledger, whatever it calls them and however lazily it is asked.
    assert len(calls) == len(provider.requests) == 8
    assert sum(call.input_tokens or 0 for call in calls) == charged.input_tokens
    assert sum(call.output_tokens or 0 for call in calls) == charged.output_tokens
    # The split: planner and workflow add up to the whole.
    for name in (semconv.ROLLUP_INPUT_TOKENS, semconv.ROLLUP_OUTPUT_TOKENS):
        assert planner.attrs[name] + workflow.attrs[name] == root.attrs[name]
    assert planner.attrs[semconv.ROLLUP_LLM_CALLS] == 6
    assert workflow.attrs[semconv.ROLLUP_LLM_CALLS] == 2
    # Models and cost, each by itself.
    assert {call.request_model for call in calls} - {SMALL} == {PLANNER, MODEL}
    assert {call.cost_status for call in calls} == {"priced"}
    parts = planner.attrs[semconv.ROLLUP_COST_USD] + workflow.attrs[semconv.ROLLUP_COST_USD]
    assert parts == pytest.approx(root.attrs[semconv.ROLLUP_COST_USD])
    # Per node: its own time and its own tokens; a call takes the time of the call, not none.
    parents = {call.parent_id: call for call in calls}
    nodes = [span for span in spans if span.kind == "node"]
    asking = [node for node in nodes if node.span_id in parents]
    assert len(asking) == 8
    for node in asking:
        call = parents[node.span_id]
        assert node.attrs[semconv.ROLLUP_INPUT_TOKENS] == call.input_tokens
        assert 0 < (call.duration_ns or 0) <= (node.duration_ns or 0)
    # Nodes by their id, and by their real type, never by that of a proxy around them.
    types = {node.name.partition(" ")[2]: node.attrs["pflow.node.type"] for node in nodes}
    assert (types.pop("write"), types.pop("shorten")) == ("LLMNode", "LLMNode")
    assert types == {name: name for name in types}
    assert not any("Wrapper" in name for name in types)


def test_the_program_and_its_own_trace_are_as_they_were(engine: Engine) -> None:
    """What it says is the same; its debug trace has the same nodes, calls and prompts."""
    option = engine.option_for_a_trace()
    expected = engine.command(option, WISH, watched=False)
    [plain] = engine.traces()

    found = engine.command(option, WISH)

    [_, seen] = engine.traces()
    assert found == expected
    assert told(seen) == told(plain)


def told(trace: dict[str, Any]) -> Any:
    """A trace of pflow's without times and ids."""
    return {
        "status": trace["status"],
        "nodes": [(node["node"], node["status"]) for node in trace["node_execution"]],
        "prompts": [(call["node"], call["prompt"]) for call in trace["llm_calls"]],
    }


def test_nested_workflows_are_counted_with_all_their_tokens(
    engine: Engine, provider: FakeProvider
) -> None:
    """The child is compiled without collectors and has a store of its own."""
    engine.run("-c", COMPILE, json.dumps(NESTED))

    spans = sorted(engine.spans(), key=lambda span: span.start_ns)
    assert tree(spans) == (
        f"run Flow from write\n"
        f"  node write\n"
        f"    llm {MODEL}\n"
        f"  node publish\n"
        f"    run publish\n"
        f"      node title\n"
        f"        llm {MODEL}"
    )
    charged = provider.ledger.total()
    assert spans[0].attrs[semconv.ROLLUP_INPUT_TOKENS] == charged.input_tokens
    assert spans[0].attrs[semconv.ROLLUP_OUTPUT_TOKENS] == charged.output_tokens
