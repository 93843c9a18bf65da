"""Runs that somebody else's spans stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import Recording, record
from flowspan.usage import Usage

SCOPE = "gcp.vertex.agent"


class Engine:
    """Somebody's engine."""

    def run(self, work: Any = None) -> Any:
        return None if work is None else work()

    def node(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def call(self) -> None:
        pass


TARGET = f"{__name__}:Engine"
ENGINE = Integration(
    "engine",
    "",
    (
        Patch(target=f"{TARGET}.run", kind="run", name="inner"),
        Patch(target=f"{TARGET}.node", kind="node", label="node", inputs=lambda _: "same"),
        Patch(target=f"{TARGET}.resume", request=lambda _: {semconv.RESUMED: True}),
        Patch(
            target=f"{TARGET}.call",
            kind="llm",
            name="gpt-4o-mini",
            usage=lambda _call, _result: Usage(input_tokens=10, output_tokens=1),
        ),
    ),
    engine="engine",
)


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(ENGINE) as recording:
        yield recording


@contextmanager
def guest(recording: Recording, operation: str | None, scope: str = SCOPE, **names: str) -> Any:
    """A span of somebody else's; its name is the operation unless it says none."""
    tracer = recording.tracer_provider.get_tracer(scope)
    attributes = {f"gen_ai.{kind}.name": name for kind, name in names.items()}
    if operation is not None:
        attributes[semconv.OPERATION_NAME] = operation
    label = operation or "invocation"
    with tracer.start_as_current_span(label, attributes=attributes) as span:
        yield span


def known(recording: Recording, name: str) -> dict[str, Any]:
    return dict(recording.spans.one(name).attributes or {})


def test_an_agent_of_others_that_only_its_name_tells_of(recording: Recording) -> None:
    """As in ADK before 1.15."""
    tracer = recording.tracer_provider.get_tracer(SCOPE)
    with guest(recording, None), tracer.start_as_current_span("agent_run [bob the builder]"):
        pass

    told = known(recording, "agent_run [bob the builder]")
    assert told[semconv.KIND] == "agent"
    assert told[semconv.AGENT_NAME] == "bob the builder"


def test_a_workflow_of_others_is_a_run(recording: Recording) -> None:
    """It has the run's kind, identity, engine and roll-ups, and everything inside is of it."""
    with guest(recording, "invoke_workflow", workflow="weather") as span:
        early = dict(span.attributes)
        with guest(recording, "invoke_agent", agent="bob"), guest(recording, "plain"):
            Engine().node()
            Engine().call()

    run = known(recording, "invoke_workflow")
    assert run[semconv.KIND] == early[semconv.KIND] == "run"
    assert run[semconv.RUN_ID] == early[semconv.RUN_ID]
    assert run[semconv.ENGINE] == "google-adk"
    assert run[semconv.WORKFLOW_NAME] == "weather"
    assert run[semconv.ADOPTED] == "gen_ai"
    assert run[semconv.ROLLUP_LLM_CALLS] == 1
    assert run[semconv.ROLLUP_INPUT_TOKENS] == 10
    assert known(recording, "invoke_agent")[semconv.KIND] == "agent"
    assert {dict(each.attributes or {}).get(semconv.RUN_ID) for each in recording.spans} == {
        run[semconv.RUN_ID]
    }


def test_an_agent_that_nothing_is_around_is_the_run(recording: Recording) -> None:
    """It is named as the agent is; agents inside it are agents."""
    with guest(recording, "invoke_agent", agent="desk"):
        with recording.tracer_provider.get_tracer("").start_as_current_span("other"):
            pass
        with guest(recording, "invoke_agent ", agent="bob") as inner:
            inner.set_attribute(semconv.OPERATION_NAME, "invoke_agent")

    run = known(recording, "invoke_agent")
    assert (run[semconv.KIND], run[semconv.WORKFLOW_NAME]) == ("run", "desk")
    assert known(recording, "invoke_agent ")[semconv.KIND] == "agent"
    assert known(recording, "other")[semconv.RUN_ID] == run[semconv.RUN_ID]


def test_what_a_span_is_may_be_said_late(recording: Recording) -> None:
    """A span that says only after its start that it is a workflow is a run all the same."""
    tracer = recording.tracer_provider.get_tracer("new")
    with tracer.start_as_current_span("late") as span:
        span.set_attribute(semconv.OPERATION_NAME, "invoke_workflow")
        Engine().call()

    run = known(recording, "late")
    assert (run[semconv.KIND], run[semconv.ENGINE]) == ("run", "new")
    assert run[semconv.ROLLUP_LLM_CALLS] == 1


def test_a_run_that_says_so_by_its_name(recording: Recording) -> None:
    """Google's ADK before its newer spans."""
    with guest(recording, None):
        Engine().call()

    run = known(recording, "invocation")
    assert (run[semconv.KIND], run[semconv.ENGINE]) == ("run", "google-adk")


def test_a_run_of_ours_inside_is_a_nested_one(recording: Recording) -> None:
    """It keeps the outer run's identity, and so does a workflow of others inside a run of ours."""
    with guest(recording, "invoke_workflow", workflow="outer"):
        Engine().run(Engine().call)

    def nest() -> None:
        with guest(recording, "invoke_workflow", "mine", workflow="nested"):
            Engine().call()

    Engine().run(nest)

    ours, theirs = recording.spans.named("invoke_workflow inner")
    outer, nested = recording.spans.named("invoke_workflow")
    for around, inside in ((outer, ours), (theirs, nested)):
        one, other = dict(around.attributes or {}), dict(inside.attributes or {})
        assert one[semconv.RUN_ID] == other[semconv.RUN_ID]
        assert one[semconv.KIND] == other[semconv.KIND] == "run"
        assert one[semconv.ROLLUP_LLM_CALLS] == other[semconv.ROLLUP_LLM_CALLS] == 1
    assert dict(nested.attributes or {})[semconv.WORKFLOW_NAME] == "nested"


def test_a_run_of_others_has_the_metrics_of_runs(recording: Recording) -> None:
    """Its duration is recorded with its engine and its failure, once; none is active afterwards."""
    with (
        pytest.raises(ValueError, match="no"),
        guest(recording, "invoke_workflow", workflow="outer"),
        guest(recording, "invoke_workflow", workflow="nested"),
    ):
        raise ValueError("no")

    metrics = recording.metrics()
    ((labels, seconds),) = metrics[semconv.METRIC_RUN_DURATION]
    assert seconds["count"] == 1
    assert labels[semconv.ENGINE] == "google-adk"
    assert labels[semconv.ERROR_TYPE] == "ValueError"
    assert [value for _, value in metrics[semconv.METRIC_RUNS_ACTIVE]] == [0]


def test_an_event_of_the_run_is_told_on_it(recording: Recording) -> None:
    """What rows inside say of the run is said on the foreign span."""
    with guest(recording, "invoke_workflow", workflow="outer"):
        for _ in range(6):
            Engine().node()

    names = [event.name for event in recording.spans.one("invoke_workflow").events]
    assert names == [semconv.EVENT_LOOP_SUSPECTED]


def test_a_run_that_resumes_is_linked(recording: Recording) -> None:
    """To the last run of its conversation that stopped, once; one inside is part of the others."""
    conversation = {semconv.CONVERSATION_ID: "c1"}
    for number in (1, 2, 3):
        with guest(recording, "invoke_workflow", workflow=f"w{number}") as span:
            span.set_attributes(conversation)
            if number == 1:
                span.set_attribute(semconv.INTERRUPTION, "pause")
            if number == 3:
                Engine().resume()
                with guest(recording, "invoke_workflow", workflow="inner") as inner:
                    inner.set_attributes(conversation)
                    Engine().resume()
                Engine().resume()

    spans = recording.spans.of_kind("run")
    links = [[link.context.span_id for link in span.links] for span in spans]
    assert links == [[], [], [spans[0].context.span_id], []]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), {semconv.INTERRUPTION: "KeyboardInterrupt"}),
        (GeneratorExit(), {semconv.STREAM_ABANDONED: True}),
        (ValueError("no"), {}),
    ],
)
def test_a_run_that_ends_early(
    recording: Recording, error: BaseException, told: dict[str, Any]
) -> None:
    """What passes while its span ends says whether it was cancelled or left."""
    tracer = recording.tracer_provider.get_tracer(SCOPE)
    span = tracer.start_span(
        "invoke_workflow", attributes={semconv.OPERATION_NAME: "invoke_workflow"}
    )
    with pytest.raises(type(error)):
        try:
            raise error
        finally:
            span.end()

    found = known(recording, "invoke_workflow")
    names = (semconv.INTERRUPTION, semconv.STREAM_ABANDONED)
    assert {name: found[name] for name in names if name in found} == told


def test_a_run_while_a_cancellation_is_handled_was_not_cancelled(recording: Recording) -> None:
    """As one that sums up what there is before a program ends."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with guest(recording, "invoke_workflow", workflow="summary"):
            pass

    assert semconv.INTERRUPTION not in known(recording, "invoke_workflow")


def test_a_span_of_several_tools_together_is_no_tool(recording: Recording) -> None:
    """ADK makes one for the answers of tools that were called at once."""
    with (
        guest(recording, "invoke_workflow", workflow="outer"),
        guest(recording, "execute_tool", tool="(merged tools)"),
    ):
        pass

    assert known(recording, "execute_tool")[semconv.KIND] == "internal"
