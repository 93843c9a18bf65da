"""CrewAI goes on as it did: results, its event bus, its objects, other versions, memory, loops."""

from __future__ import annotations

import contextlib
import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
from crewai_kit import Flow, Model, agent, crew, crewai, flow, task, use
from traces import INTEGRATIONS, events

from flowspan import semconv
from flowspan.instrumentation.engines import crewai as rows
from flowspan.instrumentation.integration import Patch
from flowspan.testing import FakeProvider, record

pytestmark = [
    pytest.mark.usefixtures("provider"),
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI's, of itself
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # it closes no client
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def model() -> Model:
    return Model()


@crewai.tools.tool("search")
def search(query: str) -> str:
    """Search the library."""
    return f"pages about {query}"


class Story(Flow):
    """A crew in a flow, which a router follows."""

    @flow.start()
    def write(self) -> str:
        reader = agent(tools=[search])
        self.state["crew"] = self.state.get("crew") or []
        return str(crew(task("reading", reader), task("writing", agent("Writer"))).kickoff().raw)

    @flow.router(write)
    def judge(self, written: str) -> str:
        return "good" if written else "bad"

    @flow.listen("good")
    def publish(self, _word: str) -> str:
        return "published"


def told(model: Model) -> list[Any]:
    """A story, and what CrewAI's own event bus tells of it."""
    model.will("Work on reading", use("search", query="bees"))
    bus = crewai.events.crewai_event_bus
    heard: list[str] = []
    with bus.scoped_handlers():
        for kind in _kinds(crewai.events):

            @bus.on(kind)
            def hear(_source: Any, event: Any) -> None:
                heard.append(event.type)

        result = Story().kickoff()
        with contextlib.suppress(AttributeError):
            bus.flush()
    return [result, sorted(heard)]


def _kinds(module: Any) -> list[type]:
    names = (
        "CrewKickoffStartedEvent",
        "CrewKickoffCompletedEvent",
        "TaskStartedEvent",
        "TaskCompletedEvent",
        "AgentExecutionStartedEvent",
        "AgentExecutionCompletedEvent",
        "LLMCallStartedEvent",
        "LLMCallCompletedEvent",
        "ToolUsageStartedEvent",
        "ToolUsageFinishedEvent",
        "FlowStartedEvent",
        "FlowFinishedEvent",
        "MethodExecutionFinishedEvent",
    )
    return [getattr(module, name) for name in names]


def test_results_requests_and_the_event_bus_are_the_same(
    model: Model, provider: FakeProvider
) -> None:
    """The engine tells its own listeners what it told them before, and asks the model the same."""
    alone = told(model)
    asked = [request.body for request in provider.requests]

    with record(*INTEGRATIONS) as recording:
        watched = told(model)

    assert watched == alone
    assert [request.body for request in provider.requests][len(asked) :] == asked
    assert len(recording.spans.of_kind("llm")) == len(asked)
    # The bus tells of the flows by which agents are run as well.
    assert len(recording.spans.of_kind("run")) == 2


def test_nothing_is_put_on_crews_tasks_agents_and_flows(model: Model) -> None:
    """Their attributes are those of the same objects that nobody watched."""

    def inside() -> list[set[str]]:
        reader = agent(tools=[search])
        one = crew(task("reading", reader))
        one.kickoff()
        story = Story()
        story.kickoff()
        found = (one, one.tasks[0], reader, search, story)
        return [
            {*vars(thing), *(getattr(thing, "__pydantic_private__", None) or ())} for thing in found
        ]

    alone = inside()
    with record(*INTEGRATIONS):
        watched = inside()

    assert watched == alone


@pytest.mark.parametrize(
    "row", rows.INTEGRATION.patches, ids=lambda row: f"{row.label}-{row.target}"
)
def test_a_version_without_a_place_loses_that_row_alone(row: Patch, model: Model) -> None:
    """The program goes on, and the other rows see what they see."""
    gone = replace(row, target=f"{row.target}_of_another_version", moved=())
    others = tuple(other for other in rows.INTEGRATION.patches if other is not row)
    model.will("Work on it", use("search", query="bees"))

    with record(replace(rows.INTEGRATION, patches=(gone, *others))) as recording:
        result = crew(task("it", agent(tools=[search]))).kickoff()

    states = {status.target: status.state for status in recording.statuses()}
    assert result.raw == "done"
    assert states[gone.target] in {"missing", "waiting"}
    names = {"crew": "invoke_workflow demo", "task": "run_step it"}
    expected = {name for label, name in names.items() if label != row.label}
    assert expected <= {span.name for span in recording.spans}


def test_the_program_is_put_back(model: Model) -> None:
    """After a recording every place has the function that it had."""
    places = [(crewai.Crew, "kickoff"), (crewai.Task, "_execute_core"), (Flow, "kickoff_async")]
    before = [getattr(owner, name) for owner, name in places]

    with record(*INTEGRATIONS):
        crew(task("it", agent())).kickoff()

    assert [getattr(owner, name) for owner, name in places] == before


def test_what_has_been_run_is_not_kept(model: Model) -> None:
    """Of crews and flows that are dropped, nothing stays but what the engine itself keeps."""

    def left() -> set[str]:
        one, story = crew(task("it", agent())), Story()
        one.kickoff()
        story.kickoff()
        kept = {
            "crew": weakref.ref(one),
            "task": weakref.ref(one.tasks[0]),
            "agent": weakref.ref(one.agents[0]),
            "flow": weakref.ref(story),
        }
        del one, story
        for _ in range(5):  # the engine keeps the last ones for a while
            crew(task("another", agent("B"))).kickoff()
            Story().kickoff()
            gc.collect()
            found = {name for name, reference in kept.items() if reference() is not None}
            if not found:
                break
        return found

    left()
    alone = left()
    with record(*INTEGRATIONS):
        watched = left()

    assert watched <= alone


def test_a_flow_that_goes_round_without_a_change_is_suspected() -> None:
    """A loop that does the same again and again is told once, on the run."""

    class Stuck(Flow):
        turns = 0

        @flow.start()
        def begin(self) -> None:
            type(self).turns = 0

        @flow.router(flow.or_(begin, "again"))
        def think(self) -> str:
            type(self).turns += 1
            return "more" if type(self).turns < 9 else "over"

        @flow.listen("more")
        def again(self) -> None:
            return None

    with record(*INTEGRATIONS) as recording:
        Stuck().kickoff()

    run = recording.spans.one("invoke_workflow Stuck")
    assert len(events(run, "flowspan.loop.suspected")) == 1


def test_a_state_of_any_size_is_named_by_its_keys() -> None:
    """What a method changes in the state is told by name, and never by value."""

    class Grows(Flow):
        @flow.start()
        def fill(self) -> None:
            self.state["text"] = "secret" * 100
            self.state["notes"] = []

        @flow.listen(fill)
        def add(self) -> None:
            self.state["notes"].append("secret")

    with record(*INTEGRATIONS) as recording:
        Grows().kickoff()

    fill, add = recording.spans.of_kind("node")
    (filled,) = events(fill, semconv.EVENT_STATE_CHANGED)
    (added,) = events(add, semconv.EVENT_STATE_CHANGED)
    assert (filled[semconv.STATE_ADDED], filled[semconv.STATE_SIZE]) == (("text", "notes"), 3)
    assert added[semconv.STATE_CHANGED] == ("notes",)
    everything = [(dict(e.attributes or {})) for span in recording.spans for e in span.events]
    assert "secret" not in str(everything)
