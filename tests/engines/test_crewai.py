"""CrewAI: whole trees of crews, tasks, agents and tools, in every way to start them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from crewai_kit import (
    HAS_ASYNC,
    MARKS,
    Model,
    agent,
    crew,
    crewai,
    final,
    recorded,
    search,
    task,
    use,
)
from traces import INTEGRATIONS, attributes, events

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Recording, Reply, record

pytestmark = MARKS
needs_async = pytest.mark.skipif(not HAS_ASYNC, reason="this version has no native coroutines")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def recording(provider: FakeProvider) -> Iterator[Recording]:
    """Everything that the distribution would apply; every request must be a model call."""
    with recorded(provider) as recording:
        yield recording


WAYS: dict[str, Callable[[Any], Any]] = {
    "kickoff": lambda crew: crew.kickoff(),
    "kickoff_async": lambda crew: asyncio.run(crew.kickoff_async()),
}
if HAS_ASYNC:
    WAYS["akickoff"] = lambda crew: asyncio.run(crew.akickoff())


@pytest.mark.parametrize("way", WAYS)
def test_whole_crew(recording: Recording, model: Model, way: str) -> None:
    """A crew is a run, a task a node, an agent an agent; tools and model calls are inside."""
    model.will("Work on reading", use("search", query="bees"), final("bees dance"))
    reader, writer = agent(tools=[search]), agent("Writer")
    told = crew(task("reading", reader), task("writing", writer, name=None))

    result = WAYS[way](told)

    assert result.raw == "done"
    assert (
        recording.spans.tree()
        == """\
invoke_workflow demo
  run_step reading
    invoke_agent Researcher
      chat gpt-4o-mini
      execute_tool search
      chat gpt-4o-mini
  run_step task 2
    invoke_agent Writer
      chat gpt-4o-mini"""
    )
    run = recording.spans[0]
    assert attributes(run)[semconv.ENGINE] == "crewai"
    assert attributes(run)["flowspan.rollup.llm_calls"] == 3


def test_each_of_several_inputs_is_a_run(recording: Recording) -> None:
    """``kickoff_for_each`` runs copies of a crew; the same task has the same id in each."""
    told = crew(task("reading", agent(), description="Read about {topic}."))

    told.kickoff_for_each([{"topic": "bees"}, {"topic": "ants"}])

    runs = recording.spans.of_kind("run")
    nodes = recording.spans.of_kind("node")
    assert len(runs) == len(recording.spans.trace_ids()) == 2
    assert len({attributes(node)[semconv.NODE_ID] for node in nodes}) == 1
    assert "bees" not in str([attributes(span) for span in recording.spans])


def test_tasks_at_once_are_of_their_crew(recording: Recording) -> None:
    """Tasks in threads of their own are nodes of the run that waits for them."""
    first, second = agent("A"), agent("B")

    crew(
        task("one", first, async_execution=True),
        task("two", second, async_execution=True),
        task("three", first),
    ).kickoff()

    assert recording.spans.roots()[0].name == "invoke_workflow demo"
    assert len(recording.spans.trace_ids()) == 1
    assert [len(recording.spans.of_kind(kind)) for kind in ("node", "agent", "llm")] == [3, 3, 3]


def test_what_a_guardrail_repeats_is_one_task(recording: Recording, model: Model) -> None:
    """Each further attempt of a task is a retry, and the span says how many there were."""
    refused = ["bad", "worse"]
    model.will("Work on it", final("bad"), final("worse"))
    told = task(
        "it",
        agent(),
        guardrail=lambda output: (output.raw not in refused, output.raw),
        guardrail_max_retries=3,
    )

    assert crew(told).kickoff().raw == "done"

    node = recording.spans.one("run_step it")
    assert attributes(node)[semconv.ATTEMPT] == 3
    assert events(node, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "guardrail"},
        {semconv.ATTEMPT: 3, semconv.ERROR_TYPE: "guardrail"},
    ]
    assert len(recording.spans.of_kind("agent")) == 3


def test_what_its_own_guardrail_has_an_agent_do_again(recording: Recording, model: Model) -> None:
    """An agent alone is one agent, with a retry for each answer that was refused."""
    model.will("Say it", final("bad"))
    careful = agent(guardrail=lambda output: (output.raw != "bad", output.raw))

    assert careful.kickoff("Say it").raw == "done"

    worker = recording.spans.one("invoke_agent Researcher")
    assert events(worker, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "guardrail"}
    ]
    assert len(recording.spans.of_kind("llm")) == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_that_tries_again_is_one_agent(
    recording: Recording, model: Model, way: str
) -> None:
    """An agent whose model failed begins again: a retry on its span, and every call is seen."""
    model.will("Work on it", Reply(fault=Fault.http(400)))

    WAYS[way](crew(task("it", agent())))

    worker = recording.spans.one("invoke_agent Researcher")
    assert events(worker, semconv.EVENT_RETRY) == [
        {semconv.ATTEMPT: 2, semconv.ERROR_TYPE: "BadRequestError"}
    ]
    assert [call.status.is_unset for call in recording.spans.of_kind("llm")] == [False, True]


def test_an_error_that_nobody_handles_is_on_all_that_it_passed(
    recording: Recording, model: Model
) -> None:
    """It is the model's own, and the failed calls are as many as the attempts."""
    model.will("Work on it", *[Reply(fault=Fault.http(400))] * 2)
    told = crew(task("it", agent(max_retry_limit=1)))

    with pytest.raises(Exception, match="400") as raised:
        told.kickoff()

    assert type(raised.value).__name__ == "BadRequestError"
    assert (
        recording.spans.tree()
        == """\
invoke_workflow demo !
  run_step it !
    invoke_agent Researcher !
      chat gpt-4o-mini !
      chat gpt-4o-mini !"""
    )


def test_a_tool_that_fails_does_not_fail_the_agent(recording: Recording, model: Model) -> None:
    """The engine tells the model of it; the tool's own span has the error."""
    model.will("Work on it", use("search", query="nothing"))

    crew(task("it", agent(tools=[search]))).kickoff()

    tools = recording.spans.of_kind("tool")
    assert {attributes(tool)["error.type"] for tool in tools} == {"LookupError"}
    assert recording.spans.one("invoke_agent Researcher").status.is_unset
    assert attributes(recording.spans[0])["flowspan.rollup.errors"] == len(tools)


@needs_async
def test_a_manager_delegates(recording: Recording, model: Model) -> None:
    """A coworker's agent is inside the tool by which the manager called it."""
    model.will(
        "Crew Manager",
        use("delegate_work_to_coworker", task="dig", context="here", coworker="Researcher"),
    )
    told = crew(
        task("it"),
        agents=[agent()],
        process=crewai.Process.hierarchical,
        manager_llm="gpt-4o-mini",
    )

    told.kickoff()

    assert (
        recording.spans.tree()
        == """\
invoke_workflow demo
  run_step it
    invoke_agent Crew Manager
      chat gpt-4o-mini
      execute_tool Delegate work to coworker
        invoke_agent Researcher
          chat gpt-4o-mini
      chat gpt-4o-mini"""
    )


@pytest.mark.parametrize("met", [True, False])
def test_a_conditional_task_is_a_decision(recording: Recording, met: bool) -> None:  # noqa: FBT001
    """The run tells which task follows, and which one was skipped."""
    worker = agent()
    maybe = crewai.tasks.conditional_task.ConditionalTask(
        name="maybe",
        description="Perhaps.",
        expected_output="a line",
        agent=worker,
        condition=lambda _output: met,
    )

    crew(task("first", worker), maybe, task("last", worker)).kickoff()

    run = recording.spans.one("invoke_workflow demo")
    taken = {semconv.ROUTE_FROM: "first", semconv.ROUTE_TO: "maybe" if met else "last"}
    if not met:
        taken[semconv.ROUTE_ACTION] = "skip maybe"
    assert events(run, semconv.EVENT_ROUTE_TAKEN) == [taken]
    assert len(recording.spans.of_kind("node")) == (3 if met else 2)


ALONE: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "kickoff_async": lambda one: one.kickoff_async("Say it"),
}
if HAS_ASYNC:
    ALONE["kickoff"] = lambda one: one.kickoff("Say it")
    ALONE["akickoff"] = lambda one: one.akickoff("Say it")


@pytest.mark.parametrize("way", ["in no loop", *ALONE])
def test_an_agent_alone(recording: Recording, model: Model, way: str) -> None:
    """It is a run and one agent, whichever of the engine's ways lead through each other."""
    model.will("Say it", use("search", query="bees"))
    one = agent(tools=[search])

    async def ask() -> Any:
        return await ALONE[way](one)

    answer = one.kickoff("Say it") if way == "in no loop" else asyncio.run(ask())

    assert answer.raw == "done"
    assert (
        recording.spans.tree()
        == """\
invoke_workflow Researcher
  invoke_agent Researcher
    chat gpt-4o-mini
    execute_tool search
    chat gpt-4o-mini"""
    )


def test_a_plan_is_made_before_the_tasks(recording: Recording, model: Model) -> None:
    """The crew's planner is a plan; its own task and agent are inside."""
    plan = '{"list_of_plans_per_task": [{"task_number": 1, "task": "it", "plan": "Do it."}]}'
    model.will("tasks summary", Reply(plan), Reply(plan))
    told = crew(task("it", agent()), planning=True, planning_llm="gpt-4o-mini")

    told.kickoff()

    assert recording.spans.tree().startswith("""\
invoke_workflow demo
  plan Task Execution Planner
    run_step task
      invoke_agent Task Execution Planner
        chat gpt-4o-mini""")
    assert recording.spans.tree().endswith("""\
  run_step it
    invoke_agent Researcher
      chat gpt-4o-mini""")


@needs_async
def test_an_agent_that_plans_its_own_work(recording: Recording, model: Model) -> None:
    """What it plans is a plan, each step of it a step with the plan's number."""
    steps = [{"step_number": 1, "description": "think", "tool_to_use": None, "depends_on": []}]
    seen = {
        "step_completed_successfully": True,
        "key_information_learned": "enough",
        "remaining_plan_still_valid": True,
        "needs_full_replan": False,
        "goal_already_achieved": True,
    }
    model.will(
        "Create an execution plan",
        use("create_reasoning_plan", plan="think", steps=steps, ready=True),
    )
    model.will("Just completed step", Reply(json.dumps(seen)))

    crew(task("it", agent(reasoning=True))).kickoff()

    expected = """\
invoke_workflow demo
  run_step it
    invoke_agent Researcher
      plan Researcher
        chat gpt-4o-mini
      run_step planned step flowspan.step.index=1
        chat gpt-4o-mini
      chat gpt-4o-mini
      chat gpt-4o-mini"""
    assert recording.spans.tree(semconv.STEP_INDEX) == expected


def test_a_model_of_the_programs_own() -> None:
    """It is a model call where no SDK is, with the tokens that it has the engine count."""

    class Own(crewai.BaseLLM):
        def call(self, messages: Any, *_: Any, **__: Any) -> str:
            counter = getattr(self, "_track_token_usage_internal")  # noqa: B009
            counter({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
            return "Thought: so\nFinal Answer: own"

    with record(*INTEGRATIONS) as own:
        result = crew(task("it", agent(llm=Own(model="own-1")))).kickoff()

    call = own.spans.one("chat own-1")
    assert result.raw == "own"
    assert attributes(call)[semconv.USAGE_INPUT_TOKENS] == 7
    assert attributes(call)[semconv.USAGE_OUTPUT_TOKENS] == 3
