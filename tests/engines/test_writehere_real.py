"""The real WriteHERE under ``opentelemetry-instrument``, unmodified, on a fake provider.

Enabled by ``FLOWSPAN_WRITEHERE``, the path of a checkout of principia-ai/WriteHERE (a984484).  Its
``.venv`` (or the Python that runs the tests) has what the engine needs, and flowspan.  It talks to
fixed https hosts: a proxy on the loopback is all of them, under a certificate authority of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from writehere_kit import driver
from writehere_kit.answers import GOALS, Writer
from writehere_kit.internet import Internet
from writehere_kit.program import MODES, Entry, Job, MakeJob, Mode, results

from flowspan import semconv
from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import FakeProvider

MAP: Final = Path(__file__).parents[2] / "examples" / "maps" / "writehere.toml"
CHECKOUT: Final = os.environ.get("FLOWSPAN_WRITEHERE", "")

pytestmark = [
    pytest.mark.skipif(
        not CHECKOUT,
        reason="FLOWSPAN_WRITEHERE is not set: the real engine is not run "
        "(set it to a checkout of principia-ai/WriteHERE whose .venv has its requirements)",
    ),
    pytest.mark.timeout(300),
]


@pytest.fixture(name="internet")
def _internet(tmp_path: Path, provider: FakeProvider) -> Iterator[Internet]:
    folder = tmp_path / "certificates"
    folder.mkdir()
    with Internet(folder, int(provider.url.rpartition(":")[2])) as internet:
        yield internet


class Engine:
    """Runs the real engine in processes of their own."""

    def __init__(self, internet: Internet, provider: FakeProvider, store: Path) -> None:
        own = Path(CHECKOUT) / ".venv" / "bin" / "python"
        self.python = str(own if own.exists() else sys.executable)
        self.internet = internet
        self.provider = provider
        self.store = store

    def run(self, job: Job, entry: Entry, detail: str | None = None, **more: str) -> None:
        """Run a job, watched if a detail is named."""
        command = [self.python, str(Path(CHECKOUT) / "recursive" / "engine.py")]
        if entry == "imported":
            command = [self.python, driver.__file__, CHECKOUT, "-"]
        variables = {}
        if detail is not None:
            command.insert(0, str(Path(self.python).parent / "opentelemetry-instrument"))
            variables = {"FLOWSPAN_STORE": str(self.store), "FLOWSPAN_DETAIL": detail, **more}
        self._start([*command, *job.options()], job, variables)

    def count(self, job: Job) -> dict[str, Any]:
        """Run a job under a plain counter."""
        file = job.folder.with_suffix(".counts")
        self._start([self.python, driver.__file__, CHECKOUT, str(file), *job.options()], job, {})
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found

    def _start(self, command: list[str], job: Job, variables: dict[str, str]) -> None:
        self.provider.clear()
        self.provider.respond = Writer()
        surroundings = {
            name: value for name, value in os.environ.items() if "proxy" not in name.lower()
        }
        kit = str(Path(driver.__file__).parents[1])
        subprocess.run(
            command,
            check=True,
            cwd=job.folder,
            env={
                **surroundings,
                **self.internet.environment,
                **variables,
                "PYTHONHASHSEED": "0",
                "PYTHONPATH": os.pathsep.join([CHECKOUT, kit]),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture(name="engine")
def _engine(internet: Internet, provider: FakeProvider, tmp_path: Path) -> Engine:
    return Engine(internet, provider, tmp_path / "store.db")


def traces(engine: Engine) -> list[list[SpanRow]]:
    """The recorded traces, oldest first."""
    with open_store(engine.store) as store:
        return [store.trace(run.trace_id) for run in reversed(store.runs())]


@pytest.mark.parametrize(("entry", "detail"), [("imported", "normal"), ("script", "full")])
@pytest.mark.parametrize("mode", MODES)
def test_real_runs_are_not_changed_and_fully_seen(
    mode: Mode, entry: Entry, detail: str, engine: Engine, job: MakeJob
) -> None:
    """Files and pickles are the same; each item is one trace; tokens are the ledger's."""
    plain, seen = job(mode, GOALS[mode], GOALS["broken"]), job(mode, GOALS[mode], GOALS["broken"])
    engine.run(plain, entry)

    engine.run(seen, entry, detail)

    expected, found = results(plain.folder), results(seen.folder)
    assert list(expected) == list(found)
    assert [name for name in expected if expected[name] != found[name]] == []
    recorded = traces(engine)
    assert [trace[0].name for trace in recorded] == ["Engine.Run", "Engine.Run"]
    spans = [span for trace in recorded for span in trace]
    assert [span.name for span in spans if span.orphan or span.state != "done"] == []
    assert [span.name for span in spans if span.parent_id is None] == ["Engine.Run"] * 2
    assert {name: _parents(spans, name) for name in _UNDER} == _UNDER
    calls = [span for span in spans if span.kind == "llm"]
    charged = engine.provider.ledger.total()
    assert len(calls) == len(engine.provider.requests)
    assert sum(call.input_tokens or 0 for call in calls) == charged.input_tokens
    assert sum(call.output_tokens or 0 for call in calls) == charged.output_tokens
    assert {call.cost_status for call in calls} == {"priced"}
    assert all(call.prompt_name for call in calls)
    assert recorded[0][0].status == "unset"
    assert recorded[1][0].error_type == "Exception"
    assert recorded[0][0].attrs["engine.mode"] == mode
    assert recorded[0][0].attrs["engine.input.filename"] == str(seen.folder / "input.jsonl")


_UNDER: Final = {
    "Engine.Step": {"Engine.Run"},
    "Engine.FindNextNode": {"Engine.Step"},
    "Engine.ExamGraphState": {"Engine.Step", "Engine.ExamGraphState"},
    "Node.SelectAction": {"Engine.Step"},
    "Node.ExecuteAction": {"Node.SelectAction"},
    "Node.EvaluateState": {"Engine.ExamGraphState"},
    "Node.PlanToGraph": {"Node.ExecuteAction"},
    "Node.Create": {"Node.PlanToGraph"},
    "Agent.Forward": {"Node.ExecuteAction"},
    "Agent.LLMInteraction": {"Agent.Forward"},
}


def _parents(spans: list[SpanRow], name: str) -> set[str]:
    names = {span.span_id: ".".join(span.name.split(".")[:2]) for span in spans}
    return {
        names[span.parent_id]
        for span in spans
        if span.parent_id is not None and names[span.span_id] == name
    }


@pytest.mark.parametrize("mode", MODES)
def test_real_counts_are_those_of_a_plain_counter(mode: Mode, engine: Engine, job: MakeJob) -> None:
    """Checked nodes, conditions, exams, transitions and prompts are all in the trace."""
    counted = engine.count(job(mode))

    engine.run(job(mode), "script", "full")

    [spans] = traces(engine)
    names = Counter(span.name for span in spans)
    told = Counter(event.name for span in spans for event in span.events)
    assert not any(semconv.EVENTS_DROPPED in span.attrs for span in spans)
    counts = counted["counts"]
    assert {name: counts.get(name, 0) for name in _TOLD_BY} == {
        name: names[by] + told[by] for name, by in _TOLD_BY.items()
    }
    assert counts["nodes"] == names["Node.Create"] + 1
    assert counts["agents"] == sum(name.startswith("Agent.Forward.") for name in names.elements())
    moves = Counter(
        (event.attrs[semconv.STATE_FROM], event.attrs[semconv.STATE_TO])
        for span in spans
        for event in span.events
        if event.name == semconv.EVENT_STATE_TRANSITION
    )
    assert moves == {(before, after): times for before, after, times in counted["transitions"]}


_TOLD_BY: Final = {
    "runs": "Engine.Run",
    "steps": "Engine.Step",
    "scans": "Engine.FindNextNode",
    "graph exams": "Engine.ExamGraphState",
    "saves": "Saving state",
    "selections": "Node.SelectAction",
    "actions": "Node.ExecuteAction",
    "exams": "Node.EvaluateState",
    "plans": "Node.PlanToGraph",
    "edges": "Adding edge",
    "conditions": "Checking condition",
    "checked nodes": "Checking node",
    "interactions": "Agent.LLMInteraction",
    "merges": "Agent.SearchMerge",
    "searches": "execute_tool BingBrowser.full_pipeline_search",
    "prompts": semconv.EVENT_PROMPT_CONSTRUCTED,
}


@pytest.mark.parametrize("entry", ["imported", "script"])
def test_a_span_map_sees_a_real_run_as_the_integration_does(
    entry: Entry, engine: Engine, job: MakeJob
) -> None:
    """The same spans under the same ones, from a file that a user could write."""
    engine.run(job("report"), entry, "normal")

    engine.run(
        job("report"),
        entry,
        "normal",
        FLOWSPAN_MAP=str(MAP),
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="writehere",
    )

    expected, found = map(_places, traces(engine))
    assert expected.total() > 100
    assert found == expected


def _places(spans: list[SpanRow]) -> Counter[tuple[str | None, ...]]:
    """How often each name, kind and step name is found under which name."""
    names = {span.span_id: span.name for span in spans}
    return Counter(
        (
            names.get(span.parent_id or ""),
            *(span.name, span.kind, str(span.attrs.get(semconv.STEP_NAME))),
        )
        for span in spans
    )
