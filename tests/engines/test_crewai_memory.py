"""CrewAI's memory and knowledge: what they ask of models is of the run that asks them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from crewai_kit import HAS_ASYNC, MARKS, MODEL, Flow, Model, agent, broken, crew, flow, task
from traces import INTEGRATIONS, attributes, threaded

from flowspan.testing import FakeProvider, Recording

pytestmark = MARKS
EMBEDDER = {"provider": "openai", "config": {"model_name": "text-embedding-3-small"}}
ABOUT = "Bees dance to tell their sisters where the flowers are. " * 20


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recording() -> Iterator[Recording]:
    with threaded(*INTEGRATIONS) as recording:
        yield recording


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Each test has a memory of its own."""
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("CHROMA_OPENAI_API_KEY", "key")


def asked(recording: Recording) -> list[str]:
    """What the one run asked of models: all that it has counted, in its own trace."""
    (run,) = recording.spans.of_kind("run")
    calls = [
        call
        for call in recording.spans.of_kind("llm")
        if call.context.trace_id == run.context.trace_id
    ]
    assert attributes(run)["flowspan.rollup.llm_calls"] == len(calls)
    return [call.name.split()[0] for call in calls]


@pytest.mark.parametrize("way", ["kickoff", "akickoff"] if HAS_ASYNC else ["kickoff"])
def test_a_crew_remembers_inside_its_run(
    recording: Recording, provider: FakeProvider, way: str
) -> None:
    """What is remembered after the last task, in threads of the engine's own, is of the run too."""
    told = crew(task("it", agent()), task("that", agent("B")), memory=True, embedder=EMBEDDER)
    made = len(provider.ledger)

    done = told.kickoff() if way == "kickoff" else asyncio.run(told.akickoff())

    assert done.raw == "done"
    assert len(asked(recording)) == len(provider.ledger) - made
    assert {"chat", "embeddings"} == set(asked(recording))
    # The flows by which the engine remembers and recalls are none of the program's.
    assert [len(recording.spans.of_kind(kind)) for kind in ("run", "node", "agent")] == [1, 2, 2]


@pytest.mark.parametrize("whose", ["crew", "agent"])
def test_knowledge_is_looked_up_inside_the_run(
    recording: Recording, provider: FakeProvider, whose: str
) -> None:
    """What an agent looks up is its own; sources are read when they are given to somebody."""
    sources = importlib.import_module("crewai.knowledge.source.string_knowledge_source")
    known: dict[str, Any] = {
        "knowledge_sources": [sources.StringKnowledgeSource(content=ABOUT)],
        "embedder": EMBEDDER,
    }
    told = (
        crew(task("it", agent(**known))) if whose == "agent" else crew(task("it", agent()), **known)
    )
    read = len(provider.ledger)

    assert told.kickoff().raw == "done"

    assert len(asked(recording)) == len(provider.ledger) - read
    assert "embeddings" in asked(recording)


@pytest.mark.skipif(not HAS_ASYNC, reason="this version's flows have no memory")
def test_a_flow_remembers_inside_its_methods(recording: Recording, provider: FakeProvider) -> None:
    """What a method recalls and remembers is asked inside of it."""
    memory = importlib.import_module("crewai").Memory(llm=MODEL, embedder=EMBEDDER)

    class Remembers(Flow):
        @flow.start()
        def keep(self) -> None:
            self.remember("Bees dance.", scope="/bees", categories=["b"], importance=0.5)

        @flow.listen(keep)
        def find(self) -> Any:
            return self.recall("What do bees do?")

    told = Remembers(memory=memory)
    told.kickoff()

    assert broken(recording.spans) == []
    assert len(asked(recording)) == len(provider.ledger)
    assert [span.name for span in recording.spans.of_kind("node")] == [
        "run_step keep",
        "run_step find",
    ]
