"""What a wrapper may change of a call: nothing; and what it must see: everything."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation import streams
from flowspan.instrumentation.hooks import Outcome, Replay, Visit
from flowspan.instrumentation.integration import Attributes, Call, Integration, Patch
from flowspan.semconv import Kind
from flowspan.testing import record


def rows(*patches: Patch) -> Integration:
    return Integration("toy", "", patches)


RUN = Patch(target="toyengine:Engine.run", kind="run", name="demo")
NODE = Patch(target="toyengine:Engine.node", kind="node", name="node")
FAIL = Patch(target="toyengine:Engine.fail", kind="internal")
PARTS = Patch(target="toyengine:Engine.parts", kind="run", name="parts")
APARTS = Patch(target="toyengine:Engine.aparts", kind="run", name="aparts")
ARUN = Patch(target="toyengine:Engine.arun", kind="run", name="arun")


def test_calls_nest_as_they_are_called(toy: ModuleType) -> None:
    with record(rows(RUN, NODE)) as recording:
        result = toy.Engine().run(2)

        assert result == [0, 1]
        assert recording.spans.tree() == ("invoke_workflow demo\n  run_step node\n  run_step node")


def test_an_exception_passes_untouched_and_is_described_once_with_its_stack(
    toy: ModuleType,
) -> None:
    error = ValueError("no good")

    def fail(_: int) -> None:
        toy.Engine().fail(error)

    with record(rows(RUN, NODE, FAIL)) as recording:
        with pytest.raises(ValueError, match="no good") as caught:
            toy.Engine().run(1, fail)

        assert caught.value is error
        assert error.__cause__ is None
        spans = recording.spans
        assert spans.tree("error.type") == (
            "invoke_workflow demo ! error.type='ValueError'\n"
            "  run_step node ! error.type='ValueError'\n"
            "    Engine.fail ! error.type='ValueError'"
        )
        stacks = [
            "exception.stacktrace" in (event.attributes or {})
            for span in spans
            for event in span.events
        ]
        assert sorted(stacks) == [False, False, True]
        assert (spans[0].attributes or {})["flowspan.rollup.errors"] == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_interruptions_end_the_span_and_are_no_errors(
    toy: ModuleType, kind: type[BaseException]
) -> None:
    with record(rows(FAIL)) as recording:
        with pytest.raises(kind):
            toy.Engine().fail(kind())

        span = recording.spans.one()
        assert span.status.is_unset
        assert dict(span.attributes or {})["flowspan.interruption"] == kind.__name__


class Stop(SystemExit):
    """As servers have one, to be stopped by a signal."""


class Enough(BaseException):
    """So that no ``except Exception`` stops it."""


@pytest.mark.parametrize(("kind", "told"), [(Stop, "SystemExit"), (Enough, "BaseException")])
def test_interruptions_of_the_programs_own_are_told_as_what_they_are(
    toy: ModuleType, kind: type[BaseException], told: str
) -> None:
    """Other words are an engine's, of runs that wait until somebody resumes them."""
    with record(rows(FAIL)) as recording:
        with pytest.raises(kind):
            toy.Engine().fail(kind())

        assert (recording.spans.one().attributes or {})["flowspan.interruption"] == told


def test_control_flow_of_an_engine_is_no_error(toy: ModuleType) -> None:
    class Pause(Exception):  # noqa: N818 - as engines name it
        pass

    class Interrupt(Pause):
        pass

    quiet = Patch(target="toyengine:Engine.fail", kind="node", quiet=("Pause",))
    with record(rows(quiet)) as recording:
        with pytest.raises(Interrupt):
            toy.Engine().fail(Interrupt())

        assert recording.spans.one().status.is_unset


def test_functions_keep_their_kind_and_signature(toy: ModuleType) -> None:
    before = {
        name: (
            inspect.signature(getattr(toy.Engine, name)),
            inspect.iscoroutinefunction(getattr(toy.Engine, name)),
            inspect.isgeneratorfunction(getattr(toy.Engine, name)),
            inspect.isasyncgenfunction(getattr(toy.Engine, name)),
            getattr(toy.Engine, name).__doc__,
        )
        for name in ("run", "arun", "parts", "aparts")
    }

    with record(rows(RUN, ARUN, PARTS, APARTS)):
        for name, expected in before.items():
            function = getattr(toy.Engine, name)
            assert expected == (
                inspect.signature(function),
                inspect.iscoroutinefunction(function),
                inspect.isgeneratorfunction(function),
                inspect.isasyncgenfunction(function),
                function.__doc__,
            )
            assert inspect.isfunction(function)


def test_class_and_static_methods_and_functions_are_bound_as_before(toy: ModuleType) -> None:
    patches = rows(
        Patch(target="toyengine:Engine.made", kind="internal"),
        Patch(target="toyengine:Engine.free", kind="internal"),
        Patch(target="toyengine:helper", kind="internal"),
    )
    with record(patches) as recording:
        assert toy.Engine.made(1) == (toy.Engine, 1)
        assert toy.Engine().made(1) == (toy.Engine, 1)
        assert toy.Engine.free(2) == 2
        assert toy.helper(2) == 3

        assert [span.name for span in recording.spans] == [
            "Engine.made",
            "Engine.made",
            "Engine.free",
            "helper",
        ]


async def test_a_coroutine_is_seen_from_its_first_await_to_its_end(toy: ModuleType) -> None:
    with record(rows(ARUN, NODE)) as recording:
        coroutine = toy.Engine().arun(lambda: toy.Engine().node(0))
        assert len(recording.spans) == 0

        assert await coroutine == 0

        assert recording.spans.tree() == "invoke_workflow arun\n  run_step node"


async def test_a_coroutine_function_hidden_by_a_decorator_is_seen(toy: ModuleType) -> None:
    hidden = Patch(target="toyengine:Engine.hidden", kind="node", name="hidden")
    with record(rows(hidden)) as recording:
        assert await toy.Engine().hidden() == "hidden"

        assert recording.spans.tree() == "run_step hidden"


async def test_a_hundred_runs_in_one_loop_never_mix(toy: ModuleType) -> None:
    with record(rows(ARUN, NODE)) as recording:
        await asyncio.gather(*(toy.Engine().arun(lambda: toy.Engine().node(0)) for _ in range(100)))

        spans = recording.spans
        assert len(spans.trace_ids()) == 100
        assert len(spans) == 200
        assert len(spans.roots()) == 100


async def test_a_cancelled_coroutine_ends_its_span(toy: ModuleType) -> None:
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    toy.wait = wait  # type: ignore[attr-defined]
    waiting = Patch(target="toyengine:wait", kind="run", name="waiting")
    with record(rows(waiting)) as recording:
        task = asyncio.create_task(toy.wait())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        span = recording.spans.one()
        assert dict(span.attributes or {})["flowspan.interruption"] == "CancelledError"


# --- generators -------------------------------------------------------------------------------


def test_nothing_happens_before_the_first_next(toy: ModuleType) -> None:
    with record(rows(PARTS, NODE)) as recording:
        generator = toy.Engine().parts(2)
        assert inspect.isgenerator(generator)
        del generator

        assert len(recording.spans) == 0


def test_the_span_is_current_inside_the_generator_and_nowhere_else(toy: ModuleType) -> None:
    with record(rows(PARTS, NODE)) as recording:
        outside = []
        for _ in toy.Engine().parts(2):
            outside.append(trace.get_current_span().get_span_context().is_valid)

        assert outside == [False, False]
        assert recording.spans.tree() == ("invoke_workflow parts\n  run_step node\n  run_step node")


def test_send_throw_and_return_value_pass_through(toy: ModuleType) -> None:
    def drive(generator: Any) -> list[Any]:
        seen = [next(generator), generator.send("a"), generator.throw(KeyError("k"))]
        try:
            generator.send("b")
        except StopIteration as stop:
            seen.append(stop.value)
        return seen

    expected = drive(toy.Engine().parts(3))
    with record(rows(PARTS)) as recording:
        assert drive(toy.Engine().parts(3)) == expected
        assert len(recording.spans) == 1


def test_leaving_a_generator_early_is_no_error_and_closes_the_inner_one(toy: ModuleType) -> None:
    engine = toy.Engine()
    with record(rows(PARTS)) as recording:
        for _ in engine.parts(3):
            break
        gc.collect()

        span = recording.spans.one()
        assert engine.closed
        assert span.status.is_unset
        assert dict(span.attributes or {})["flowspan.stream.abandoned"] is True


def test_an_error_inside_a_generator_is_an_error(toy: ModuleType) -> None:
    def fail(_: int) -> None:
        raise LookupError

    engine = toy.Engine()
    engine.node = fail
    with record(rows(PARTS)) as recording:
        with pytest.raises(LookupError):
            list(engine.parts(1))

        assert dict(recording.spans.one().attributes or {})["error.type"] == "LookupError"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["next", "send", "throw", "close"]), max_size=8))
def test_a_wrapped_generator_behaves_as_the_bare_one(toy: ModuleType, steps: list[str]) -> None:
    """For every sequence of what a caller may do to a generator."""

    def behaviour() -> list[Any]:
        generator = toy.Engine().parts(4)
        seen: list[Any] = []
        for step in steps:
            try:
                if step == "next":
                    seen.append(next(generator))
                elif step == "send":
                    seen.append(generator.send("x"))
                elif step == "throw":
                    seen.append(generator.throw(KeyError("k")))
                else:
                    generator.close()
                    seen.append("closed")
            except BaseException as error:  # noqa: BLE001 - compared below
                seen.append((type(error), str(error)))
        return seen

    expected = behaviour()
    with record(rows(PARTS)):
        assert behaviour() == expected


async def test_async_generators_are_seen_and_behave_as_before(toy: ModuleType) -> None:
    async def drive() -> list[Any]:
        generator = toy.Engine().aparts(3)
        seen = [await anext(generator), await generator.athrow(KeyError("k"))]
        seen.extend([chunk async for chunk in generator])
        return seen

    expected = await drive()
    with record(rows(APARTS, NODE)) as recording:
        assert await drive() == expected
        assert recording.spans.tree().splitlines()[0] == "invoke_workflow aparts"
        assert len(recording.spans.trace_ids()) == 1


async def test_leaving_an_async_generator_early_is_no_error(toy: ModuleType) -> None:
    engine = toy.Engine()
    with record(rows(APARTS)) as recording:
        generator = engine.aparts(3)
        async for _ in generator:
            break
        await generator.aclose()

        span = recording.spans.one()
        assert engine.closed
        assert span.status.is_unset
        assert dict(span.attributes or {})["flowspan.stream.abandoned"] is True


def test_a_generator_closed_in_another_thread_leaves_no_context(toy: ModuleType) -> None:
    import threading  # noqa: PLC0415

    with record(rows(PARTS)) as recording:
        generator = toy.Engine().parts(2)
        next(generator)
        thread = threading.Thread(target=generator.close)
        thread.start()
        thread.join()

        assert len(recording.spans) == 1
        assert not trace.get_current_span().get_span_context().is_valid


# --- hooks ------------------------------------------------------------------------------------


class Hook:
    def __init__(self, answer: Replay | None = None, refusal: Exception | None = None) -> None:
        self.kinds: frozenset[Kind] = frozenset({"node"})
        self.answer = answer
        self.refusal = refusal
        self.seen: list[Outcome] = []

    def before(self, visit: Visit) -> Replay | None:
        assert visit.kind == "node"
        if self.refusal is not None:
            raise self.refusal
        return self.answer

    def after(self, visit: Visit, outcome: Outcome) -> Attributes | None:
        self.seen.append(outcome)
        return {"hook": "was here"}


def test_a_hook_may_answer_a_call(toy: ModuleType) -> None:
    hook = Hook(answer=Replay("from before"))
    with record(rows(NODE), hooks=(hook,)) as recording:
        assert toy.Engine().node(3) == "from before"

        attributes = dict(recording.spans.one().attributes or {})
        assert attributes["flowspan.replayed"] is True
        assert hook.seen[0].replayed


def test_a_hook_may_refuse_a_call_and_its_error_reaches_the_program(toy: ModuleType) -> None:
    refusal = FlowspanError("the budget is used up")
    with record(rows(RUN, NODE), hooks=(Hook(refusal=refusal),)) as recording:
        with pytest.raises(FlowspanError, match="used up"):
            toy.Engine().run(1)

        assert recording.spans.tree("error.type").count("FlowspanError") == 2


def test_other_errors_of_a_hook_never_reach_the_program(toy: ModuleType) -> None:
    hook = Hook(refusal=ZeroDivisionError())
    with record(rows(NODE), hooks=(hook,), strict=False) as recording:
        assert toy.Engine().node(3) == 3

        assert dict(recording.spans.one().attributes or {})["hook"] == "was here"


# --- faults -----------------------------------------------------------------------------------


def broken(*_: Any) -> Any:
    raise RuntimeError("an extractor of ours is wrong")


@pytest.mark.parametrize(
    "slot",
    [
        "name",
        "span_name",
        "operation",
        "request",
        "response",
        "snapshot",
        "before",
        "after",
        "usage",
        "content",
        "join",
        "lazy",
        "when",
        "keep",
        "outcome",
    ],
)
@pytest.mark.parametrize("kind", ["node", "llm", None])
def test_a_broken_extractor_never_reaches_the_program(
    toy: ModuleType, slot: str, kind: Kind | None, caplog: pytest.LogCaptureFixture
) -> None:
    arguments: dict[str, Any] = {"target": "toyengine:Engine.node", "kind": kind, slot: broken}
    with record(rows(RUN, Patch(**arguments)), strict=False, content="full"):
        first = toy.Engine().run(2)
        second = toy.Engine().run(1)

    assert (first, second) == ([0, 1], [0])
    warnings = [entry for entry in caplog.records if "is left out" in entry.message]
    assert len(warnings) <= 2
    assert len({entry.message for entry in warnings}) == len(warnings)


def test_a_broken_failure_extractor_leaves_the_exception_as_it_was(toy: ModuleType) -> None:
    patch = Patch(target="toyengine:Engine.fail", kind="node", failure=broken)
    with record(rows(patch), strict=False) as recording:
        with pytest.raises(ValueError, match="mine"):
            toy.Engine().fail(ValueError("mine"))

        assert len(recording.spans) == 1


def test_an_exception_that_cannot_be_printed_is_described_all_the_same(toy: ModuleType) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise TypeError

    with record(rows(FAIL)) as recording:
        with pytest.raises(MuteError):
            toy.Engine().fail(MuteError())

        event = recording.spans.one().events[0]
        assert (event.attributes or {})["exception.message"] == "unprintable"


# --- rows without a span ----------------------------------------------------------------------


def test_a_row_without_a_kind_speaks_to_the_call_around_it(toy: ModuleType) -> None:
    remark = Patch(
        target="toyengine:helper",
        request=lambda call: {"asked": call.args[0]},
        response=lambda _call, result: {"told": result},
    )
    with record(rows(NODE, remark)) as recording:
        assert toy.Engine().node(1, toy.helper) == 2
        assert toy.helper(5) == 6

        attributes = dict(recording.spans.one().attributes or {})
        assert (attributes["asked"], attributes["told"]) == (1, 2)


def test_when_leaves_a_call_alone(toy: ModuleType) -> None:
    odd = Patch(
        target="toyengine:Engine.node", kind="node", when=lambda call: call.args[0] % 2 == 1
    )
    with record(rows(odd)) as recording:
        toy.Engine().run(4)

        assert len(recording.spans) == 2


# --- spans that may be dropped ----------------------------------------------------------------


def _kept(call: Call, result: Any) -> bool:
    return bool(result)


def test_a_call_that_changed_nothing_is_dropped_below_full_detail(toy: ModuleType) -> None:
    kept = Patch(target="toyengine:Engine.node", kind="internal", keep=_kept)
    with record(rows(RUN, kept)) as recording:
        toy.Engine().run(3)
        assert recording.spans.tree() == "invoke_workflow demo\n  Engine.node\n  Engine.node"

    with record(rows(RUN, kept), detail="full") as recording:
        toy.Engine().run(3)
        assert len(recording.spans) == 4


def test_a_dropped_call_is_made_up_for_when_something_inside_it_needs_a_parent(
    toy: ModuleType,
) -> None:
    outer = Patch(target="toyengine:Engine.run", kind="internal", keep=lambda _c, _r: False)
    inner = Patch(target="toyengine:Engine.node", kind="internal", keep=lambda _c, r: r == 1)
    with record(rows(outer, inner)) as recording:
        toy.Engine().run(1)
        assert len(recording.spans) == 0
        toy.Engine().run(2)

        spans = recording.spans
        assert spans.tree() == "Engine.run\n  Engine.node"
        first: Any = spans[0]
        second: Any = spans[1]
        assert first.start_time <= second.start_time
        assert first.end_time >= second.end_time


def test_all_that_was_kept_inside_a_call_made_up_for_is_inside_it(toy: ModuleType) -> None:
    outer = Patch(target="toyengine:Engine.run", kind="internal", keep=lambda _c, _r: False)
    with record(rows(outer, NODE)) as recording:
        toy.Engine().run(3)

        assert recording.spans.tree() == (
            "Engine.run\n  run_step node\n  run_step node\n  run_step node"
        )


def test_detail_decides_which_rows_are_active(toy: ModuleType) -> None:
    chatty = Patch(target="toyengine:Engine.node", kind="internal", detail="full")
    with record(rows(RUN, chatty)) as recording:
        toy.Engine().run(1)
        assert len(recording.spans) == 1


def test_nothing_is_pinned_after_a_run(toy: ModuleType) -> None:
    import weakref  # noqa: PLC0415

    class State:
        pass

    with record(rows(RUN, NODE)):
        state = State()
        reference = weakref.ref(state)
        gc.disable()  # at once: not only when the collector comes by
        try:
            toy.Engine().run(1, lambda _, state=state: None)
            streams.settle()
            del state

            assert reference() is None
        finally:
            gc.enable()


def test_a_failure_that_an_answer_reports_and_its_caller_raises_is_one_error(
    toy: ModuleType,
) -> None:
    def raise_for_status(_: int) -> None:
        toy.helper(1)
        raise ConnectionError

    reported = Patch(target="toyengine:helper", kind="llm", outcome=lambda _call, _result: "529")
    with record(rows(RUN, NODE, reported)) as recording:
        with pytest.raises(ConnectionError):
            toy.Engine().run(1, raise_for_status)

        assert (recording.spans[0].attributes or {})["flowspan.rollup.errors"] == 1


def test_metrics_are_bounded_whatever_a_program_names(toy: ModuleType) -> None:
    from flowspan.instrumentation.integration import Event  # noqa: PLC0415

    wild = Patch(
        target="toyengine:Engine.node",
        kind="node",
        name=lambda call: f"node {call.args[0]}",
        after=lambda call, _: [
            Event(
                "flowspan.state.transition",
                {"flowspan.state.from": f"{call.args[0]}", "flowspan.state.to": "x"},
            )
        ],
    )
    with record(rows(RUN, wild)) as recording:
        toy.Engine().run(1000)
        points = recording.metrics()

    for name in ("flowspan.node.duration", "flowspan.state.transitions"):
        assert len(points[name]) <= 202
        assert any("other" in attributes.values() for attributes, _ in points[name])


def test_a_prompt_chosen_around_a_model_call_is_inherited_unless_it_names_one(
    toy: ModuleType,
) -> None:
    from flowspan.instrumentation.integration import Event  # noqa: PLC0415

    chosen = Event(
        "flowspan.prompt.selected", {"gen_ai.prompt.name": "plan", "gen_ai.prompt.version": "2"}
    )
    node = Patch(target="toyengine:Engine.node", kind="node", before=lambda _: [chosen])
    plain = Patch(target="toyengine:helper", kind="llm")
    own = Patch(
        target="toyengine:Model.ask", kind="llm", request=lambda _: {"gen_ai.prompt.name": "own"}
    )
    with record(rows(node, plain, own)) as recording:
        toy.Engine().node(0, lambda _: (toy.helper(1), toy.Model().ask("x")))

        prompts = [
            (span.attributes or {}).get("gen_ai.prompt.name")
            for span in recording.spans.of_kind("llm")
        ]
        assert prompts == ["plan", "own"]


# --- what outlives a run ----------------------------------------------------------------------


def test_what_outlives_a_run_is_still_of_it(toy: ModuleType) -> None:
    """A task or thread that goes on alone: same trace, same run, and no totals that have ended."""
    contexts = []

    def leave(_: int) -> None:
        contexts.append(contextvars.copy_context())

    ask = Patch(target="toyengine:Model.ask", kind="llm", name="toy-1")
    with record(rows(RUN, NODE, ask)) as recording:
        toy.Engine().run(1, leave)
        contexts[0].run(toy.Model().ask, "late")

        late = recording.spans.named("chat toy-1")[0]
        run = recording.spans[0]
        assert late.context.trace_id == run.context.trace_id
        assert (late.attributes or {})["flowspan.run.id"] == (run.attributes or {})[
            "flowspan.run.id"
        ]
        assert (late.attributes or {})["gen_ai.workflow.name"] == "demo"
        assert "flowspan.rollup.llm_calls" not in (run.attributes or {})


def test_a_run_that_begins_where_another_one_ended_is_a_trace_of_its_own(toy: ModuleType) -> None:
    contexts = []

    def leave(_: int) -> None:
        contexts.append(contextvars.copy_context())

    def with_a_span_of_the_programs() -> None:
        with recording.tracer_provider.get_tracer("mine").start_as_current_span("mine"):
            toy.Engine().run(0)

    with record(rows(RUN, NODE)) as recording:
        toy.Engine().run(1, leave)
        contexts[0].run(toy.Engine().run, 0)
        contexts[0].run(with_a_span_of_the_programs)

        first, _, second, _, third = sorted(recording.spans, key=lambda span: span.start_time or 0)
        assert second.parent is None
        assert third.parent is not None
        runs = {(span.attributes or {})["flowspan.run.id"] for span in (first, second, third)}
        assert len(runs) == 3
        assert second.context.trace_id != first.context.trace_id


# --- a stack that is full ---------------------------------------------------------------------


def test_calls_end_also_where_the_stack_is_full(toy: ModuleType) -> None:
    """Calls that were seen to begin end, and nothing stays current.

    The deepest may be lost where even a processor of spans finds no room.
    """
    engine = toy.Engine()
    frames = sys.getrecursionlimit()
    began: list[trace.Span] = []

    def counted(start: Any, *args: Any) -> trace.Span:
        began.append(start(*args))
        return began[-1]

    for deepest in range(frames // 5, frames // 3, 7):
        depth = iter(range(deepest))

        def deeper(*_: int, depth: Any = depth) -> Any:
            if next(depth, None) is None:
                raise LookupError
            return engine.run(1)

        engine.node = deeper
        with record(rows(RUN), strict=False) as recording:
            assert recording.patcher is not None
            machine = recording.patcher._machine
            machine.start_span = functools.partial(counted, machine.start_span)
            with pytest.raises((LookupError, RecursionError)):
                engine.run(1)
            for _ in range(100):  # a busy machine takes its time
                streams.settle()
                if len(recording.spans) == len(began):
                    break

            assert len(began) > 100
            assert len(recording.spans) >= len(began) - 1
            began.clear()
            assert not trace.get_current_span().get_span_context().is_valid


def test_an_exception_that_a_row_calls_an_interruption_is_no_error(toy: ModuleType) -> None:
    """Where the class alone does not tell: what others raise of that class is an error."""

    def stopped(call: Call, _error: BaseException) -> Attributes:
        return {semconv.INTERRUPTION: "pause"} if call.kwargs else {}

    patch = Patch(target="toyengine:Engine.fail", kind="node", failure=stopped)
    with record(rows(patch)) as recording:
        with pytest.raises(ValueError, match="a"):
            toy.Engine().fail(error=ValueError("a"))
        with pytest.raises(ValueError, match="b"):
            toy.Engine().fail(ValueError("b"))

    first, second = recording.spans
    assert first.status.is_unset
    assert not first.events
    assert not second.status.is_unset
