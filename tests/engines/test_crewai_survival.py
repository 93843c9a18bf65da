"""CrewAI's other versions, of which a place is gone, and what is kept of runs that have ended."""

from __future__ import annotations

import contextlib
import gc
import importlib
import weakref
from dataclasses import asdict, replace
from typing import Final

import pytest
from adopted_engine import of_ours
from crewai_kit import MARKS, Flow, Model, agent, broken, crew, flow, search, task, use
from traces import INTEGRATIONS

from flowspan.doctor import integrations as doctor
from flowspan.instrumentation.engines import crewai as rows
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import FakeProvider, Recording, record

pytestmark = [*MARKS, pytest.mark.usefixtures("provider")]
RUNS: Final = 100


@pytest.fixture
def model() -> Model:
    return Model()


class Story(Flow):
    """A crew and an agent alone, in a flow that a router leads on."""

    @flow.start()
    def write(self) -> str:
        return str(crew(task("it", agent(tools=[search]))).kickoff().raw)

    @flow.router(write)
    def judge(self, written: str) -> str:
        return str(agent("Editor").kickoff(written).raw)

    @flow.listen("done")
    def publish(self) -> str:
        return "published"


# --- versions -------------------------------------------------------------------------------------


def lacking(row: Patch | None) -> Integration:
    """The rows, as if CrewAI had another name for one of their places."""
    patches = rows.INTEGRATION.patches
    gone = () if row is None else (_gone(row),)
    others = tuple(other for other in patches if other is not row)
    return replace(rows.INTEGRATION, patches=(*gone, *others))


def _gone(row: Patch) -> Patch:
    moved = tuple(f"{place}_of_another_version" for place in row.moved)
    return replace(row, target=f"{row.target}_of_another_version", moved=moved)


def missing(recording: Recording) -> set[str]:
    """Places that are not there, or whose module is not."""
    return {
        status.target
        for status in recording.statuses()
        if status.integration == "crewai" and status.state in {"missing", "waiting"}
    }


@pytest.fixture(scope="module")
def usual() -> tuple[set[str], set[str]]:
    """Names of the program's spans, and the places that this version has not anyway."""
    for place in rows.INTEGRATION.patches:  # some of which the engine imports as they are used
        with contextlib.suppress(ImportError):
            importlib.import_module(place.module)
    model = Model()
    with pytest.MonkeyPatch.context() as patch, FakeProvider(respond=model) as provider:
        for name, value in provider.environment.items():
            patch.setenv(name, value)
        model.will("Work on it", use("search", query="bees"))
        with record(*watching(None)) as recording:
            Story().kickoff()
    return {span.name for span in recording.spans}, missing(recording)


def watching(row: Patch | None) -> list[Integration]:
    """Everything that the distribution would apply, without one of CrewAI's rows."""
    return [lacking(row) if one.name == "crewai" else one for one in INTEGRATIONS]


@pytest.mark.parametrize(
    "row", rows.INTEGRATION.patches, ids=lambda row: f"{row.label}-{row.target}"
)
def test_a_version_without_a_place_loses_that_row_alone(
    row: Patch, model: Model, provider: FakeProvider, usual: tuple[set[str], set[str]]
) -> None:
    """The program goes on, the others see what they see, and doctor names the place."""
    names, never = usual
    model.will("Work on it", use("search", query="bees"))

    with record(*watching(row)) as recording:
        result = Story().kickoff()

    spans = recording.spans
    lost = {name for name in names if row.kind is not None and name.startswith(OF_KIND[row.kind])}
    assert result == "published"
    assert names - {span.name for span in spans} <= lost
    assert len(spans.of_kind("llm")) == len(provider.ledger)
    # Without the row of a run, what is in it has none, or its own.
    assert row.kind == "run" or broken(spans) == []
    assert missing(recording) - never == {_gone(row).target}
    told = [asdict(status) for status in recording.statuses() if status.integration == "crewai"]
    finding = doctor._judged(rows.INTEGRATION, "1", told)
    if not row.optional:
        assert finding.level == "problem"
        assert row.path.rpartition(".")[2] in finding.text


OF_KIND: Final = {
    "run": "invoke_workflow",
    "node": "run_step",
    "step": "run_step",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "plan": "plan",
    "llm": "chat",
}


# --- memory ---------------------------------------------------------------------------------------


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


def test_memory_is_flat() -> None:
    """Hundreds of runs leave nothing of ours behind but their spans."""

    class Two(Flow):
        suppress_flow_events: bool = True

        @flow.start()
        async def first(self) -> None:
            self.state["seen"] = True

        @flow.listen(first)
        async def second(self) -> None: ...

    def held(after: int = RUNS) -> int:
        for _ in range(after):
            Two().kickoff()
        recording._exporter.clear()
        gc.collect()
        return of_ours()

    with record(*INTEGRATIONS) as recording:
        held(after=10)
        early = held()
        late = held()

    # Which run was the last is remembered of each conversation, of four thousand at most.
    assert late - early - RUNS < RUNS // 5
