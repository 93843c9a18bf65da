"""PocketFlow: what is seen of flows and nodes of every class."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Final

import pytest
from phases import known

from flowspan import semconv
from flowspan.config import Detail
from flowspan.instrumentation.engines import pocketflow as rows
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import RecordedSpans, Recording, assert_run, record

pocketflow = pytest.importorskip("pocketflow")

Node: Any = pocketflow.Node
Flow: Any = pocketflow.Flow
AsyncNode: Any = pocketflow.AsyncNode
AsyncFlow: Any = pocketflow.AsyncFlow


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(rows.INTEGRATION) as recording:
        yield recording


@pytest.fixture(name="everything")
def _everything() -> Iterator[Recording]:
    with record(rows.INTEGRATION, detail="full") as recording:
        yield recording


def events(spans: RecordedSpans, name: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of that name, each with the name of its span."""
    return [
        (span.name, known(event)) for span in spans for event in span.events if event.name == name
    ]


class Ask(Node):
    def exec(self, prep_res: Any) -> str:
        return "answer"

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: str) -> str:
        shared["answer"] = exec_res
        return "good" if shared.setdefault("rounds", []) else "again"


class Judge(Node):
    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> None:
        shared["rounds"].append(1)


class Flaky(Node):
    """Fails until it was tried as often as its parameter says."""

    def __init__(self, failures: int, **options: Any) -> None:
        super().__init__(**options)
        self.left = [failures]

    def exec(self, prep_res: Any) -> str:
        if self.left[0]:
            self.left[0] -= 1
            raise ConnectionError("try again")
        return "done"


class Rescued(Flaky):
    def exec_fallback(self, prep_res: Any, exc: Exception) -> str:
        return "rescued"


# --- runs, nodes, routes --------------------------------------------------------------------------


def test_a_flow_is_a_run_of_nodes_in_their_order(recording: Recording) -> None:
    """A loop gives a node for each turn; the last node of a flow chooses nothing."""
    ask, judge, done = Ask(), Judge(), Node()
    ask - "again" >> judge
    ask - "good" >> done
    judge >> ask

    Flow(ask).run({})

    assert recording.spans.tree(semconv.NODE_ID, events=True) == (
        "invoke_workflow Flow from Ask\n"
        "  run_step Ask flowspan.node.id='Ask'\n"
        "    · flowspan.state.changed\n"
        "    · flowspan.route.taken\n"
        "  run_step Judge flowspan.node.id='Judge'\n"
        "    · flowspan.state.changed\n"
        "    · flowspan.route.taken\n"
        "  run_step Ask flowspan.node.id='Ask'\n"
        "    · flowspan.route.taken\n"
        "  run_step Node flowspan.node.id='Node'"
    )


def test_an_application_may_ask_for_the_way_that_was_taken(recording: Recording) -> None:
    ask, judge, done = Ask(), Judge(), Node()
    ask - "again" >> judge
    ask - "good" >> done
    judge >> ask

    Flow(ask).run({})

    assert_run(
        recording,
        route=["Ask", "Judge", "Ask", "Node"],
        decisions=[("Ask", "Judge", "again"), ("Judge", "Ask"), ("Ask", "Node", "good")],
        failed=False,
        nodes=4,
        loops=False,
    )


def test_a_route_says_where_it_leads_and_why(recording: Recording) -> None:
    """No action is the default one; an action that leads nowhere has no next node."""
    ask, judge = Ask(), Judge()
    ask - "again" >> judge
    judge >> ask

    with pytest.warns(UserWarning, match="Flow ends: 'good' not found"):
        Flow(ask).run({})

    assert events(recording.spans, semconv.EVENT_ROUTE_TAKEN) == [
        ("run_step Ask", route("Ask", "Judge", "again")),
        ("run_step Judge", route("Judge", "Ask", "default")),
        ("run_step Ask", route("Ask", None, "good")),
    ]


def route(origin: str, to: str | None, action: str) -> dict[str, Any]:
    """The attributes of a route."""
    known = {semconv.ROUTE_FROM: origin, semconv.ROUTE_TO: to, semconv.ROUTE_ACTION: action}
    return {name: value for name, value in known.items() if value is not None}


def test_a_flow_that_chooses_itself_has_its_routes_told_by_the_run(recording: Recording) -> None:
    class Straight(Flow):
        def get_next_node(self, curr: Any, action: Any) -> Any:
            return super().get_next_node(curr, "default")

    first, second = Ask(), Judge()
    first >> second

    Straight(first).run({})

    assert events(recording.spans, semconv.EVENT_ROUTE_TAKEN) == [
        ("invoke_workflow Straight", route("Ask", "Judge", "again"))
    ]


def test_two_nodes_of_one_class_are_told_apart_by_their_place(recording: Recording) -> None:
    """The copies that run are of templates: a node has the same id at every turn."""
    first, second, third = Judge(), Judge(), Node()
    first >> second >> third

    Flow(first).run({"rounds": []})
    Flow(second).run({"rounds": []})

    assert [known(span).get(semconv.NODE_ID) for span in recording.spans] == [
        *(None, "Judge", "Judge 2", "Node"),
        *(None, "Judge", "Node"),
    ]


def test_keys_of_the_shared_store_are_told_and_never_values(recording: Recording) -> None:
    Flow(Ask()).run({"question": "a secret"})

    [(_, attributes)] = events(recording.spans, semconv.EVENT_STATE_CHANGED)
    assert attributes == {semconv.STATE_ADDED: ("answer", "rounds"), semconv.STATE_SIZE: 3}


def test_a_node_alone_is_a_trace_and_has_no_route(recording: Recording) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Ask().run({})

    assert recording.spans.tree() == "run_step Ask"


# --- nested flows and batches ---------------------------------------------------------------------


def test_a_flow_that_is_a_node_is_a_nested_run(recording: Recording) -> None:
    """It shares the run's id, and its nodes are named after it."""

    class Inner(Flow):
        pass

    inner = Inner(Judge())
    Ask() - "again" >> inner
    ask = Ask()
    ask - "again" >> inner
    inner >> Node()

    Flow(ask).run({})

    spans = recording.spans
    assert spans.tree(semconv.NODE_ID) == (
        "invoke_workflow Flow from Ask\n"
        "  run_step Ask flowspan.node.id='Ask'\n"
        "  invoke_workflow Inner\n"
        "    run_step Judge flowspan.node.id='Inner/Judge'\n"
        "  run_step Node flowspan.node.id='Node'"
    )
    assert len({known(span)[semconv.RUN_ID] for span in spans}) == 1
    assert events(spans, semconv.EVENT_ROUTE_TAKEN) == [
        ("run_step Ask", route("Ask", "Inner", "again")),
        ("invoke_workflow Inner", route("Inner", "Node", "default")),
    ]


def test_a_flow_that_a_node_runs_is_a_nested_run_below_the_node(recording: Recording) -> None:
    class Caller(Node):
        def exec(self, prep_res: Any) -> None:
            Flow(Judge()).run({"rounds": []})

    Flow(Caller()).run({})

    assert recording.spans.tree(semconv.NODE_ID) == (
        "invoke_workflow Flow from Caller\n"
        "  run_step Caller flowspan.node.id='Caller'\n"
        "    invoke_workflow Flow from Judge\n"
        "      run_step Judge flowspan.node.id='Caller/Flow from Judge/Judge'"
    )


class Chapters(pocketflow.BatchFlow):  # type: ignore[name-defined]
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"chapter": 1}, {"chapter": 2}]


class AsyncChapters(pocketflow.AsyncBatchFlow):  # type: ignore[name-defined]
    async def prep_async(self, shared: Any) -> list[dict[str, int]]:
        return [{"chapter": 1}, {"chapter": 2}]


class ParallelChapters(
    pocketflow.AsyncParallelBatchFlow  # type: ignore[name-defined]
):
    async def prep_async(self, shared: Any) -> list[dict[str, int]]:
        return [{"chapter": 1}, {"chapter": 2}]


@pytest.mark.parametrize("kind", [Chapters, AsyncChapters, ParallelChapters])
def test_a_batch_flow_has_a_step_for_each_item(kind: Any, recording: Recording) -> None:
    """Also where items are worked on at once; the parameters themselves are content."""
    if kind is Chapters:
        kind(Node()).run({})
    else:
        first, second = AsyncNode(), Node()
        first >> second
        asyncio.run(kind(AsyncNode()).run_async({}))

    leaf = "Node" if kind is Chapters else "AsyncNode"
    assert recording.spans.tree(semconv.BATCH_SIZE, semconv.BATCH_INDEX, semconv.NODE_ID) == (
        f"invoke_workflow {kind.__name__} flowspan.batch.size=2\n"
        "  run_step item flowspan.batch.index=1\n"
        f"    run_step {leaf} flowspan.node.id='[1]/{leaf}'\n"
        "  run_step item flowspan.batch.index=2\n"
        f"    run_step {leaf} flowspan.node.id='[2]/{leaf}'"
    )


def spelled(word: str) -> str:
    """The word, unless it is bad."""
    if word == "bad":
        raise ValueError(word)
    return word


class Words(pocketflow.BatchNode):  # type: ignore[name-defined]
    def prep(self, shared: Any) -> list[str]:
        return ["a", "bad", "c"]

    def exec(self, prep_res: str) -> str:
        return spelled(prep_res)

    def exec_fallback(self, prep_res: str, exc: Exception) -> str:
        return "replaced"


def _awaited_words(base: Any) -> Any:
    class AsyncWords(base):
        async def prep_async(self, shared: Any) -> list[str]:
            return ["a", "bad", "c"]

        async def exec_async(self, prep_res: str) -> str:
            await asyncio.sleep(0)
            return spelled(prep_res)

        async def exec_fallback_async(self, prep_res: str, exc: Exception) -> str:
            return "replaced"

    return AsyncWords


BATCHES: Final = [
    Words,
    _awaited_words(pocketflow.AsyncBatchNode),
    _awaited_words(pocketflow.AsyncParallelBatchNode),
]


def _run_alone(kind: Any, **options: Any) -> None:
    if hasattr(kind, "run_async"):
        asyncio.run(AsyncFlow(kind(**options)).run_async({}))
    else:
        Flow(kind(**options)).run({})


@pytest.mark.parametrize("kind", BATCHES)
def test_the_items_of_a_batch_are_seen_where_something_happened(
    kind: Any, recording: Recording
) -> None:
    """Others are counted: a batch may have very many items that do next to nothing."""
    _run_alone(kind, max_retries=2)

    [flow, node, item] = recording.spans
    assert flow.name.startswith("invoke_workflow")
    assert known(node)[semconv.BATCH_SIZE] == 3
    assert known(item)[semconv.BATCH_INDEX] == 2
    assert [(event.name, known(event)) for event in item.events] == [
        (semconv.EVENT_RETRY, {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ValueError"}),
        (semconv.EVENT_FALLBACK, {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ValueError"}),
    ]


@pytest.mark.parametrize("kind", BATCHES)
def test_every_item_is_seen_at_full_detail(kind: Any, everything: Recording) -> None:
    _run_alone(kind)

    items = everything.spans.named("item")
    assert [known(span)[semconv.BATCH_INDEX] for span in items] == [1, 2, 3]
    assert all(span.status.is_unset for span in items)
    assert len(everything.spans.named("exec")) == 3


# --- loops ----------------------------------------------------------------------------------------


class Turn(Node):
    """Goes round by a count that nobody else sees, or that is in the store."""

    left = 0

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> str:
        type(self).left -= 1
        if "turns" in shared:
            shared["turns"] += 1
        return "again" if self.left > 0 else "over"


@pytest.mark.parametrize(("shared", "suspected"), [({}, 1), ({"turns": 0}, 0)])
@pytest.mark.filterwarnings("ignore:Flow ends")
def test_a_node_that_goes_round_and_changes_nothing_is_suspected_once(
    shared: dict[str, Any], suspected: int, recording: Recording
) -> None:
    Turn.left = 20
    turn = Turn()
    turn - "again" >> turn

    Flow(turn).run(shared)

    assert len(events(recording.spans, semconv.EVENT_LOOP_SUSPECTED)) == suspected


def test_the_items_of_a_batch_are_no_loop(recording: Recording) -> None:
    class Many(pocketflow.BatchFlow):  # type: ignore[name-defined]
        def prep(self, shared: Any) -> list[dict[str, int]]:
            return [{"item": number} for number in range(20)]

    Many(Node()).run({})

    assert events(recording.spans, semconv.EVENT_LOOP_SUSPECTED) == []


# --- attempts and phases --------------------------------------------------------------------------


def test_attempts_are_events_of_their_node(recording: Recording) -> None:
    Flow(Flaky(2, max_retries=3)).run({})

    node = recording.spans.one("run_step Flaky")
    assert node.status.is_unset
    assert known(node)[semconv.ATTEMPT] == 3
    assert [known(event) for event in node.events] == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "ConnectionError"},
        {semconv.ATTEMPT: 3, semconv.ERROR_TYPE: "ConnectionError"},
    ]
    [(labels, retries)] = recording.metrics()[semconv.METRIC_RETRIES]
    assert (retries, labels[semconv.STEP_NAME]) == (2, "Flaky")


def test_a_fallback_is_told_and_the_node_has_not_failed(recording: Recording) -> None:
    Flow(Rescued(9, max_retries=2)).run({})

    node = recording.spans.one("run_step Rescued")
    assert node.status.is_unset
    assert [event.name for event in node.events] == [semconv.EVENT_RETRY, semconv.EVENT_FALLBACK]


def test_a_node_that_gives_up_fails_as_the_engine_lets_it(recording: Recording) -> None:
    """The engine's own fallback raises the last error again."""
    with pytest.raises(ConnectionError):
        Flow(Flaky(9, max_retries=2)).run({})

    node = recording.spans.one("run_step Flaky")
    assert known(node)[semconv.ERROR_TYPE] == "ConnectionError"
    assert known(node)[semconv.ATTEMPT] == 2
    assert [event.name for event in node.events] == [semconv.EVENT_RETRY, "exception"]


class AsyncFlaky(AsyncNode):
    async def exec_async(self, prep_res: Any) -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> str:
        return "rescued"


def test_attempts_of_async_nodes_are_seen_as_well(recording: Recording) -> None:
    asyncio.run(AsyncFlow(AsyncFlaky(max_retries=3)).run_async({}))

    node = recording.spans.one("run_step AsyncFlaky")
    assert known(node)[semconv.ATTEMPT] == 3
    assert [event.name for event in node.events] == [
        *[semconv.EVENT_RETRY] * 2,
        semconv.EVENT_FALLBACK,
    ]


def test_phases_are_spans_at_full_detail(everything: Recording) -> None:
    """Each attempt is one, and what an attempt raises is its error."""
    Flow(Rescued(9, max_retries=2)).run({})

    assert everything.spans.tree(semconv.ATTEMPT) == (
        "invoke_workflow Flow from Rescued\n"
        "  prep\n"
        "  run_step Rescued flowspan.attempt=2\n"
        "    prep\n"
        "    exec ! flowspan.attempt=1\n"
        "    exec ! flowspan.attempt=2\n"
        "    exec_fallback\n"
        "    post\n"
        "  post"
    )


def test_overrides_that_call_each_other_are_one_call(everything: Recording) -> None:
    """Whatever is overridden: phases, the attempt loop's parts, the run of node and flow."""

    class Deeper(Rescued):
        def prep(self, shared: Any) -> Any:
            return super().prep(shared)

        def exec(self, prep_res: Any) -> Any:
            return super().exec(prep_res)

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return super().exec_fallback(prep_res, exc)

        def _run(self, shared: Any) -> Any:
            return super()._run(shared)

    class DeeperFlow(Chapters):
        def _run(self, shared: Any) -> Any:
            return super()._run(shared)

        def _orch(self, shared: Any, params: Any = None) -> Any:
            return super()._orch(shared, params)

    DeeperFlow(Deeper(1, max_retries=2)).run({})

    names = [span.name for span in everything.spans]
    assert names.count("invoke_workflow DeeperFlow") == 1
    assert names.count("run_step item") == 2
    assert names.count("run_step Deeper") == 2
    assert names.count("exec") == 3
    assert len(events(everything.spans, semconv.EVENT_RETRY)) == 1


def test_a_run_of_its_own_making_is_seen(recording: Recording) -> None:
    """A class that overrides ``_run`` and calls no base is a node all the same."""

    class Own(Node):
        def _run(self, shared: Any) -> str:
            shared["own"] = True
            return "next"

    own = Own()
    own - "next" >> Node()

    Flow(own).run({})

    assert recording.spans.tree(events=True) == (
        "invoke_workflow Flow from Own\n"
        "  run_step Own\n"
        "    · flowspan.state.changed\n"
        "    · flowspan.route.taken\n"
        "  run_step Node"
    )


def test_another_nodes_method_is_no_attempt_of_this_one(recording: Recording) -> None:
    class Borrower(Node):
        def exec(self, prep_res: Any) -> Any:
            return [Node().exec(None) for _ in range(3)]

    Flow(Borrower()).run({})

    node = recording.spans.one("run_step Borrower")
    assert known(node)[semconv.ATTEMPT] == 1
    assert node.events == ()


# --- detail, other integrations -------------------------------------------------------------------


@pytest.mark.parametrize(("detail", "spans"), [("minimal", 3), ("normal", 5), ("full", 13)])
def test_detail_is_what_was_asked_for(detail: Detail, spans: int) -> None:
    """Minimal has runs and nodes; normal the items of batches too; full every phase."""
    with record(rows.INTEGRATION, detail=detail) as recording:
        Chapters(Node()).run({})

    assert len(recording.spans) == spans


def work(instance: Any) -> None:
    """A function of the program that a row of its own makes a tool."""


OWN: Final = Integration(
    "own",
    requires="",
    patches=(Patch(target=f"{__name__}:work", kind="tool", name="work"),),
)


def test_what_a_node_calls_is_below_the_node_or_its_item() -> None:
    class Tools(Words):
        def exec(self, prep_res: str) -> str:
            sys.modules[__name__].work(self)  # looked up as it is called
            return prep_res

    with record(rows.INTEGRATION, OWN) as recording:
        Flow(Tools()).run({})

    assert recording.spans.tree(semconv.BATCH_INDEX) == (
        "invoke_workflow Flow from Tools\n"
        "  run_step Tools\n"
        + "\n".join(
            f"    item flowspan.batch.index={index}\n      execute_tool work" for index in (1, 2, 3)
        )
    )
