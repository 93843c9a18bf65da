"""DSPy: whole traces of random agents, of modules that try again, and of what runs programs."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("dspy")

import dspy
from adopted_whole import (
    Provider,
    check_calls,
    events,
    failed,
    known,
    named,
    provided,
    seen,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import ANSWER, Desk, Script, Scripted, question, scripts

from flowspan import semconv
from flowspan.instrumentation.frame import CallFrame
from flowspan.testing import Gate, ReceivedRequest, Reply

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


def context() -> Any:
    """A model and how it is spoken to."""
    model = dspy.LM("openai/gpt-4o-mini", cache=False, num_retries=0)
    return dspy.context(lm=model, adapter=dspy.JSONAdapter())


class Spoken:
    """A script as DSPy asks for it: each tool is a text, and the last one says that it is over."""

    def __init__(self, script: Script) -> None:
        self._scripted = Scripted(script)

    def __call__(self, request: ReceivedRequest) -> Reply:
        if "next_tool_name" not in str(request.body["messages"][0]):
            return Reply(json.dumps({"reasoning": "so", "answer": ANSWER}))
        (call,) = self._scripted(request).tool_calls or (None,)
        tool, arguments = ("finish", {}) if call is None else (call.name, call.arguments)
        said = {"next_thought": "so", "next_tool_name": tool, "next_tool_args": arguments}
        return Reply(json.dumps(said))


def agent(desk: Desk) -> Any:
    return dspy.ReAct("question -> answer", tools=[desk.look, desk.count], max_iters=20)


def at_once(program: Any) -> Any:
    return program(question=question()).answer


def later(program: Any) -> Any:
    return asyncio.run(program.acall(question=question())).answer


@settings(max_examples=10, deadline=None)
@given(script=scripts(agents=("anna",), at_once=1), way=st.sampled_from([at_once, later]))
def test_random_agents_are_counted_exactly(
    provider: Provider, script: Script, way: Callable[[Any], Any]
) -> None:
    """Tools, their failures, model calls and tokens are what happened."""
    desk = Desk()
    with seen(provider, Spoken(script)) as found, context():
        assert way(agent(desk)) == ANSWER

    used = [use.tool for move in script.moves for use in move.uses]
    assert named(found.spans, "tool", semconv.TOOL_NAME) == [*used, "finish"]
    assert failed(found.spans, "tool", semconv.TOOL_NAME) == desk.failed == script.failures
    assert desk.used == script.uses
    assert named(found.spans, "agent", semconv.AGENT_NAME) == ["ReAct"]
    check_calls(found, len(script) + 1)


def counting() -> Callable[[ReceivedRequest], Reply]:
    """A model whose answers are numbered; advice it gives as well."""
    numbers = itertools.count(1)

    def respond(request: ReceivedRequest) -> Reply:
        if "discussion" in str(request.body["messages"][0]):
            return Reply(json.dumps({"discussion": "so", "advice": {"predict": "more"}}))
        return Reply(json.dumps({"reasoning": "so", "answer": str(next(numbers))}))

    return respond


def attempts(spans: Any, name: str) -> list[tuple[int, int]]:
    """Attempts of a module, each with how often it is told that it is one more."""
    return [
        (known(span)[semconv.ATTEMPT], len(events(span, semconv.EVENT_RETRY)))
        for span in spans.named(f"run_step {name}")
    ]


def test_the_best_of_several(provider: Provider) -> None:
    """Each attempt of the module inside has its number, as far as they go."""
    with seen(provider, counting()) as found, context():
        best = dspy.BestOfN(
            dspy.ChainOfThought("question -> answer"),
            N=5,
            reward_fn=lambda _asked, said: float(said.answer == "3"),
            threshold=1.0,
        )
        assert best(question="how?").answer == "3"

    assert attempts(found.spans, "ChainOfThought") == [(1, 0), (2, 1), (3, 1)]
    assert attempts(found.spans, "Predict") == [(1, 0)] * 3
    check_calls(found, 3)


def test_what_is_refined(provider: Provider) -> None:
    """The advice between two attempts is no attempt."""

    def reward(_asked: Any, _said: Any) -> float:
        return 0.0

    with seen(provider, counting()) as found, context():
        refined = dspy.Refine(
            dspy.ChainOfThought("question -> answer"), N=3, reward_fn=reward, threshold=1.0
        )
        refined(question="how?")

    assert attempts(found.spans, "ChainOfThought") == [(1, 0), (2, 1), (3, 1)]
    assert {known(span)[semconv.ATTEMPT] for span in found.spans.named("run_step Predict")} == {1}
    check_calls(found, 5)


def examples(count: int) -> list[Any]:
    return [
        dspy.Example(question=f"{number}?", answer="so").with_inputs("question")
        for number in range(count)
    ]


def evaluated() -> None:
    dspy.Evaluate(
        devset=examples(4),
        metric=lambda _example, _said, _trace=None: 1.0,
        num_threads=2,
        display_progress=False,
    )(dspy.Predict("question -> answer"))


def compiled() -> None:
    dspy.BootstrapFewShot(
        metric=lambda _example, _said, _trace=None: True, max_bootstrapped_demos=4
    ).compile(dspy.Predict("question -> answer"), trainset=examples(4))


def parallel() -> None:
    program = dspy.Predict("question -> answer")
    pairs = [(program, {"question": f"{number}?"}) for number in range(4)]
    dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs)


@pytest.mark.parametrize(
    ("act", "name"),
    [(evaluated, "Evaluate"), (compiled, "BootstrapFewShot"), (parallel, "Parallel")],
    ids=["evaluated", "compiled", "parallel"],
)
def test_what_runs_programs_is_a_run(
    provider: Provider, act: Callable[[], None], name: str
) -> None:
    """Each program that it runs, in its threads too, is a node inside."""
    with seen(provider, counting()) as found, context():
        act()

    tree = "\n".join([f"invoke_workflow {name}", *["  run_step Predict"] * 4])
    nodes = [span for span in found.spans if known(span)[semconv.KIND] != "llm"]
    assert type(found.spans)(nodes).tree() == tree
    check_calls(found, 4)


def test_an_evaluation_inside_of_an_optimiser_is_a_node(provider: Provider) -> None:
    """What it tries is its own."""
    with seen(provider, counting()) as found, context():
        dspy.BootstrapFewShotWithRandomSearch(
            metric=lambda _example, _said, _trace=None: 1.0,
            max_bootstrapped_demos=1,
            num_candidate_programs=1,
            num_threads=1,
        ).compile(dspy.Predict("question -> answer"), trainset=examples(2))

    (root,) = found.spans.roots()
    assert root.name == "invoke_workflow BootstrapFewShotWithRandomSearch"
    assert len(found.spans.named("run_step Evaluate")) >= 3
    check_calls(found, len(found.charged))


def test_a_hundred_at_once(provider: Provider) -> None:
    """Programs that take turns in one loop are traces of their own."""

    async def run() -> None:
        program = dspy.ChainOfThought("question -> answer")
        await asyncio.gather(*(program.acall(question=f"{number}?") for number in range(100)))

    with seen(provider, counting()) as found, context():
        asyncio.run(run())

    assert len(found.spans.roots()) == len(found.spans.trace_ids()) == 100
    assert len(found.spans) == 400


def test_runs_do_not_add_up(provider: Provider) -> None:
    """Of two hundred runs a few are kept, by litellm, whose worker logs them some runs later."""

    async def run() -> None:
        program = dspy.Predict("question -> answer")
        for number in range(200):
            await program.acall(question=f"{number}?")

    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, CallFrame) for each in gc.get_objects())

    before = kept()  # of other tests, by the same worker
    with seen(provider, counting()) as found, context():
        asyncio.run(run())
        more = kept() - before

    assert len(found.spans.roots()) == 200
    assert more < 100


def test_cancellation(provider: Provider) -> None:
    """The run says it, with all that was under way, and nothing failed."""
    gate = Gate()

    async def run() -> None:
        program = dspy.Predict("question -> answer")
        running = asyncio.create_task(program.acall(question="how?"))
        await asyncio.to_thread(gate.wait_until_reached)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with seen(provider, lambda _request: Reply("late", gate=gate)) as found, context():
        asyncio.run(run())
        gate.open()

    assert {known(span)[semconv.INTERRUPTION] for span in found.spans} == {"CancelledError"}
    assert all(span.status.is_unset for span in found.spans)


@pytest.mark.parametrize("left", [True, False])
def test_a_stream(provider: Provider, *, left: bool) -> None:
    """Read to its end, or left: the run is one trace, and nothing failed."""

    async def run() -> None:
        stream = dspy.streamify(dspy.Predict("question -> answer"))(question="how?")
        async for _ in stream:
            if left:
                break
        with suppress(BaseExceptionGroup):  # older versions raise what closes them
            await stream.aclose()

    with seen(provider, counting()) as found, context():
        asyncio.run(run())

    (root,) = found.spans.roots()
    assert root.name == "invoke_workflow Predict"
    assert all(span.status.is_unset for span in found.spans)
