"""Rows of crews and their tasks: one task is one span, with all that its guardrails repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flowspan.instrumentation.engines.crewai.places import CREW, TASK, hands_over
from flowspan.instrumentation.integration import Call, Conversation, Event, Patch
from flowspan.semconv import EVENT_ROUTE_TAKEN, ROUTE_ACTION, ROUTE_FROM, ROUTE_TO

_PLANNER: Final = "Task Execution Planner"

# --- crews ----------------------------------------------------------------------------------------


def _runs_itself(call: Call) -> bool:
    return not hands_over(call)


def _crew_name(call: Call) -> str:
    return str(call.instance.name or CREW)


def _conversation(call: Call) -> Conversation | None:
    """A crew that keeps checkpoints is known by its id again, when it goes on from one of them."""
    crew = call.instance
    resumes = getattr(crew, "checkpoint_kickoff_event_id", None) is not None
    kept = resumes or bool(getattr(crew, "checkpoint", None))
    return Conversation(str(crew.id), resumes=resumes) if kept else None


def _named_for(purpose: str) -> Callable[[Call], str]:
    return lambda call: f"{_crew_name(call)} {purpose}"


# --- tasks ----------------------------------------------------------------------------------------


def _task_name(call: Call) -> str:
    crew = call.nearest(CREW)
    return _named(call.instance, None if crew is None else crew.call.instance)


def _named(task: Any, crew: Any) -> str:
    """The task's name, or its place in the crew: its description is what the program is asked."""
    if task.name:
        return str(task.name)
    tasks = () if crew is None else crew.tasks
    number = next((index for index, known in enumerate(tasks, 1) if known is task), None)
    return TASK if number is None else f"{TASK} {number}"


def _inputs(call: Call) -> Any:
    """What a task is about, and what the tasks before it said."""
    return call.instance.description, call.argument("context", 1)


def _decided(call: Call, skipped: Any) -> Iterable[Event]:
    """Whether a conditional task is run, after a look at the output before it."""
    crew, task, index = call.instance, call.argument("task", 0), call.argument("task_index", 3)
    tasks = list(crew.tasks)
    following = task if skipped is None else next(iter(tasks[index + 1 :]), None)
    attributes = {
        ROUTE_FROM: _named(tasks[index - 1], crew),
        ROUTE_TO: None if following is None else _named(following, crew),
        ROUTE_ACTION: None if skipped is None else f"skip {_named(task, crew)}",
    }
    yield Event(EVENT_ROUTE_TAKEN, attributes)


_CREW: Final = "crewai.crew:Crew"
_TASK: Final = "crewai.task:Task"

PATCHES: Final = (
    *(
        Patch(
            target=f"{_CREW}.{method}",
            label=CREW,
            kind="run",
            name=_crew_name,
            when=_runs_itself,
            conversation=_conversation,
            optional=method == "akickoff",
        )
        for method in ("kickoff", "akickoff", "replay")
    ),
    # Rounds of the crew, each of them a run inside, and what a model makes of them.
    *(
        Patch(target=f"{_CREW}.{method}", label=method, kind="run", name=_named_for(purpose))
        for method, purpose in (("train", "training"), ("test", "test"))
    ),
    *(
        Patch(
            target=f"{_TASK}.{method}",
            label=TASK,
            kind="node",
            name=_task_name,
            inputs=_inputs,
            optional=method == "_aexecute_core",
        )
        for method in ("_execute_core", "_aexecute_core")
    ),
    *(
        Patch(
            target=f"{_CREW}.{method}",
            label="condition",
            after=_decided,
            optional=method == "_ahandle_conditional_task",
        )
        for method in ("_handle_conditional_task", "_ahandle_conditional_task")
    ),
    Patch(
        target="crewai.utilities.planning_handler:CrewPlanner._handle_crew_planning",
        label="planner",
        kind="plan",
        name=_PLANNER,
    ),
)
