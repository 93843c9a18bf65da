"""CrewAI, run again: replays, checkpoints, kept states, training and tests of a crew."""

from __future__ import annotations

import asyncio
import builtins
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crewai_kit import MARKS, Flow, Model, agent, crew, crewai, final, flow, recorded, task
from traces import attributes

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Recording, Reply

pytestmark = MARKS
Checkpoints: Any = getattr(crewai, "CheckpointConfig", None)
needs_checkpoints = pytest.mark.skipif(Checkpoints is None, reason="this version keeps none")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recording(provider: FakeProvider) -> Iterator[Recording]:
    with recorded(provider) as recording:
        yield recording


@pytest.fixture(autouse=True)
def _first_of_the_process() -> None:
    """A replay leaves its crew to the checkpoints of those that are run after it."""
    reset = getattr(crewai.events.crewai_event_bus, "reset_runtime_state", None)
    if reset is not None:
        reset()


def two() -> Any:
    """A crew of two tasks."""
    return crew(task("one", agent("A")), task("two", agent("B")))


def newest(folder: Path) -> Any:
    """The settings by which a run goes on from the last checkpoint of a folder."""
    files = sorted(folder.rglob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return Checkpoints(location=str(folder), restore_from=str(files[-1]))


def test_a_replay_is_a_run_of_what_it_repeats(recording: Recording, provider: FakeProvider) -> None:
    """The tasks before the one that is replayed are not run again, and make no spans."""
    told = two()
    told.kickoff()

    told.replay(str(told.tasks[1].id))

    assert (
        recording.spans.tree()
        == """\
invoke_workflow demo
  run_step one
    invoke_agent A
      chat gpt-4o-mini
  run_step two
    invoke_agent B
      chat gpt-4o-mini
invoke_workflow demo
  run_step two
    invoke_agent B
      chat gpt-4o-mini"""
    )
    assert len(provider.ledger) == 3


ON: dict[str, Callable[[Any, Any], Any]] = {
    "kickoff": lambda crew, config: crew.kickoff(from_checkpoint=config),
    "by position": lambda crew, config: crew.kickoff(None, None, config),
    "kickoff_async": lambda crew, config: asyncio.run(crew.kickoff_async(from_checkpoint=config)),
    "akickoff": lambda crew, config: asyncio.run(crew.akickoff(None, None, config)),
    "restored": lambda crew, config: type(crew).from_checkpoint(config).kickoff(),
}


@needs_checkpoints
@pytest.mark.parametrize("way", ON)
def test_a_crew_goes_on_from_a_checkpoint(
    recording: Recording, model: Model, tmp_path: Path, way: str
) -> None:
    """What goes on is one run, which says that it does and is linked to the one that failed."""
    model.will("Work on two", Reply(fault=Fault.http(400)))
    failing = crew(
        task("one", agent("A")),
        task("two", agent("B", max_retry_limit=0)),
        checkpoint=Checkpoints(location=str(tmp_path)),
    )
    with pytest.raises(Exception, match="400"):
        failing.kickoff()

    assert ON[way](two(), newest(tmp_path)).raw == "done"

    assert (
        recording.spans.tree(semconv.RESUMED)
        == """\
invoke_workflow demo !
  run_step one
    invoke_agent A
      chat gpt-4o-mini
  run_step two !
    invoke_agent B !
      chat gpt-4o-mini !
invoke_workflow demo flowspan.resumed=True
  run_step two
    invoke_agent B
      chat gpt-4o-mini"""
    )
    failed, resumed = recording.spans.roots()
    assert [link.context.span_id for link in resumed.links] == [failed.context.span_id]
    assert attributes(resumed)[semconv.CONVERSATION_ID] == str(failing.id)


class Steps(Flow):
    """Two methods, of which the second may fail."""

    fails = False

    @flow.start()
    def first(self) -> None:
        self.state["seen"] = 1

    @flow.listen(first)
    def second(self) -> str:
        if type(self).fails:
            raise KeyError("mine")
        return "done"


FLOW_ON: dict[str, Callable[[Any], Any]] = {
    "kickoff": lambda config: Steps().kickoff(from_checkpoint=config),
    "by position": lambda config: asyncio.run(Steps().kickoff_async(None, None, config)),
    "restored": lambda config: Steps.from_checkpoint(config).kickoff(),
}


@needs_checkpoints
@pytest.mark.parametrize("way", FLOW_ON)
def test_a_flow_goes_on_from_a_checkpoint(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """Methods that were done are not run again; both runs are of the state's conversation."""
    on_events = ["method_execution_finished"]
    kept = Steps(checkpoint=Checkpoints(location=str(tmp_path), on_events=on_events))
    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(Steps, "fails", True)
        kept.kickoff()

    assert FLOW_ON[way](newest(tmp_path)) == "done"

    assert (
        recording.spans.tree(semconv.RESUMED)
        == """\
invoke_workflow Steps !
  run_step first
  run_step second !
invoke_workflow Steps flowspan.resumed=True
  run_step second"""
    )
    failed, resumed = recording.spans.roots()
    assert [link.context.span_id for link in resumed.links] == [failed.context.span_id]
    assert {attributes(run)[semconv.CONVERSATION_ID] for run in (failed, resumed)} == {kept.flow_id}


class Kept(flow.FlowState):
    """A state that is kept by its id."""

    visits: int = 0


def test_a_flow_with_a_kept_state_is_of_its_conversation(
    recording: Recording, tmp_path: Path
) -> None:
    """The id that is given to a run is its conversation's, not that of the new object's state."""
    persistence = importlib.import_module("crewai.flow.persistence")

    class Visits(flow.Flow[Kept]):
        @flow.start()
        def visit(self) -> int:
            self.state.visits += 1
            return int(self.state.visits)

    store = persistence.SQLiteFlowPersistence(str(tmp_path / "flows.db"))
    visits = persistence.persist(store)(Visits)
    first = visits()

    assert first.kickoff() == 1
    assert visits().kickoff(inputs={"id": first.flow_id}) == 2
    if hasattr(Flow, "stream_events"):
        assert visits().kickoff(restore_from_state_id=first.flow_id) == 3

    once, again, *forked = recording.spans.roots()
    assert attributes(once)[semconv.CONVERSATION_ID] == first.flow_id
    assert attributes(again)[semconv.CONVERSATION_ID] == first.flow_id
    assert [len(run.links) for run in (once, again, *forked)] == [0] * (2 + len(forked))
    assert all(attributes(run)[semconv.CONVERSATION_ID] != first.flow_id for run in forked)


def test_training_is_one_run(
    recording: Recording,
    model: Model,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """All of its iterations, and what is asked of a model to learn from them, are in one trace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "input", lambda *_: "better")
    model.will("Work on it", *[final("done")] * 4)

    crew(task("it", agent())).train(n_iterations=2, filename="trained.pkl")

    (root,) = recording.spans.roots()
    assert root.name == "invoke_workflow demo training"
    assert [span.name for span in recording.spans.of_kind("run")[1:]] == [
        "invoke_workflow demo"
    ] * 2
    assert attributes(root)["flowspan.rollup.llm_calls"] == len(provider.ledger)


def test_a_test_of_a_crew_is_one_run(
    recording: Recording, model: Model, provider: FakeProvider
) -> None:
    """Its iterations are runs inside, with the evaluator's work after each task."""
    model.will("Task Execution Evaluator", *[final('{"quality": 9.0}')] * 2)

    crew(task("it", agent())).test(n_iterations=2, eval_llm="gpt-4o-mini")

    (root,) = recording.spans.roots()
    assert root.name == "invoke_workflow demo test"
    agents = [attributes(span)["gen_ai.agent.name"] for span in recording.spans.of_kind("agent")]
    assert agents == ["Researcher", "Task Execution Evaluator"] * 2
    assert attributes(root)["flowspan.rollup.llm_calls"] == len(provider.ledger)
