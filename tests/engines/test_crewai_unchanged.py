"""CrewAI goes on as it did: results, event bus, objects and their copies; loops, states."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from crewai_kit import MARKS, Flow, Model, agent, crew, crewai, flow, search, task, use
from traces import INTEGRATIONS, events

from flowspan import semconv
from flowspan.testing import FakeProvider, record

pytestmark = [*MARKS, pytest.mark.usefixtures("provider")]


@pytest.fixture
def model() -> Model:
    return Model()


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


def test_copies_and_pickles_are_the_same() -> None:
    """What can be copied and pickled still can, what cannot fails alike, and both mean the same."""

    def copied() -> list[Any]:
        one, story = crew(task("it", agent())), Story()
        result = one.kickoff()
        story.kickoff()
        state = dict(story.state.items())
        return [
            *(_outcome(way, each) for each in (one, one.tasks[0], story) for way in COPIES),
            [_outcome(way, result) for way in COPIES],
            pickle.loads(pickle.dumps(state)) == state,
            one.copy().kickoff().raw,
            sorted(json.loads(result.model_dump_json())),
        ]

    alone = copied()
    with record(*INTEGRATIONS):
        watched = copied()

    assert watched == alone


COPIES: dict[Callable[[Any], Any], str] = {
    copy.copy: "copy",
    copy.deepcopy: "deep copy",
    lambda each: pickle.loads(pickle.dumps(each)): "pickle",
}


def _outcome(way: Callable[[Any], Any], of: Any) -> str:
    """Of what class a copy is, or what came in its way."""
    try:
        return f"{COPIES[way]}: {type(way(of)).__name__}"
    except Exception as error:  # noqa: BLE001 - which one is what is compared
        return f"{COPIES[way]}: {type(error).__name__}"


def test_the_program_is_put_back(model: Model) -> None:
    """After a recording every place has the function that it had."""
    places = [(crewai.Crew, "kickoff"), (crewai.Task, "_execute_core"), (Flow, "kickoff_async")]
    before = [getattr(owner, name) for owner, name in places]

    with record(*INTEGRATIONS):
        crew(task("it", agent())).kickoff()

    assert [getattr(owner, name) for owner, name in places] == before


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
