"""Random crews, played by CrewAI and counted twice: by hand, and by what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest
from crewai_kit import HAS_ASYNC, MARKS, Model, agent, crew, crewai, final, recorded, task, use
from graphs import END
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces import attributes, events, routes

from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, RecordedSpans, Reply

pytestmark = MARKS

Answer = Literal["fail", "tool", "bad", "done"]
RETRIES: Final = 2
"""How often an agent tries again, and how often a guardrail lets it."""


@dataclass(frozen=True)
class Job:
    """A task, and what the model answers to its agent, one after the other.

    Attributes:
        answers: The request fails; a tool is asked for; the guardrail refuses; all is well.
        at_once: Whether the next task does not wait for it.
        met: Whether its condition is; ``None`` where it has none.
    """

    answers: tuple[Answer, ...]
    at_once: bool = False
    met: bool | None = None


@dataclass
class Count:
    """What happened; by name, where a task and its agent have one."""

    nodes: Counter[str] = field(default_factory=Counter)
    agents: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tried_again: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    calls: Counter[bool] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    routes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def play(self, name: str, job: Job) -> None:
        """One task, as the engine promises to do it."""
        self.nodes[name] += 1
        self.agents[name] += 1
        for answer in job.answers:
            self.calls[answer != "fail"] += 1
            self.tools[name] += answer == "tool"
            number = self.tried_again if answer == "fail" else self.refused
            if answer in ("fail", "bad"):
                if number[name] == RETRIES:
                    self.failed[name] += 1
                    return
                number[name] += 1
                self.agents[name] += answer == "bad"


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    """A crew that its engine allows."""
    drawn: list[Job] = []
    number = draw(st.integers(1, 4))
    kinds: st.SearchStrategy[Answer] = st.sampled_from(("fail", "tool", "bad"))
    for place in range(number):
        at_once = draw(st.booleans()) and place < number - 1
        # Where one of several at once fails, the engine does not wait for the others.
        mishaps = draw(st.lists(kinds, max_size=2 if at_once else 5))
        possible = place > 0 and not at_once and not drawn[-1].at_once
        met = draw(st.sampled_from([None, None, True, False])) if possible else None
        drawn.append(Job((*mishaps, "done"), at_once, met))
    return drawn


def expected(drawn: list[Job]) -> Count:
    """The crew gone through by hand."""
    count = Count()
    names = [f"t{place}" for place in range(len(drawn))]
    for place, job in enumerate(drawn):
        if job.met is not None:
            to = names[place] if job.met else next(iter(names[place + 1 :]), None)
            count.routes[names[place - 1], to or END] += 1
        if job.met is not False:
            count.play(names[place], job)
        if count.failed:
            break
    return count


def seen(spans: RecordedSpans) -> Count:
    """What the trace says."""
    count = Count(routes=routes(spans))
    by_id = {span.context.span_id: span for span in spans}
    for span in spans:
        known = attributes(span)
        retries = len(events(span, semconv.EVENT_RETRY))
        match known[semconv.KIND]:
            case "node":
                name = known[semconv.STEP_NAME]
                count.nodes[name] += 1
                count.refused[name] += retries
                count.failed[name] += not span.status.is_unset
                assert known[semconv.ATTEMPT] == 1 + retries
            case "agent":
                count.agents[known["gen_ai.agent.name"]] += 1
                count.tried_again[known["gen_ai.agent.name"]] += retries
            case "tool":
                assert span.parent is not None
                whose = attributes(by_id[span.parent.span_id])["gen_ai.agent.name"]
                count.tools[whose] += 1
            case "llm":
                count.calls[span.status.is_unset] += 1
    return count


def translated(drawn: list[Job], model: Model) -> Any:
    """The crew itself; each task has an agent of its name, and its answers ready."""
    tasks = []
    for place, job in enumerate(drawn):
        name = f"t{place}"
        model.replies[f"Work on {name}."] = [
            _reply(answer, f"{name} {number}") for number, answer in enumerate(job.answers)
        ]
        one = task(
            name,
            agent(name, tools=[look], max_retry_limit=RETRIES),
            async_execution=job.at_once,
            guardrail=lambda output: (output.raw != "bad", output.raw),
            guardrail_max_retries=RETRIES,
        )
        if job.met is not None:
            one = _conditional(one, met=job.met)
        tasks.append(one)
    return crew(*tasks)


def _reply(answer: Answer, page: str) -> Reply:
    """No two pages are the same: the crew's cache would answer for the second."""
    if answer == "fail":
        return Reply(fault=Fault.http(400))
    return use("look", page=page) if answer == "tool" else final(answer)


def _conditional(one: Any, *, met: bool) -> Any:
    known = {name: getattr(one, name) for name in ("name", "description", "expected_output")}
    more = ("agent", "guardrail", "guardrail_max_retries")
    return crewai.tasks.conditional_task.ConditionalTask(
        **known, **{name: getattr(one, name) for name in more}, condition=lambda _: met
    )


@crewai.tools.tool("look")
def look(page: str) -> str:
    """Look at a page."""
    return f"page {page}"


@pytest.fixture
def model() -> Model:
    return Model()


@given(drawn=jobs(), awaited=st.booleans())
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_crews_are_counted_exactly(
    model: Model,
    provider: FakeProvider,
    drawn: list[Job],
    awaited: bool,  # noqa: FBT001
) -> None:
    """Tasks, agents, attempts, tools, routes, model calls and tokens are those of a plain count."""
    model.replies.clear()
    told = translated(drawn, model)
    made, wanted = len(provider.requests), expected(drawn)

    with recorded(provider) as recording:
        failing = (
            pytest.raises(Exception, match=r"400|guardrail")
            if wanted.failed
            else contextlib.nullcontext()
        )
        with failing:
            asyncio.run(told.akickoff()) if awaited and HAS_ASYNC else told.kickoff()

    spans = recording.spans
    assert seen(spans) == wanted
    assert spans[0].status.is_unset is not bool(wanted.failed)
    assert wanted.calls.total() == len(provider.requests) - made
