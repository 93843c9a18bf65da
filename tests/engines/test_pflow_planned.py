"""pflow of 2025, which planned with PocketFlow: seen through its proxies, by a stand-in.

What the document asked for that its tracing was to be built from is gone through here, and of the
program itself in ``test_pflow_planned_real.py``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from phases import known

from flowspan import semconv
from flowspan.instrumentation.clients import http
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.instrumentation.engines import pflow, pocketflow
from flowspan.testing import FakeProvider, Recording, record

pytest.importorskip("pocketflow")

STANDIN: Final = Path(__file__).parent / "planned" / "standin"
PLANNED: Final = pflow.INTEGRATIONS[1]
ALL: Final = (PLANNED, pocketflow.INTEGRATION, openai_rows.INTEGRATION, *http.INTEGRATIONS)


_modules: Final[dict[str, Any]] = {}
"""The stand-in's, which are imported once."""


def _taken_out() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] == "pflow"]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture(name="standin")
def _standin(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in in place of whatever pflow is installed."""
    monkeypatch.syspath_prepend(STANDIN)
    before = _taken_out()
    sys.modules.update(_modules)
    yield
    _modules.update(_taken_out())
    sys.modules.update(before)


@pytest.fixture
def recording(standin: None) -> Iterator[Recording]:
    with record(*ALL, priced=True) as recording:
        yield recording


def plan_and_run() -> dict[str, Any]:
    main = importlib.import_module("pflow.cli.main")
    store: dict[str, Any] = main._execute_planner_and_workflow("write something")
    return store


TREE: Final = """\
invoke_workflow pflow
  invoke_workflow planner
    run_step WorkflowDiscoveryNode flowspan.node.id='planner/WorkflowDiscoveryNode'
      chat gpt-4o
    run_step WorkflowGeneratorNode flowspan.node.id='planner/WorkflowGeneratorNode'
      chat gpt-4o
      chat gpt-4o
      chat gpt-4o
  invoke_workflow workflow
    run_step write flowspan.node.id='workflow/write'
      chat gpt-4o
    run_step publish flowspan.node.id='workflow/publish'
      invoke_workflow publish
        run_step title flowspan.node.id='workflow/publish/publish/title'
          chat gpt-4o"""


def test_planner_workflow_and_what_is_nested_are_one_run(recording: Recording) -> None:
    """Proxies are no nodes: those have the names of their classes, or their ids in the file."""
    plan_and_run()

    assert recording.spans.tree(semconv.NODE_ID) == TREE


def test_what_the_metrics_task_asks_for_is_in_the_trace(
    recording: Recording, provider: FakeProvider
) -> None:
    """Time, tokens, model and cost of nodes, planner and workflow, nested ones included."""
    plan_and_run()

    spans = recording.spans
    charged = provider.ledger.total()
    attributes = {span.name.partition(" ")[2]: known(span) for span in spans.of_kind("run")}
    whole, planner, workflow = (attributes[name] for name in ("pflow", "planner", "workflow"))
    assert whole[semconv.ROLLUP_INPUT_TOKENS] == charged.input_tokens
    assert whole[semconv.ROLLUP_OUTPUT_TOKENS] == charged.output_tokens
    for name in (
        semconv.ROLLUP_LLM_CALLS,
        semconv.ROLLUP_INPUT_TOKENS,
        semconv.ROLLUP_OUTPUT_TOKENS,
        semconv.ROLLUP_COST_USD,
    ):
        assert planner[name] + workflow[name] == pytest.approx(whole[name])
    assert planner[semconv.ROLLUP_LLM_CALLS] == 4
    assert workflow[semconv.ROLLUP_LLM_CALLS] == 2
    assert {known(call)[semconv.REQUEST_MODEL] for call in spans.of_kind("llm")} == {"gpt-4o"}
    assert all((node.end_time or 0) > (node.start_time or 0) for node in spans.of_kind("node"))


def test_nodes_say_of_which_type_they_are(recording: Recording) -> None:
    """The real one, whatever is around it; an id in a file does not say it."""
    plan_and_run()

    types = {
        node.name.partition(" ")[2]: known(node)["pflow.node.type"]
        for node in recording.spans.of_kind("node")
    }
    assert types == {
        "WorkflowDiscoveryNode": "WorkflowDiscoveryNode",
        "WorkflowGeneratorNode": "WorkflowGeneratorNode",
        "write": "LLMNode",
        "publish": "WorkflowExecutor",
        "title": "LLMNode",
    }


def test_attempts_are_neither_lost_nor_hidden_by_a_proxy(recording: Recording) -> None:
    """The proxy calls the parts of a node itself and passes its own run by."""
    plan_and_run()

    node = recording.spans.one("run_step WorkflowGeneratorNode")
    assert known(node)[semconv.ATTEMPT] == 3
    assert [event.name for event in node.events].count(semconv.EVENT_RETRY) == 2


def test_what_a_node_writes_through_its_proxy_is_told(recording: Recording) -> None:
    plan_and_run()

    [change] = [
        event
        for event in recording.spans.one("run_step write").events
        if event.name == semconv.EVENT_STATE_CHANGED
    ]
    assert known(change)[semconv.STATE_ADDED] == ("response",)


def test_a_workflow_that_was_not_planned_is_a_run_as_well(recording: Recording) -> None:
    main = importlib.import_module("pflow.cli.main")

    main.execute_json_workflow({"nodes": [{"id": "one", "type": "llm"}]})

    assert recording.spans.tree() == (
        "invoke_workflow pflow\n  invoke_workflow workflow\n    run_step one\n      chat gpt-4o"
    )


@pytest.mark.parametrize("missing", [row.target for row in PLANNED.patches])
@pytest.mark.usefixtures("standin")
def test_a_version_without_one_of_its_functions_costs_no_more_than_its_rows(missing: str) -> None:
    lacking = tuple(
        replace(row, target=f"{row.target}_of_another", names=()) if row.target == missing else row
        for row in PLANNED.patches
    )

    with record(replace(PLANNED, patches=lacking), *ALL[1:]) as recording:
        plan_and_run()

    lost = {row.target for row in recording.statuses() if row.state == "missing"}
    assert lost == {f"{missing}_of_another"}
    assert len(recording.spans.of_kind("llm")) == 6
