"""LlamaIndex: whole traces of workflows, of agents that hand over, and of queries."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from itertools import groupby
from typing import Any

import pytest

pytest.importorskip("workflows")
pytest.importorskip("llama_index.core")

import openai
from adopted_whole import (
    Provider,
    broken,
    check_calls,
    events,
    failed,
    known,
    named,
    provided,
    routes,
    seen,
)
from graphs import FlakyError, Graph, Player, expected, graphs
from hypothesis import given, settings
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai import OpenAI
from llamaindex_graphs import tally_of, told, translated
from packaging.version import Version
from scripts import ANSWER, Desk, Script, Scripted, question, scripts
from workflows import Context, Workflow, step
from workflows.errors import WorkflowCancelledByUser
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
)

from flowspan import semconv
from flowspan.testing import Reply, ToolCall

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]

_AT_ONCE = 2 if Version(version("llama-index-core")) >= Version("0.14.6") else 1
"""How many tools of one answer agents use: earlier ones, unless they stream, the first only."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


def well(_request: Any) -> Reply:
    return Reply("well")


# --- graphs ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(graph=graphs())
def test_random_graphs_are_counted_exactly(provider: Provider, graph: Graph) -> None:
    """Visits, attempts, retries, failures, routes, model calls and tokens are the player's.

    A worker that another's failure cancels makes no attempt more.
    """
    messages: Any = [{"role": "user", "content": "go on"}]
    failure = None
    with seen(provider, well) as found, openai.OpenAI(max_retries=0) as client:
        ask = client.chat.completions.create
        player = Player(graph, ask=lambda: ask(model="gpt-4o-mini", messages=messages))
        workflow = translated(graph, player)(timeout=60)
        try:
            asyncio.run(_result(workflow))
        except FlakyError as error:
            failure = error

    assert (failure is not None) == player.tally.failed
    assert tally_of(graph, found.spans) == told(graph, player.tally)
    check_calls(found, player.tally.calls)
    if not player.tally.failed:
        assert player.tally == expected(graph)


async def _result(workflow: Any, **options: Any) -> Any:
    return await workflow.run(**options)


# --- people ---------------------------------------------------------------------------------------


class Answered(HumanResponseEvent):
    """What somebody said."""


class Asking(Workflow):
    """Asks twice in one step."""

    @step
    async def begin(self, event: StartEvent) -> Event | StopEvent:
        return StopEvent(result="nothing to ask") if event.get("quick") else Event()

    @step
    async def ask(self, context: Context, event: Event) -> StopEvent:
        said = []
        for number in range(2):
            question = InputRequiredEvent(prefix=f"{number}?")
            answer = await context.wait_for_event(
                Answered,
                waiter_id=f"w{number}",
                waiter_event=question,
                requirements={"number": number},
            )
            said.append(answer.response)
        return StopEvent(result=said)


async def answered(handler: Any, times: int = 2) -> Any:
    """Answer so many questions."""
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            times -= 1
            handler.ctx.send_event(Answered(response=event.prefix, number=int(event.prefix[0])))
            if not times:
                break
    return await handler


def test_a_step_that_waits_says_so(provider: Provider) -> None:
    """It is begun anew for each answer: the times before were interrupted, and nothing failed."""
    with seen(provider, well) as found:
        assert asyncio.run(_answered()) == ["0?", "1?"]

    steps = [known(span).get(semconv.INTERRUPTION) for span in found.spans.named("run_step ask")]
    assert steps == ["WaitingForEvent", "WaitingForEvent", None]
    assert all(span.status.is_unset for span in found.spans)
    assert routes(found.spans) == [("begin", "ask")]


async def _answered() -> Any:
    return await answered(Asking(timeout=60).run())


@pytest.mark.skipif(
    Version(version("llama-index-workflows")) < Version("2.14"),
    reason="in this version a context that was restored never gets what it waits for",
)
def test_a_context_that_was_saved_goes_on(provider: Provider) -> None:
    """In a run of its own, which says that it resumes; the one that was left says that it waits."""

    async def saved() -> str:
        handler = Asking(timeout=60).run()
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                break
        kept = json.dumps(handler.ctx.to_dict())
        await handler.cancel_run()
        with pytest.raises(WorkflowCancelledByUser):
            await handler
        return kept

    async def restored(kept: str) -> Any:
        workflow = Asking(timeout=60)
        handler = workflow.run(ctx=Context.from_dict(workflow, json.loads(kept)))
        handler.ctx.send_event(Answered(response="yes", number=0))
        return await answered(handler, 1)

    with seen(provider, well) as found:
        assert asyncio.run(restored(asyncio.run(saved()))) == ["yes", "1?"]

    first, second = found.spans.roots()
    assert known(first)[semconv.INTERRUPTION] == "WaitingForEvent"
    assert first.status.is_unset
    assert semconv.RESUMED not in known(first)
    assert known(second)[semconv.RESUMED] is True
    assert len(found.spans.trace_ids()) == 2


# --- runs that end early --------------------------------------------------------------------------


class Stuck(Workflow):
    """Never ends by itself."""

    started: Any = None

    @step
    async def wait(self, _event: StartEvent) -> StopEvent:
        self.started.set()
        await asyncio.Event().wait()
        return StopEvent()


@pytest.mark.parametrize("way", ["task", "wait_for", "handler"])
def test_cancellation(provider: Provider, way: str) -> None:
    """However a run is cancelled: it says so with all that was under way, and nothing failed."""

    async def run() -> None:
        workflow = Stuck(timeout=None)
        workflow.started = asyncio.Event()
        handler = workflow.run()
        if way == "wait_for":
            waiting = asyncio.ensure_future(asyncio.wait_for(handler, 60))
            await workflow.started.wait()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await workflow.started.wait()
        if way == "handler":
            await handler.cancel_run()
        else:
            handler.cancel()
        with pytest.raises((asyncio.CancelledError, WorkflowCancelledByUser)):
            await handler

    with seen(provider, well) as found:
        asyncio.run(run())

    assert [span.name for span in found.spans] == ["invoke_workflow Stuck", "run_step wait"]
    assert {known(span)[semconv.INTERRUPTION] for span in found.spans} == {"CancelledError"}
    assert all(span.status.is_unset for span in found.spans)


def test_events_that_nobody_reads_on(provider: Provider) -> None:
    """The run goes on without them, and is whole."""

    async def run() -> Any:
        handler = Asking(timeout=60).run(quick=True)
        async for _ in handler.stream_events():
            break
        return await handler

    with seen(provider, well) as found:
        assert asyncio.run(run()) == "nothing to ask"
        gc.collect()

    assert [span.name for span in found.spans] == ["invoke_workflow Asking", "run_step begin"]
    assert [
        events(span, semconv.EVENT_ROUTE_TAKEN) for span in found.spans.named("run_step begin")
    ] == [[{semconv.ROUTE_FROM: "begin", semconv.ROUTE_ACTION: "StopEvent"}]]


class Outer(Workflow):
    """Runs another one in a step."""

    @step
    async def nest(self, event: StartEvent) -> StopEvent:
        return StopEvent(result=await Asking(timeout=60).run(quick=event.quick))


def test_a_workflow_inside_of_a_step(provider: Provider) -> None:
    """It is a run inside; a hundred of them at once are as many traces."""

    async def run() -> None:
        await asyncio.gather(*(Outer(timeout=60).run(quick=True) for _ in range(100)))

    with seen(provider, well) as found:
        asyncio.run(run())

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 100
    names = ["invoke_workflow Outer", "run_step nest", "invoke_workflow Asking", "run_step begin"]
    for root in found.spans.roots():
        trace = [span for span in found.spans if span.context.trace_id == root.context.trace_id]
        assert [span.name for span in trace] == names


# --- agents ---------------------------------------------------------------------------------------


def model() -> Any:
    return OpenAI("gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], max_retries=0)


def agent(name: str, *tools: Any) -> Any:
    return FunctionAgent(
        name=name, description=name, tools=list(tools), llm=model(), streaming=False
    )


def test_agents_that_hand_over(provider: Provider) -> None:
    """Each turn is the agent's whose it is; the step that joins the tools tells who is next."""
    said = iter(
        [
            Reply(tool_calls=(ToolCall("look", {"where": "there"}, id="one"),)),
            Reply(tool_calls=(ToolCall("handoff", {"to_agent": "bert", "reason": "r"}, id="two"),)),
            Reply("well"),
        ]
    )

    def look(where: str) -> str:
        """Look somewhere."""
        return where

    async def run() -> Any:
        agents = [agent("anna", look), agent("bert")]
        return str(await AgentWorkflow(agents=agents, root_agent="anna", timeout=60).run("go on"))

    with seen(provider, lambda _request: next(said)) as found:
        assert asyncio.run(run()) == "well"

    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["anna", "anna", "bert"]
    assert named(found.spans, "tool", semconv.TOOL_NAME) == ["look", "handoff"]
    assert routes(found.spans) == [("anna", "bert")]
    (decider,) = [span for span in found.spans if events(span, semconv.EVENT_ROUTE_TAKEN)]
    assert decider.name == "run_step aggregate_tool_results"
    check_calls(found, 3)


@settings(max_examples=12, deadline=None)
@given(script=scripts(agents=("anna", "bert", "cleo"), at_once=_AT_ONCE))
def test_random_agents_are_counted_exactly(provider: Provider, script: Script) -> None:
    """Turns, tools, their failures, handoffs, model calls and tokens are what happened."""
    desk = Desk()

    async def run() -> Any:
        agents = [agent(name, desk.look, desk.count) for name in ("anna", "bert", "cleo")]
        workflow = AgentWorkflow(agents=agents, root_agent=script.first, timeout=60)
        return str(await workflow.run(question()))

    with seen(provider, Scripted(script, handoff="handoff:to_agent")) as found:
        assert asyncio.run(run()) == ANSWER

    tools = Counter(named(found.spans, "tool", semconv.TOOL_NAME))
    assert tools.pop("handoff", 0) == len(script.routes)
    assert tools == desk.used == script.uses
    assert failed(found.spans, "tool", semconv.TOOL_NAME) == desk.failed == script.failures
    assert routes(found.spans) == script.routes
    speakers = [name for name, _ in groupby(named(found.spans, "agent", semconv.AGENT_NAME))]
    assert speakers == script.turns
    check_calls(found, len(script))


# --- queries --------------------------------------------------------------------------------------


def index() -> Any:
    return VectorStoreIndex.from_documents(
        [Document(text="The sky is blue.")], embed_model=MockEmbedding(3)
    )


def test_a_query_is_a_run(provider: Provider) -> None:
    """With what is retrieved for it, and the model's answer; awaited it is the same."""
    engine = index().as_query_engine(llm=model())
    with seen(provider, well) as found:
        assert str(engine.query("what?")) == "well"
        assert str(asyncio.run(engine.aquery("what?"))) == "well"

    tree = """\
invoke_workflow RetrieverQueryEngine
  retrieval VectorIndexRetriever
  chat gpt-4o-mini"""
    assert found.spans.tree() == f"{tree}\n{tree}"


class Asks(Workflow):
    """Asks an engine of queries, and a retriever."""

    @step
    async def ask(self, _event: StartEvent) -> StopEvent:
        made = index()
        made.as_retriever().retrieve("what?")
        return StopEvent(result=str(await made.as_query_engine(llm=model()).aquery("what?")))


def test_a_query_inside_of_a_workflow_is_a_node(provider: Provider) -> None:
    """What a retriever finds is seen wherever it is asked."""
    with seen(provider, well) as found:
        asyncio.run(_result(Asks(timeout=60)))

    assert (
        found.spans.tree()
        == """\
invoke_workflow Asks
  run_step ask
    retrieval VectorIndexRetriever
    run_step RetrieverQueryEngine
      retrieval VectorIndexRetriever
      chat gpt-4o-mini"""
    )
    assert list(broken(found.spans)) == []
