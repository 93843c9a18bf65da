"""pflow: what is seen of workflows, and that they go on as they did.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import gc
import http.client  # noqa: F401 - pflow's search for nodes hides it from who imports it later
import inspect
import itertools
import json
import os
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from phases import known
from traces import threaded

from flowspan import semconv
from flowspan.instrumentation.clients import http as http_rows
from flowspan.instrumentation.clients import litellm as litellm_rows
from flowspan.instrumentation.clients import openai as openai_rows
from flowspan.instrumentation.engines import pflow as rows
from flowspan.instrumentation.integration import Patch
from flowspan.testing import FakeProvider, Fault, Gate, Recording, Reply, record

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches prices at import
pytest.importorskip("pflow.runtime.engine")

import litellm
from pflow.execution.runner import RunnerConfig, WorkflowRunner

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "pflow_workflow" / "report.pflow.md"
TODAY: Final = rows.INTEGRATIONS[0]
ALL: Final = (
    TODAY,
    litellm_rows.INTEGRATION,
    openai_rows.INTEGRATION,
    *http_rows.INTEGRATIONS,
)
MODEL: Final = "openai/gpt-4o"

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(name="provider")
def _provider(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeProvider]:
    """What pflow asks; a home of its own for pflow's traces and its cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    yield provider
    close_clients()


def close_clients() -> None:
    """Close what litellm keeps to ask with, which it never does."""
    kept = litellm.in_memory_llm_clients_cache
    for client in kept.cache_dict.values():
        if hasattr(client, "close") and not inspect.iscoroutinefunction(client.close):
            client.close()
    kept.flush_cache()


@pytest.fixture
def recording(provider: FakeProvider) -> Iterator[Recording]:
    with threaded(*ALL, priced=True) as recording:
        yield recording


def run(workflow: Any, params: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a workflow as the command line does."""
    config = RunnerConfig(cache_enabled=options.pop("cached", False))
    return WorkflowRunner().run(workflow, params or {}, config, **options)


def ask(name: str, **params: Any) -> dict[str, Any]:
    """A node that asks a model."""
    said = {"model": MODEL, "prompt": "Say something", **params}
    return {"id": name, "type": "llm", "params": said}


def code(name: str, source: str, **more: Any) -> dict[str, Any]:
    """A node that runs Python."""
    return {"id": name, "type": "code", "params": {"code": source}, **more}


def workflow(*nodes: dict[str, Any], edges: tuple[tuple[str, ...], ...] = ()) -> dict[str, Any]:
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
    }


def assert_charged(recording: Recording, provider: FakeProvider) -> None:
    """The tokens are the ledger's, each call once, and the whole is on each root."""
    charged, spans = provider.ledger.total(), recording.spans
    assert len(spans.of_kind("llm")) == len(provider.requests)
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == (charged.input_tokens or 0)
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == (charged.output_tokens or 0)
    roots = [known(root) for root in spans.roots()]
    assert sum(root.get(semconv.ROLLUP_LLM_CALLS, 0) for root in roots) == len(provider.requests)


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


# --- what fails ----------------------------------------------------------------------------------


def test_a_failing_node_fails_its_run(recording: Recording, provider: FakeProvider) -> None:
    """An engine that tells failures in results has spans that fail all the same."""
    result = run(workflow(code("broken", "result: int = 1 // 0"), ask("never")))

    assert not result.success
    root = recording.spans[0]
    assert not root.status.is_unset
    node = recording.spans.one("run_step broken")
    assert known(node)[semconv.ERROR_TYPE]
    assert known(root)[semconv.ERROR_TYPE]
    assert provider.requests == []


def test_a_failure_that_is_handled_is_the_nodes_alone(recording: Recording) -> None:
    result = run(
        workflow(
            code("broken", "result: int = 1 // 0"),
            code("handle", "result: str = 'handled'"),
            edges=(("broken", "handle", "error"),),
        )
    )

    assert result.success
    root, broken, handle = recording.spans
    assert root.status.is_unset
    assert not broken.status.is_unset
    assert handle.status.is_unset
    [route] = [e for e in broken.events if e.name == semconv.EVENT_ROUTE_TAKEN]
    assert known(route)[semconv.ROUTE_ACTION] == "error"


def test_items_that_fail_are_seen_where_the_batch_goes_on(recording: Recording) -> None:
    divide = code("divide", "by: int\nresult: float = 1 / by")
    divide["params"]["inputs"] = {"by": "${item}"}
    divide["batch"] = {"items": [1, 0, 2], "error_handling": "continue"}

    run(workflow(divide))

    [item] = recording.spans.named("item")
    assert known(item)[semconv.BATCH_INDEX] == 2
    assert not item.status.is_unset
    node = recording.spans.one("run_step divide")
    assert known(node)[semconv.BATCH_SIZE] == 3


def test_attempts_of_a_node_are_told(recording: Recording, provider: FakeProvider) -> None:
    """Each is a call of its own; where all fail, what the node makes of that is a fallback."""
    provider.respond = lambda request: Reply(fault=Fault.http(400))

    result = run(workflow(ask("asks")))

    assert not result.success
    node = recording.spans.one("run_step asks")
    assert not node.status.is_unset
    calls = recording.spans.of_kind("llm")
    assert calls
    assert all(not call.status.is_unset for call in calls)
    assert known(node)[semconv.ATTEMPT] == 1 + sum(
        event.name == semconv.EVENT_RETRY for event in node.events
    )


def test_a_call_that_outlives_its_node_is_still_below_it(
    recording: Recording, provider: FakeProvider
) -> None:
    """The engine gives up waiting, and leaves the thread of the call to itself."""
    gate = Gate()
    provider.reply(Reply("late", gate=gate))

    result = run(workflow(ask("asks", timeout=1)))

    gate.open()
    deadline = time.monotonic() + 60
    while not recording.spans.of_kind("llm") and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread is the engine's, which knows it no more
    assert not result.success
    spans = recording.spans
    node = spans.one("run_step asks")
    assert not node.status.is_unset
    calls = spans.of_kind("llm")
    assert calls
    assert {call.parent.span_id for call in calls if call.parent} == {node.context.span_id}
    assert len(spans.trace_ids()) == len(spans.roots()) == 1


GATED: Final = """\
# Gated

## Steps

### tell

Tell it.

- type: code
- approval: required

```python code
result: str = "told"
```
"""


def test_a_human_who_is_asked_is_no_error(recording: Recording, tmp_path: Path) -> None:
    """A gate pauses the run on purpose: it goes on when somebody has answered."""
    (tmp_path / "gated.pflow.md").write_text(GATED, "utf-8")

    result = run(str(tmp_path / "gated.pflow.md"))

    failed = " !" if result.status.value == "failed" else ""  # older ones cannot pause
    assert recording.spans.tree() == f"invoke_workflow gated{failed}\n  run_step tell"


def test_a_workflow_that_is_not_valid_is_a_run_that_failed(recording: Recording) -> None:
    result = run(workflow({"id": "what", "type": "nobody-knows", "params": {}}))

    assert not result.success
    root = recording.spans.one()
    assert not root.status.is_unset


# --- the program goes on as it did ----------------------------------------------------------------


def _debugged(home: Path) -> list[Any]:
    """The traces of pflow's own, without what is different in each run."""
    found = []
    for file in sorted((home / ".pflow" / "debug").glob("*.json*")):
        for line in file.read_text("utf-8").splitlines():
            event = json.loads(line)
            if isinstance(event, dict):
                found.append((event.get("type") or event.get("event"), event.get("node_id")))
    return found


def test_its_own_trace_and_callbacks_are_left_alone(
    provider: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lines in ``~/.pflow/debug``, the same calls of the callback, the same results."""

    def told(home: str, *, watched: bool) -> Any:
        (tmp_path / home).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / home))
        calls: list[Any] = []

        def callback(*args: Any, **_: Any) -> None:
            calls.append(args[:2])

        if watched:
            with record(*ALL):
                result = run(str(EXAMPLE), progress_callback=callback)
        else:
            result = run(str(EXAMPLE), progress_callback=callback)
        outputs = {key: value for key, value in result.shared_after.items() if key[0] != "_"}
        return result.status, sorted(outputs), sorted(calls, key=str), _debugged(tmp_path / home)

    expected = told("plain", watched=False)
    found = told("watched", watched=True)

    assert expected[3]
    assert found == expected


def test_runs_at_once_are_traces_of_their_own(recording: Recording, provider: FakeProvider) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run(str(EXAMPLE)), range(8)))

    assert all(result.success for result in results)
    assert len(recording.spans.trace_ids()) == len(recording.spans.roots()) == 8
    assert_charged(recording, provider)


def test_nothing_is_kept_of_a_run_that_is_over(recording: Recording) -> None:
    result = run(workflow(code("one", "result: int = 1")))
    dropped = weakref.ref(result)

    del result
    gc.collect()

    assert dropped() is None


def _elsewhere(row: Patch) -> Patch:
    return replace(row, target=f"{row.target}_of_another", names=(), moved=())


@pytest.mark.parametrize("missing", sorted({row.target for row in TODAY.patches}))
def test_a_version_without_one_of_its_functions_costs_no_more_than_its_rows(
    missing: str, provider: FakeProvider
) -> None:
    lacking = tuple(_elsewhere(row) if row.target == missing else row for row in TODAY.patches)

    with record(replace(TODAY, patches=lacking)) as recording:
        result = run(workflow(code("one", "result: int = 1"), code("two", "result: int = 2")))

    assert result.success
    lost = {row.target for row in recording.statuses() if row.state == "missing"}
    assert lost == {f"{missing}_of_another"}
    assert len(recording.spans) > 0
