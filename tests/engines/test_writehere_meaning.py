"""WriteHERE: what each span and each event says."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from traces import attributes
from writehere_kit.program import ENTRIES, Entry, MakeJob
from writehere_kit.watch import events, watched

from flowspan import semconv
from flowspan.testing import FakeProvider

NEUTRAL: Final = {
    semconv.KIND,
    semconv.RUN_ID,
    semconv.WORKFLOW_NAME,
    semconv.OPERATION_NAME,
    semconv.STEP_NAME,
    semconv.STEP_INDEX,
    semconv.ATTEMPT,
    semconv.AGENT_NAME,
    semconv.TOOL_NAME,
    semconv.ENGINE,
    semconv.CACHE_HIT,
    semconv.ERROR_TYPE,
}
ATTRIBUTES: Final = {
    "Engine.Run": {
        "engine.mode",
        "engine.input.filename",
        "engine.output.filename",
        "engine.llm.model",
        "engine.backend",
        "task.root.goal",
        "date.today",
    },
    "Engine.Step": {"engine.step.number"},
    "Engine.FindNextNode": {"engine.find.single_mode"},
    "Engine.ExamGraphState": {
        "node.nid",
        semconv.NODE_ID,
        "node.status.before",
        "engine.exam.verbose",
    },
    "Node.Create": {
        "node.nid",
        semconv.NODE_ID,
        "node.type",
        "node.task.type",
        "node.task.kind",
        "node.task.goal",
        "node.layer",
        "node.parent_count",
    },
    "Node.SelectAction": {
        "node.nid",
        semconv.NODE_ID,
        "node.task.type",
        "node.task.goal",
        "node.status.before",
    },
    "Node.ExecuteAction": {
        "node.nid",
        semconv.NODE_ID,
        "action.name",
        "agent.class",
        "agent.config.llm",
        "agent.called",
    },
    "Node.EvaluateState": {
        "node.nid",
        semconv.NODE_ID,
        "node.status.before",
        "node.exam.verbose",
    },
    "Node.PlanToGraph": {"node.nid", semconv.NODE_ID, "plan.raw.length", "plan.raw.summary"},
    "Agent.Forward.UpdateAtomPlanning": {
        "agent.class",
        "node.nid",
        semconv.NODE_ID,
        "node.task.type",
        "node.task.goal",
    },
    "Agent.LLMInteraction": {
        "llm.agent_type",
        "node.nid",
        semconv.NODE_ID,
        "node.task.type",
        "llm.prompt.version.determined",
        "llm.model",
        "llm.temperature",
        "llm.overwrite_cache",
    },
    "Agent.SearchMerge": {
        "node.nid",
        semconv.NODE_ID,
        "llm.prompt.version",
        "llm.model",
        "search_results.length",
    },
}


@pytest.mark.parametrize("name", list(ATTRIBUTES))
def test_attributes_of_the_plan(name: str, job: MakeJob, provider: FakeProvider) -> None:
    """Each span has the attributes that the plan names, and besides them only neutral ones."""
    spans = watched(job("report"), detail="full").spans.named(name)

    found = [{key for key in attributes(span) if not _is_neutral(key)} for span in spans]
    assert ATTRIBUTES[name] == set().union(*found)


def _is_neutral(key: str) -> bool:
    return key in NEUTRAL or key.startswith("flowspan.rollup.")


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_run_knows_how_it_was_started(
    entry: Entry, job: MakeJob, provider: FakeProvider
) -> None:
    """Mode, files, model and backend are those of the command or of the function called."""
    one = job("report")

    span = watched(one, entry).spans.one("Engine.Run")

    found = {key: value for key, value in attributes(span).items() if key.startswith("engine.")}
    assert found == {
        "engine.mode": "report",
        "engine.input.filename": str(one.folder / "input.jsonl"),
        "engine.output.filename": str(one.output),
        "engine.llm.model": "gpt-4o",
        "engine.backend": "google",
    }
    assert attributes(span)[semconv.WORKFLOW_NAME] == "WriteHERE report"
    assert attributes(span)[semconv.ENGINE] == "writehere"
    assert attributes(span)["date.today"] == "Apr 1, 2025"


def test_steps_and_nodes_are_told_apart(job: MakeJob, provider: FakeProvider) -> None:
    """Steps count as the engine counts them; nodes are named by action and type of task."""
    spans = watched(job("story")).spans

    steps = [attributes(span)["engine.step.number"] for span in spans.of_kind("step")]
    assert steps == list(range(len(steps)))
    nodes = [attributes(span) for span in spans.of_kind("node")]
    assert nodes[0][semconv.STEP_NAME] == "plan COMPOSITION"
    assert nodes[0]["agent.config.llm"] == '["UpdateAtomPlanningAgent", {}]'
    assert {"execute REASONING", "final_aggregate REASONING"} <= {
        one[semconv.STEP_NAME] for one in nodes
    }
    identities = {one[semconv.NODE_ID] for one in nodes}
    assert len(identities) == 13
    assert "0" in {one["node.nid"] for one in nodes}
    aggregating = [one for one in nodes if one["action.name"] == "final_aggregate"]
    assert {True, False} == {one["agent.called"] for one in aggregating}


def test_the_planner_says_how_it_decided(job: MakeJob, provider: FakeProvider) -> None:
    """Each planning says which rule decided, in the order in which the engine asks them."""
    story = watched(job("story"))
    decisions = [one["decision"] for one in events(story.spans, "Planning decision")]
    assert Counter(decisions) == {"recursive": 2, "candidate_plan": 3, "atomic": 3}

    report = watched(job("report"))
    decisions = [one["decision"] for one in events(report.spans, "Planning decision")]
    assert Counter(decisions) == {"recursive": 2, "all_atom": 3, "atomic": 1, "force_atom": 1}


def test_the_verdict_of_the_model(job: MakeJob, provider: FakeProvider) -> None:
    """The atom check tells its verdict and a changed goal, and no reasoning."""
    spans = watched(job("story")).spans

    verdicts = events(spans, "Atom check LLM result received")
    assert verdicts[:3] == [
        {"atom_result": "unusable", "atom_think": "str of 0"},
        {"atom_result": "complex", "atom_think": "str of 11"},
        {
            "atom_result": "atomic",
            "atom_think": "str of 11",
            "update_result": "Write the opening, carefully",
        },
    ]


def test_plans_are_parsed_in_two_attempts(job: MakeJob, provider: FakeProvider) -> None:
    """A plan wrapped in prose fails to parse once, and is found in its fence without a new call."""
    spans = watched(job("story")).spans

    parsed = [one["parse_successful"] for one in events(spans, "Parsing planning result")]
    assert parsed == [False, False, True, False, True]
    summaries = [one["plan_result.summary"] for one in events(spans, "Planning result parsed")]
    assert summaries == ['{"think": 1, "write": 2}', '{"write": 2}']
    raw = [attributes(span)["plan.raw.length"] for span in spans.named("Node.PlanToGraph")]
    assert Counter(raw) == {0: 5, 2: 2, 3: 1}


def test_implicit_and_unknown_dependencies(job: MakeJob, provider: FakeProvider) -> None:
    """A graph tells which dependencies the engine added and which it dropped."""
    spans = watched(job("report")).spans

    added = events(spans, "Applying implicit COMPOSITION dependency")
    assert {"parent.nid": ("4",), "child.nid": "5"} in added
    assert events(spans, "Dropping unknown dependency") == [
        {"parent.nid": ("7",), "child.nid": "3"}
    ]
    story = watched(job("story")).spans
    reasoning = events(story, "Applying implicit REASONING dependency")
    assert reasoning == [{"parent.nid": ("1.1",), "child.nid": "1.2"}]


def test_the_search_agent(job: MakeJob, provider: FakeProvider) -> None:
    """The executor tells of its search agent: its setting, what it is asked, what came back."""
    spans = watched(job("report")).spans

    agent = next(span for span in spans.named("Agent.Forward.SimpleExecutor") if _searches(span))
    assert [(e.name, dict(e.attributes or {})) for e in agent.events if "React" in e.name] == [
        ("Checking for RETRIEVAL React Agent", {"result": True}),
        (
            "Initializing React Agent",
            {"prompt_version": "SearchAgentENPrompt", "model": "gpt-4o", "max_turn": 3},
        ),
        ("Calling React Agent chat", {"message": "Find the figures"}),
        ("Processing React Agent results", {"num_pages": 3, "num_turns": 2}),
    ]


def _searches(span: ReadableSpan) -> bool:
    return any(event.name == "Initializing React Agent" for event in span.events)


def test_a_swallowed_error_is_seen(job: MakeJob, provider: FakeProvider) -> None:
    """A tool's exception, which the engine turns into a result, marks the tool's span as failed."""
    spans = watched(job("report")).spans

    tools = spans.of_kind("tool")
    assert [attributes(one).get(semconv.ERROR_TYPE) for one in tools] == [None, "ConnectionError"]
    assert events(spans, "Action failed") == [
        {"action.name": "BingBrowser.full_pipeline_search", "action.state": "API_ERROR"}
    ]
    assert spans.one("Engine.Run").status.is_unset
    assert attributes(spans.one("Engine.Run"))[semconv.ROLLUP_ERRORS] == 1


def test_no_answer_and_no_prompt_is_recorded(job: MakeJob, provider: FakeProvider) -> None:
    """Goals are shown, as the plan says; texts of prompts and answers are not, at any detail."""
    spans = watched(job("report"), detail="full").spans

    shown = repr([(attributes(s), [dict(e.attributes or {}) for e in s.events]) for s in spans])
    for secret in ("waves came and went", "The sea is deep", "You write reports", "It depends"):
        assert secret not in shown
