"""pflow under watch: it does what it did, in however many threads, and keeps nothing.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from adopted_engine import is_in_this_version
from pflow_kit import (
    ALL,
    EXAMPLE,
    SLOW,
    TODAY,
    CompiledWorkflow,
    Node,
    NodeConfig,
    WorkflowEngine,
    asked_provider,  # noqa: F401 - a fixture
    assert_charged,
    code,
    divide,
    run,
    watched,  # noqa: F401 - a fixture
    workflow,
)
from traces import broken, threaded

from flowspan.instrumentation.integration import Patch
from flowspan.testing import FakeProvider, Recording, record

pytestmark = SLOW


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

    def told(home: str, *, seen: bool) -> Any:
        (tmp_path / home).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / home))
        calls: list[Any] = []

        def callback(*args: Any, **_: Any) -> None:
            calls.append(args[:2])

        if seen:
            with record(*ALL):
                result = run(str(EXAMPLE), progress_callback=callback)
        else:
            result = run(str(EXAMPLE), progress_callback=callback)
        outputs = {key: value for key, value in result.shared_after.items() if key[0] != "_"}
        return result.status, sorted(outputs), sorted(calls, key=str), _debugged(tmp_path / home)

    expected = told("plain", seen=False)
    found = told("watched", seen=True)

    assert expected[3]
    assert found == expected


def test_runs_at_once_are_traces_of_their_own(recording: Recording, provider: FakeProvider) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run(str(EXAMPLE)), range(8)))

    assert all(result.success for result in results)
    assert len(recording.spans.trace_ids()) == len(recording.spans.roots()) == 8
    assert_charged(recording, provider)


def alone(node: Any) -> Any:
    """A workflow of one node of the program's own."""
    node.node_id = "alone"
    config = NodeConfig(
        node_id="alone",
        node_type_name=type(node).__name__,
        template_config=None,
        batch_config=None,
        namespaced=True,
        interface_metadata=None,
    )
    return CompiledWorkflow(start_node=node, node_configs={"alone": config})


def test_a_hundred_runs_at_once_in_a_loop_are_a_hundred_traces(recording: Recording) -> None:
    """A server starts each in a thread, as pflow's own does; all are inside their node at once."""
    meeting = threading.Barrier(100)

    class Meets(Node):  # type: ignore[misc]
        def exec(self, prep_res: Any) -> int:
            return meeting.wait(120)

        def post(self, shared: Any, prep_res: Any, exec_res: int) -> None:
            shared["turn"] = exec_res

    async def serve() -> list[Any]:
        loop = asyncio.get_running_loop()
        stores: list[dict[str, Any]] = [{} for _ in range(100)]
        with ThreadPoolExecutor(100) as pool:
            runs = (
                loop.run_in_executor(pool, WorkflowEngine().run, alone(Meets()), store)
                for store in stores
            )
            await asyncio.gather(*runs)
        return [store["alone"]["turn"] for store in stores]

    assert sorted(asyncio.run(serve())) == list(range(100))
    spans = recording.spans
    assert len(spans.trace_ids()) == len(spans.roots()) == len(spans.of_kind("node")) == 100
    assert broken(spans) == []


class Store(dict[str, Any]):
    """A store that can be seen to be gone."""


class Quiet(Node):  # type: ignore[misc]
    """Does nothing."""


def test_nothing_is_kept_of_a_run_that_is_over(recording: Recording) -> None:
    """Results, stores, workflows and nodes are gone when the program drops them."""
    result, store, node = run(workflow(code("one", "result: int = 1"))), Store(), Quiet()
    compiled = alone(node)
    WorkflowEngine().run(compiled, store)
    dropped = [weakref.ref(one) for one in (result, store, node, compiled)]
    assert len(recording.spans) == 4

    del result, store, node, compiled
    gc.collect()

    assert [reference() for reference in dropped] == [None] * len(dropped)


def test_memory_is_flat() -> None:
    """Runs leave nothing behind but their spans."""
    compiled = alone(Quiet())

    def grown(count: int) -> int:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            WorkflowEngine().run(compiled, {})
        recording._exporter.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    with record(TODAY) as recording:
        tracemalloc.start()
        grown(300)
        rounds = [grown(100) for _ in range(3)]
        tracemalloc.stop()

    assert min(rounds) < 100 * 64, rounds  # an object for each run would be seen


def _elsewhere(row: Patch) -> Patch:
    return replace(row, target=f"{row.target}_of_another", names=(), moved=())


def handled() -> tuple[Any, Any]:
    """A workflow of most of what rows are for; its status and what it made."""
    batch = {"items": [1, 2], "parallel": True}
    result = run(
        workflow(
            divide("each", "${item}", batch=batch),
            divide("fails", 0),
            code("handles", "result: int = 2"),
            edges=(("each", "fails"), ("fails", "handles", "error")),
        )
    )
    made = result.shared_after
    return result.status, (made["each"]["results"], made["handles"]["result"])


@pytest.mark.parametrize(
    "missing", sorted(filter(is_in_this_version, {row.target for row in TODAY.patches}))
)
def test_a_version_without_one_of_its_functions_costs_no_more_than_its_rows(
    missing: str, provider: FakeProvider
) -> None:
    """The workflow does what it does, and the other rows see it."""
    expected = handled()
    lacking = tuple(_elsewhere(row) if row.target == missing else row for row in TODAY.patches)

    with threaded(replace(TODAY, patches=lacking)) as recording:
        found = handled()

    assert found == expected
    lost = {row.target for row in recording.statuses() if row.state == "missing"}
    assert lost == {f"{missing}_of_another"}
    assert len(recording.spans) > 0
    assert broken(recording.spans) == []
