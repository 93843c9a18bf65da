"""CrewAI's Flows: methods, routers and listeners, crews inside, pauses, and random ones counted."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crewai_kit import HAS_ASYNC, MARKS, Flow, agent, broken, crew, flow, task
from graphs import END, FlakyError, Graph, Player, Tally, expected, graphs
from hypothesis import HealthCheck, given, settings
from openai import OpenAI
from traces import INTEGRATIONS, attributes, events, routes, threaded

from flowspan import semconv
from flowspan.testing import FakeProvider, RecordedSpans, Recording, record

pytestmark = MARKS


@pytest.fixture
def recording() -> Iterator[Recording]:
    """Everything that the distribution would apply."""
    with threaded(*INTEGRATIONS) as recording:
        yield recording
    assert broken(recording.spans) == []


class Rounds(Flow):
    """Goes round three times, and on."""

    @flow.start()
    def begin(self) -> None:
        self.state["rounds"] = 0

    @flow.router(flow.or_(begin, "work"))
    def judge(self) -> str:
        return "on" if self.state["rounds"] < 3 else "over"

    @flow.listen("on")
    def work(self) -> None:
        self.state["rounds"] += 1

    @flow.listen("over")
    async def publish(self) -> int:
        return int(self.state["rounds"])


ROUNDS = """\
invoke_workflow Rounds
  run_step begin
  run_step judge
  run_step work
  run_step judge
  run_step work
  run_step judge
  run_step work
  run_step judge
  run_step publish"""


@pytest.mark.parametrize("way", ["kickoff", "kickoff_async", "in a loop"])
def test_whole_flow(recording: Recording, way: str) -> None:
    """A flow is a run, each method of it a node; a router tells the word and where it leads."""
    told = Rounds()

    async def inside() -> Any:
        return told.kickoff() if way == "in a loop" else await told.kickoff_async()

    if way == "in a loop" and not HAS_ASYNC:
        pytest.skip("this version refuses to be run from inside of a loop")
    result = told.kickoff() if way == "kickoff" else asyncio.run(inside())

    assert result == 3
    assert recording.spans.tree() == ROUNDS
    judged = [events(span, semconv.EVENT_ROUTE_TAKEN) for span in recording.spans]
    on, over = (
        {semconv.ROUTE_FROM: "judge", semconv.ROUTE_TO: to, semconv.ROUTE_ACTION: word}
        for to, word in (("work", "on"), ("publish", "over"))
    )
    assert [taken for taken in judged if taken] == [[on], [on], [on], [over]]


class Joined(Flow):
    """Two beginnings, which are waited for, and a word that two methods wait for."""

    @flow.start()
    async def left(self) -> None: ...

    @flow.start()
    async def right(self) -> None: ...

    @flow.router(flow.and_(left, right))
    def both(self) -> str:
        return "joined"

    @flow.listen("joined")
    async def one(self) -> None: ...

    @flow.listen(flow.or_("joined", "parted"))
    async def two(self) -> None: ...

    @flow.listen(flow.and_("joined", "parted"))
    async def never(self) -> None: ...


def test_words_and_who_waits_for_them(recording: Recording) -> None:
    """A word leads to each method that it sets off, and to none that waits for more."""
    Joined().kickoff()

    assert routes(recording.spans) == {("both", "one"): 1, ("both", "two"): 1}
    assert {span.name for span in recording.spans.of_kind("node")} == {
        f"run_step {name}" for name in ("left", "right", "both", "one", "two")
    }


def test_a_crew_and_an_agent_in_a_flow(recording: Recording, provider: FakeProvider) -> None:
    """A crew is a run inside of the method, of the same run; an agent is an agent there."""

    class Both(Flow):
        @flow.start()
        def gather(self) -> str:
            return str(crew(task("it", agent())).kickoff().raw)

        @flow.listen(gather)
        def check(self, gathered: str) -> Any:
            return agent("Editor").kickoff(gathered)

    Both().kickoff()

    assert (
        recording.spans.tree()
        == """\
invoke_workflow Both
  run_step gather
    invoke_workflow demo
      run_step it
        invoke_agent Researcher
          chat gpt-4o-mini
  run_step check
    invoke_agent Editor
      chat gpt-4o-mini"""
    )
    assert len({attributes(span)[semconv.RUN_ID] for span in recording.spans}) == 1
    assert attributes(recording.spans[0])["flowspan.rollup.llm_calls"] == len(provider.ledger) == 2


def test_a_method_that_fails_fails_the_flow(recording: Recording) -> None:
    """The error is the program's own object."""
    error = KeyError("mine")

    class Broken(Flow):
        @flow.start()
        def begin(self) -> None:
            raise error

    with pytest.raises(KeyError) as raised:
        Broken().kickoff()

    assert raised.value is error
    assert recording.spans.tree() == "invoke_workflow Broken !\n  run_step begin !"


@pytest.mark.skipif(not HAS_ASYNC, reason="this version asks nobody")
def test_a_flow_that_waits_for_a_human_is_resumed(recording: Recording, tmp_path: Path) -> None:
    """Waiting is no error; what goes on is a new run, linked to the one that waited."""
    feedback = importlib.import_module("crewai.flow.human_feedback")
    pauses = importlib.import_module("crewai.flow.async_feedback")
    persistence = importlib.import_module("crewai.flow.persistence")

    class Later:
        def request_feedback(self, context: Any, flow: Any) -> Any:
            del flow
            raise pauses.HumanFeedbackPending(context=context)

    class Asks(Flow):
        @flow.start()
        @feedback.human_feedback(
            message="Good?",
            emit=["yes", "no"],
            llm="gpt-4o-mini",
            default_outcome="yes",
            provider=Later(),
        )
        def draft(self) -> str:
            return "text"

        @flow.listen("yes")
        def publish(self) -> str:
            return "published"

    kept = persistence.SQLiteFlowPersistence(str(tmp_path / "flows.db"))
    asks = Asks(persistence=kept)

    assert isinstance(asks.kickoff(), pauses.HumanFeedbackPending)
    assert Asks.from_pending(asks.flow_id, kept).resume("") == "published"

    waited, resumed = recording.spans.roots()
    assert (
        recording.spans.tree(semconv.INTERRUPTION)
        == """\
invoke_workflow Asks flowspan.interruption='HumanFeedbackPending'
  run_step draft flowspan.interruption='HumanFeedbackPending'
invoke_workflow Asks
  run_step publish"""
    )
    assert attributes(waited)[semconv.CONVERSATION_ID] == asks.flow_id
    assert attributes(resumed)[semconv.CONVERSATION_ID] == asks.flow_id
    assert attributes(resumed)[semconv.RESUMED] is True
    assert [link.context.span_id for link in resumed.links] == [waited.context.span_id]


# --- random flows ---------------------------------------------------------------------------------


def translated(graph: Graph, player: Player) -> Any:
    """A random graph as a flow: every node is a router, which waits for a word of its own."""
    methods: dict[str, Any] = {"begin": flow.start()(_named("begin", lambda _self: None))}
    for node in graph.nodes:
        word = f"to_{node.name}"
        waits_for = flow.or_("begin", word) if node is graph.nodes[0] else word
        methods[node.name] = flow.router(waits_for)(_named(node.name, _playing(player, node.name)))
    return type("Drawn", (Flow,), {**methods, "__module__": __name__})()


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    return function


def _playing(player: Player, name: str) -> Callable[[Any], str]:
    work = player.graph.works[name]

    def play(self: Any) -> str:
        for _ in range(work.attempts):
            try:
                self.state.update(player.attempt(name))
                break
            except FlakyError as error:
                if error.last and not work.fallback:
                    raise
                if error.last:
                    player.fall_back(name)
        to = player.route(name)
        return to if to == END else f"to_{to}"

    return play


def seen(spans: RecordedSpans) -> dict[str, Any]:
    """What the trace of a random flow says that happened."""
    nodes = [span for span in spans.of_kind("node") if span.name != "run_step begin"]
    found = Tally()
    for node in nodes:
        name = attributes(node)[semconv.STEP_NAME]
        found.visits[name] += 1
        found.failures[name] += not node.status.is_unset
    for (origin, to), count in routes(spans).items():
        found.routes[origin, to or END] += count
    found.failed = not spans[0].status.is_unset
    return told(found, len(spans.of_kind("llm")))


def told(tally: Tally, calls: int) -> dict[str, Any]:
    """What a trace can tell: attempts and fallbacks inside a method are the method's own."""
    return {
        "visits": +tally.visits,
        "failures": +(tally.failures - tally.fallbacks),
        "routes": +tally.routes,
        "calls": calls,
        "failed": tally.failed,
    }


@given(graph=graphs(fans=False, most=3))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_flows_are_counted_exactly(provider: FakeProvider, graph: Graph) -> None:
    """Methods, failures, routes and model calls are those of a plain count."""
    with OpenAI() as client, record(*INTEGRATIONS) as recording:

        def ask() -> None:
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "?"}]
            )

        before, player = len(provider.ledger), Player(graph, ask)
        with contextlib.suppress(FlakyError):
            translated(graph, player).kickoff()
        made = len(provider.ledger) - before

    assert broken(recording.spans) == []
    assert player.tally == expected(graph)
    assert seen(recording.spans) == told(player.tally, player.tally.calls)
    assert made == player.tally.calls
