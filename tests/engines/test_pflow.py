"""pflow: what is seen of workflows.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from pflow_kit import (
    EXAMPLE,
    MODEL,
    SLOW,
    asked_provider,  # noqa: F401 - a fixture
    assert_charged,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)
from phases import known

from flowspan import semconv
from flowspan.testing import FakeProvider, Recording

pytestmark = SLOW

llm: Final[Any] = importlib.import_module("pflow.nodes.llm.llm")

TREE: Final = """\
invoke_workflow report
  run_step gather flowspan.node.id='gather'
  run_step summarize flowspan.node.id='summarize'
    item flowspan.batch.index=1
      chat gpt-4o
    item flowspan.batch.index=2
      chat gpt-4o
    item flowspan.batch.index=3
      chat gpt-4o
  run_step join flowspan.node.id='join'
  run_step draft flowspan.node.id='draft'
    chat gpt-4o
  run_step judge flowspan.node.id='judge'
  run_step judge flowspan.node.id='judge'
  run_step publish flowspan.node.id='publish'
    invoke_workflow publish
      run_step entitle flowspan.node.id='publish/entitle'
        chat gpt-4o"""


# --- what is seen --------------------------------------------------------------------------------


def test_a_workflow_is_one_connected_run(recording: Recording, provider: FakeProvider) -> None:
    """Through its pool of items, the thread that each call gets, and the workflow inside it."""
    result = run(str(EXAMPLE))

    assert result.success
    spans = recording.spans
    found = spans.tree(semconv.NODE_ID, semconv.BATCH_INDEX)
    for index in (1, 2, 3):  # items begin at once
        assert f"item flowspan.batch.index={index}" in found
        found = found.replace(f"flowspan.batch.index={index}", "item", 1)
    expected = TREE
    for index in (1, 2, 3):
        expected = expected.replace(f"flowspan.batch.index={index}", "item", 1)
    assert found == expected
    assert len(spans.trace_ids()) == len(spans.roots()) == 1
    assert len({known(span)[semconv.RUN_ID] for span in spans}) == 1
    assert_charged(recording, provider)


def test_nodes_say_what_they_are(recording: Recording) -> None:
    """A node is named as in its file; its type is that of its class."""
    run(str(EXAMPLE))

    types = {
        known(span)[semconv.STEP_NAME]: known(span)["pflow.node.type"]
        for span in recording.spans.of_kind("node")
    }
    assert types["summarize"] == "LLMNode"
    assert types["judge"] == "PythonCodeNode"
    assert types["publish"] == "WorkflowExecutor"
    assert known(recording.spans.one("run_step summarize"))[semconv.BATCH_SIZE] == 3


def test_routes_are_told_of_nodes_and_of_loops(recording: Recording) -> None:
    """Whether a node goes round again is decided when it is over: the workflow tells that."""
    run(str(EXAMPLE))

    told = [
        (
            known(span)[semconv.KIND],
            known(event)[semconv.ROUTE_FROM],
            known(event)[semconv.ROUTE_TO],
            known(event)[semconv.ROUTE_ACTION],
        )
        for span in recording.spans
        for event in span.events
        if event.name == semconv.EVENT_ROUTE_TAKEN
    ]
    assert sorted(told) == sorted(
        [
            ("node", "gather", "summarize", "default"),
            ("node", "summarize", "join", "default"),
            ("node", "join", "draft", "default"),
            ("node", "draft", "judge", "default"),
            ("run", "judge", "judge", "loop"),
            ("run", "judge", "publish", "default"),
        ]
    )


def test_a_cached_answer_is_a_free_replay(recording: Recording, provider: FakeProvider) -> None:
    """The second run asks nobody, costs nothing, and says so on each node that was not run."""
    run(str(EXAMPLE), cached=True)
    asked = len(provider.requests)

    run(str(EXAMPLE), cached=True)

    assert len(provider.requests) == asked
    assert_charged(recording, provider)
    second = recording.spans.roots()[1].context.trace_id
    replayed = {
        known(span)[semconv.STEP_NAME]: known(span)
        for span in recording.spans
        if span.context.trace_id == second and known(span).get(semconv.REPLAYED)
    }
    assert set(replayed) == {"summarize", "draft", "entitle"}
    for attributes in replayed.values():
        assert attributes[semconv.CACHE_HIT] is True
        assert attributes[semconv.COST_STATUS] == "replayed"
        assert attributes["pflow.cache.source"] == "memo"
        assert semconv.ROLLUP_COST_USD not in attributes


CHILD: Final = """\
# Child

## Inputs

### text

What about.

- type: string

## Steps

### tell

Tell it.

- type: llm
- model: openai/gpt-4o
- prompt: "Tell: ${text}"
"""


def test_a_batch_of_workflows_is_seen_to_the_bottom(
    recording: Recording, provider: FakeProvider, tmp_path: Path
) -> None:
    """Copies of the node run child engines in a pool; each call is under its own item."""
    (tmp_path / "child.pflow.md").write_text(CHILD, "utf-8")
    each = {
        "id": "each",
        "type": "workflow",
        "params": {
            "workflow": str(tmp_path / "child.pflow.md"),
            "inputs": {"text": "${item}"},
        },
        "batch": {"items": ["a", "b", "c"], "parallel": True},
    }

    result = run(workflow(each))

    assert result.success, result.diagnostics
    assert_charged(recording, provider)
    spans = recording.spans
    assert len(spans.roots()) == 1
    assert sorted(known(span)[semconv.NODE_ID] for span in spans.of_kind("node")) == [
        "each",
        *(f"each[{index}]/tell" for index in (1, 2, 3)),
    ]
    assert len(spans.named("invoke_workflow child")) == 3


def test_a_node_without_a_workflow_is_seen_as_well(
    recording: Recording, provider: FakeProvider
) -> None:
    """As ``pflow probe`` runs one: a node alone is a trace."""
    node = llm.LLMNode()
    node.set_params({"model": MODEL, "prompt": "Say something"})

    node.run({})

    assert recording.spans.tree("pflow.node.type") == (
        "run_step LLMNode pflow.node.type='LLMNode'\n  chat gpt-4o"
    )
    assert len(provider.requests) == 1
