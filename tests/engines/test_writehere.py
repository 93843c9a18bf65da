"""WriteHERE, watched by the stand-in: the program is not changed, and the whole run is seen."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from traces import attributes
from writehere_kit.answers import GOALS, Writer
from writehere_kit.counting import counted, transitions_of
from writehere_kit.picture import picture
from writehere_kit.program import ENTRIES, MODES, Entry, MakeJob, Mode, results, run, standin
from writehere_kit.watch import events, watched

from flowspan import semconv
from flowspan.config import Detail
from flowspan.testing import FakeProvider, Fault

EXPECTED: Final = Path(__file__).parent / "writehere" / "expected"


# --- the program is not changed ------------------------------------------------------------------


@pytest.mark.parametrize("detail", ["minimal", "normal", "full"])
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("mode", MODES)
def test_every_file_is_the_same_byte_by_byte(  # noqa: PLR0913, PLR0917 - as many ways, and fixtures
    mode: Mode,
    entry: Entry,
    detail: Detail,
    job: MakeJob,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With flowspan and without it a run leaves the same results, caches and pickles."""
    if detail == "full":  # pickled after each step, so that what fails has left a pickle as well
        monkeypatch.delenv("STANDIN_PICKLES_LESS")
    plain, seen = job(mode, GOALS[mode], GOALS["broken"]), job(mode, GOALS[mode], GOALS["broken"])
    with standin():
        run(plain, entry)
    provider.respond = Writer()

    watched(seen, entry, detail)

    expected, found = results(plain.folder), results(seen.folder)
    assert list(expected) == list(found)
    assert [name for name in expected if expected[name] != found[name]] == []
    assert any(name.endswith("nodes.pkl") for name in found)


def test_pickles_know_nothing_of_flowspan(
    job: MakeJob, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pickle of a watched run names a module of ours or of OpenTelemetry."""
    monkeypatch.delenv("STANDIN_PICKLES_LESS")
    one = job("story")

    watched(one, detail="full")

    pickles = [path.read_bytes() for path in one.folder.rglob("nodes.pkl")]
    assert pickles
    for name in (b"flowspan", b"opentelemetry", b"wrapt"):
        assert not any(name in content for content in pickles)


@pytest.mark.parametrize("goal", ["broken", "garbage"])
def test_a_failing_item_fails_as_it_did(
    goal: str, job: MakeJob, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exception that the engine swallows is its own, whatever the model has planned."""
    with standin():
        run(job("story", GOALS[goal]), "imported")
    expected = capsys.readouterr().out
    provider.respond = Writer()

    recording = watched(job("story", GOALS[goal]), detail="full")

    assert expected == capsys.readouterr().out
    assert expected.startswith("item item0 failed: ")
    failed = [span.name for span in recording.spans if not span.status.is_unset]
    assert failed == [
        "Engine.Run",
        "Engine.Step",
        "Node.SelectAction",
        "Node.ExecuteAction",
        "Node.PlanToGraph",
    ]


# --- the whole run -------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("detail", ["minimal", "normal", "full"])
@pytest.mark.parametrize("mode", MODES)
def test_whole_run(
    mode: Mode, detail: Detail, entry: Entry, job: MakeJob, provider: FakeProvider
) -> None:
    """A run gives exactly these spans with these events, by either entry.

    Each item is one trace whose root is the run; no span is an orphan, in threads neither.
    With ``REWRITE_EXPECTED`` set, what is found becomes what is expected.
    """
    recording = watched(job(mode, GOALS[mode], GOALS["broken"]), entry, detail)

    found, file = picture(recording.spans), EXPECTED / f"{mode}-{detail}.txt"
    if os.environ.get("REWRITE_EXPECTED"):
        file.write_text(found, "utf-8")
    assert file.read_text("utf-8") == found
    assert [span.name for span in recording.spans.roots()] == ["Engine.Run", "Engine.Run"]
    assert len(recording.spans.trace_ids()) == 2
    assert len({attributes(span)[semconv.RUN_ID] for span in recording.spans}) == 2


@pytest.mark.parametrize("mode", MODES)
def test_counts_are_those_of_a_plain_counter(
    mode: Mode, job: MakeJob, provider: FakeProvider
) -> None:
    """What the trace counts at full detail is what Python's profiler counts without flowspan."""
    with standin(), counted() as tally:
        run(job(mode), "imported")
    counts = dict(tally.counts)
    provider.respond = Writer()

    spans = watched(job(mode), detail="full").spans

    names = Counter(span.name.removesuffix(".x") for span in spans)
    told = Counter(event.name for span in spans for event in span.events)
    dropped = sum(attributes(span).get(semconv.EVENTS_DROPPED, 0) for span in spans)
    assert dropped == 0
    assert counts == {
        "runs": names["Engine.Run"],
        "steps": names["Engine.Step"],
        "scans": names["Engine.FindNextNode"],
        "graph exams": names["Engine.ExamGraphState"],
        "saves": told["Saving state"],
        "nodes": names["Node.Create"] + 1,  # the root is an event of the run
        "selections": names["Node.SelectAction"],
        "actions": names["Node.ExecuteAction"],
        "exams": names["Node.EvaluateState"],
        "plans": names["Node.PlanToGraph"],
        "edges": told["Adding edge"],
        "conditions": told["Checking condition"],
        "checked nodes": told["Checking node"],
        "interactions": names["Agent.LLMInteraction"],
        "agents": len(spans.of_kind("agent")),
        "prompts": told[semconv.EVENT_PROMPT_CONSTRUCTED],
        **({"merges": names["Agent.SearchMerge"]} if mode == "report" else {}),
        **({"searches": len(spans.of_kind("tool"))} if mode == "report" else {}),
    }


@pytest.mark.parametrize("detail", ["normal", "full"])
@pytest.mark.parametrize("mode", MODES)
def test_transitions_are_those_of_a_plain_counter(
    mode: Mode, detail: Detail, job: MakeJob, provider: FakeProvider
) -> None:
    """Every change of a node's status is one event, and one count of the metric."""
    with standin():
        from recursive.graph import AbstractNode  # noqa: PLC0415 - the stand-in comes and goes

        with transitions_of(AbstractNode) as expected:
            run(job(mode), "imported")
    provider.respond = Writer()

    recording = watched(job(mode), detail=detail)

    told = events(recording.spans, semconv.EVENT_STATE_TRANSITION)
    found = Counter((one[semconv.STATE_FROM], one[semconv.STATE_TO]) for one in told)
    assert expected == found
    metric = recording.metrics()[semconv.METRIC_STATE_TRANSITIONS]
    assert sum(expected.values()) == sum(value for _, value in metric)


# --- model calls ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", ["gpt-4o", "claude-sonnet-4-5", "openai/gpt-4o", "gemini-2.5-flash"]
)
@pytest.mark.parametrize("mode", MODES)
def test_tokens_are_those_of_the_ledger(
    mode: Mode, model: str, job: MakeJob, provider: FakeProvider
) -> None:
    """Every request is one span, and their tokens are what the provider charged, by any route."""
    recording = watched(job(mode, GOALS[mode], GOALS["broken"], model=model))

    charged = provider.ledger.total()
    assert len(provider.requests) == len(recording.spans.of_kind("llm"))
    assert charged.input_tokens == recording.spans.total(semconv.USAGE_INPUT_TOKENS)
    assert charged.output_tokens == recording.spans.total(semconv.USAGE_OUTPUT_TOKENS)
    roots = [attributes(span) for span in recording.spans.roots()]
    assert charged.input_tokens == sum(one[semconv.ROLLUP_INPUT_TOKENS] for one in roots)
    assert len(provider.requests) == sum(one[semconv.ROLLUP_LLM_CALLS] for one in roots)


def test_model_calls_know_their_prompt(job: MakeJob, provider: FakeProvider) -> None:
    """Each request says which prompt it was made from, readers of pages in threads included."""
    recording = watched(job("report"))

    calls = [attributes(span) for span in recording.spans.of_kind("llm")]
    prompts = Counter(one[semconv.PROMPT_NAME] for one in calls)
    assert prompts == {
        "ReportAtom": 1,
        "ReportAtomWithUpdate": 3,
        "ReportPlanning": 2,
        "ReportReasoner": 1,
        "ReportSearchOnlyUpdate": 1,
        "ReportWriter": 3,
        "MergeSearchResultVFinal": 2,
        "SearchAgentENPrompt": 4,
        "EvidenceSelectorAPIClientOpenAI": 5,
        "Summarizier": 3,
    }


def test_cached_answers_are_marked(job: MakeJob, provider: FakeProvider) -> None:
    """A second run of a job makes no request, and says that its answers came from a cache."""
    one = job("report")
    watched(one)
    asked = len(provider.requests)

    spans = watched(one).spans

    assert asked == len(provider.requests)
    assert spans.of_kind("llm") == []
    asking = [*spans.named("Agent.LLMInteraction"), *spans.named("Agent.SearchMerge")]
    first = [span for span in asking if not attributes(span).get("llm.overwrite_cache")]
    assert first
    assert all(attributes(span)[semconv.CACHE_HIT] for span in first)
    hits = Counter(hit["cache.name"] for hit in events(spans, "Cache hit"))
    assert hits["OpenAIApiProxy.call"] == len(first) + 4  # the search agents' own turns
    assert hits["BingBrowser.full_pipeline_search"] == 1


def test_repeated_prompts_are_retries(job: MakeJob, provider: FakeProvider) -> None:
    """Asking again after an answer of no use is counted per question and told to the node."""
    recording = watched(job("story"))

    asked = events(recording.spans, "Calling get_llm_output for atom check")
    assert asked[:2] == [{"retry_count": 0}, {"retry_count": 1}]
    planned = events(recording.spans, "Calling get_llm_output for planning")
    assert planned[:2] == [
        {"retry_count": 0, "skipped": False},
        {"retry_count": 1, "skipped": False},
    ]
    assert {"skipped": True} in planned
    retries = events(recording.spans, semconv.EVENT_RETRY)
    assert retries == [{semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "unusable_answer"}] * 3
    node = recording.spans.named("Node.ExecuteAction")[0]
    assert [e.name for e in node.events].count(semconv.EVENT_RETRY) == 2
    assert sum(value for _, value in recording.metrics()[semconv.METRIC_RETRIES]) == 3


def test_a_request_that_is_refused_is_a_span_of_its_own(
    job: MakeJob, provider: FakeProvider
) -> None:
    """The engine repeats refused requests inside one call: each of them is seen."""
    provider.fail(Fault.overloaded(), times=2)

    spans = watched(job("story")).spans

    first = spans.named("Agent.LLMInteraction")[0]
    calls = [s for s in spans.of_kind("llm") if s.parent and s.parent.span_id == _id(first)]
    assert [semconv.ERROR_TYPE in attributes(call) for call in calls] == [True, True, False]
    assert first.status.is_unset


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)
