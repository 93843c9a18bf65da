"""PocketFlow goes on as it did: results, copies, pickles, concurrency, versions, memory."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import pickle
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import pytest
from phases import known
from traces import threaded

from flowspan import semconv
from flowspan.instrumentation.engines import pocketflow as rows
from flowspan.testing import Recording, record

dill = pytest.importorskip("dill")
pocketflow = pytest.importorskip("pocketflow")

Node: Any = pocketflow.Node
Flow: Any = pocketflow.Flow
AsyncNode: Any = pocketflow.AsyncNode
AsyncFlow: Any = pocketflow.AsyncFlow
ROWS = rows.INTEGRATION.patches


@pytest.fixture
def recording() -> Iterator[Recording]:
    with threaded(rows.INTEGRATION, detail="full") as recording:
        yield recording


class Step(Node):
    """Keeps what it was given, and goes on as the store says."""

    def prep(self, shared: Any) -> Any:
        shared.setdefault("seen", []).append((type(self).__name__, id(shared), dict(self.params)))
        return shared

    def exec(self, prep_res: Any) -> Any:
        return prep_res["value"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        assert prep_res is shared
        assert exec_res is shared["value"]
        return shared["actions"].pop(0) if shared["actions"] else "end"


class Other(Step):
    pass


def looping() -> Any:
    """A flow of two nodes that go to and fro."""
    step, other = Step(), Other()
    step - "on" >> other
    other - "back" >> step
    return Flow(step)


def store() -> dict[str, Any]:
    return {"value": object(), "actions": ["on", "back", "on", "nowhere"]}


def without_identity(shared: dict[str, Any]) -> list[Any]:
    return [(name, params) for name, _, params in shared["seen"]]


# --- the same ------------------------------------------------------------------------------------


def test_a_flow_does_what_it_did(recording: Recording) -> None:
    """Order, parameters, the shared object itself and the warning are the same."""
    shared = store()
    flow = looping()
    flow.set_params({"a": 1})

    with pytest.warns(UserWarning, match="Flow ends: 'nowhere'"):
        flow.run(shared)

    assert without_identity(shared) == [
        (name, {"a": 1}) for name in ("Step", "Other", "Step", "Other")
    ]
    assert {identity for _, identity, _ in shared["seen"]} == {id(shared)}


def test_an_exception_is_the_programs_own(recording: Recording) -> None:
    error = KeyError("mine")

    class Broken(Node):
        def exec(self, prep_res: Any) -> None:
            raise error

    with pytest.raises(KeyError) as raised:
        Flow(Broken(max_retries=3)).run({})

    assert raised.value is error
    failed = {span.name: known(span).get(semconv.ERROR_TYPE) for span in recording.spans}
    assert failed["invoke_workflow Flow from Broken"] == "KeyError"
    assert failed["run_step Broken"] == "KeyError"


def test_nothing_is_put_on_flows_and_nodes(recording: Recording) -> None:
    """Copies and pickles are those of the same flow without flowspan."""
    flow = looping()
    before = {name: vars(node).copy() for name, node in nodes_of(flow)}
    pickled, dilled = pickle.dumps(flow), dill.dumps(flow)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow.run(store())

    assert {name: vars(node) for name, node in nodes_of(flow)} == before
    assert pickle.dumps(flow) == pickled
    assert dill.dumps(flow) == dilled
    for name in (b"flowspan", b"opentelemetry", b"wrapt"):
        assert name not in pickled
        assert name not in dilled
    assert vars(copy.copy(flow)) == vars(flow)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pickle.loads(pickled).run(store())


def nodes_of(flow: Any) -> list[tuple[str, Any]]:
    start = vars(flow).get("start_node") or vars(flow)["start"]
    return [("flow", flow), ("step", start), ("other", start.successors["on"])]


def test_a_flow_that_is_wrapped_by_the_program_is_seen_by_its_real_nodes(
    recording: Recording,
) -> None:
    """A proxy around a node is no node; what it calls the node is the node's name."""

    class Proxy:
        def __init__(self, inner: Any, node_id: str) -> None:
            self._inner_node = inner
            self._node_id = node_id

        def _run(self, shared: Any) -> Any:
            return self._inner_node._run(shared)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(object.__getattribute__(self, "_inner_node"), name)

    step, other = Step(), Other()
    step.successors["on"] = Proxy(Proxy(other, "inner"), "second")

    Flow(Proxy(step, "first")).run({"value": 1, "actions": ["on"]})

    nodes = recording.spans.of_kind("node")
    assert [span.name for span in nodes] == ["run_step first", "run_step second"]
    [route] = [e for e in nodes[0].events if e.name == semconv.EVENT_ROUTE_TAKEN]
    assert known(route)[semconv.ROUTE_TO] == "second"


# --- at once --------------------------------------------------------------------------------------


class Slow(AsyncNode):
    async def exec_async(self, prep_res: Any) -> None:
        await asyncio.sleep(0)


class Number(Slow):
    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        await asyncio.sleep(0)
        shared["number"] += 1


def test_a_hundred_runs_in_one_loop_are_a_hundred_traces(recording: Recording) -> None:
    first, second = Slow(), Number()
    first >> second
    flow = AsyncFlow(first)

    async def all_at_once() -> None:
        await asyncio.gather(*(flow.run_async({"number": 0}) for _ in range(100)))

    asyncio.run(all_at_once())

    spans = recording.spans
    assert len(spans.trace_ids()) == len(spans.roots()) == 100
    assert len(spans.named("run_step Number")) == 100
    assert len({known(span)[semconv.RUN_ID] for span in spans}) == 100


def test_a_run_that_is_cancelled_ends_its_spans_and_is_no_error(recording: Recording) -> None:
    begun: list[asyncio.Event] = []

    class Endless(AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            begun[0].set()
            await asyncio.Event().wait()

    async def cancelled() -> None:
        begun.append(asyncio.Event())
        task = asyncio.create_task(AsyncFlow(Endless()).run_async({}))
        await begun[0].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert len(recording.spans.roots()) == 1
    assert all(span.status.is_unset for span in recording.spans)
    assert known(recording.spans[0])[semconv.INTERRUPTION] == "CancelledError"


def test_threads_of_a_node_are_inside_it(recording: Recording) -> None:
    class Pooled(Node):
        def exec(self, prep_res: Any) -> None:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: Flow(Node()).run({}), range(4)))

    with recording.tracer_provider.get_tracer("program").start_as_current_span("work"):
        Flow(Pooled()).run({})

    spans = recording.spans
    assert len(spans.trace_ids()) == len(spans.roots()) == 1
    assert len(spans.named("invoke_workflow Flow from Node")) == 4


def test_runs_in_threads_are_traces_of_their_own(recording: Recording) -> None:
    flow = looping()
    barrier = threading.Barrier(4)

    def one() -> None:
        barrier.wait()
        flow.run({"value": 1, "actions": ["on", "back"]})

    threads = [threading.Thread(target=one) for _ in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    spans = recording.spans
    assert len(spans.trace_ids()) == 4
    assert len(spans.of_kind("node")) == 12


def _in_a_process(number: int) -> int:
    Flow(Step()).run({"value": number, "actions": []})
    return number


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_node_may_use_processes(recording: Recording) -> None:
    """Nodes and flows go there and back as without flowspan."""

    class Spread(Node):
        def exec(self, prep_res: Any) -> list[int]:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                return list(pool.map(_in_a_process, [1]))

    Flow(Spread()).run({})

    assert recording.spans.one("run_step Spread").status.is_unset


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", sorted({row.target for row in ROWS}))
def test_a_version_without_one_of_the_methods_costs_no_more_than_its_rows(missing: str) -> None:
    """The other rows work, and the program goes on."""
    lacking = tuple(
        replace(row, target=f"{row.target}_of_another_version") if row.target == missing else row
        for row in ROWS
    )
    integration = replace(rows.INTEGRATION, patches=lacking)

    with record(integration, detail="full") as recording:
        Flow(Step()).run({"value": 1, "actions": []})
        asyncio.run(AsyncFlow(Number()).run_async({"number": 1}))

    states = {row.target: row.state for row in recording.statuses()}
    lost = {target for target, state in states.items() if state == "missing"}
    assert lost == {f"{missing}_of_another_version"}
    assert len(recording.spans) > 0


# --- cost -----------------------------------------------------------------------------------------


def test_nothing_is_kept_of_a_run_that_is_over(recording: Recording) -> None:
    """Flow, nodes and store are gone when the program drops them."""

    class Store(dict[str, Any]):
        pass

    shared = Store(value=1, actions=[])
    flow = Flow(Step())
    dropped = [weakref.ref(one) for one in (shared, flow, vars(flow).get("start_node", flow))]

    flow.run(shared)

    del flow, shared
    gc.collect()
    assert [ref() for ref in dropped] == [None] * len(dropped)


def _seconds(run: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def test_the_size_of_the_store_does_not_matter() -> None:
    """A node of a store of ten megabytes costs what one of a hundred bytes does."""
    rounds = 200

    class Round(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            shared["round"] += 1
            return "again" if shared["round"] < rounds else "over"

    node = Round()
    node - "again" >> node

    def run(text: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Flow(node).run({"round": 0, "text": text, "list": [text] * 10})

    with record(rows.INTEGRATION):
        small, large = _seconds(lambda: run("x" * 100)), _seconds(lambda: run("x" * 10_000_000))

    assert large < 3 * small + 0.05


def test_memory_is_flat() -> None:
    """Runs leave nothing behind but their spans."""

    def runs(count: int) -> int:
        for _ in range(count):
            Flow(Step()).run({"value": 1, "actions": []})
        watched._exporter.clear()
        gc.collect()
        return sys.getallocatedblocks()

    with record(rows.INTEGRATION) as watched:
        # What is kept for later, by Python and the engine, is kept in the first of these.
        used = [runs(100) for _ in range(4)]

    grown = min(after - before for before, after in itertools.pairwise(used))
    assert grown < 100  # an object for each run would be seen, each time


class Equal(Flow):
    """Flows that are equal to each other, and so without a hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)

    __hash__ = None  # type: ignore[assignment]  # as Python does where there is an __eq__


def test_flows_without_a_hash_are_named(recording: Recording) -> None:
    """What flowspan remembers of a flow, it remembers by who it is."""
    Equal(Equal(Step())).run({"value": 1, "actions": []})

    names = [span.name for span in recording.spans.of_kind("run")]
    assert sorted(names) == ["invoke_workflow Equal", "invoke_workflow Equal"]
