"""``with`` blocks, and what the code inside says of its span."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from span_kit import attributes, events

import flowspan
from flowspan import safety, semconv
from flowspan.testing import Recording, record


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record() as recording:
        yield recording


def test_a_block_is_a_span_with_what_was_said_of_it(recording: Recording) -> None:
    with flowspan.run("article", topic="{tea}") as run:
        run.describe({"app.size": 3}, mood="good")
        with flowspan.node("outline", id="k1", attempt=2, attributes={"app.deep": True}):
            pass

    run_span, node = recording.spans
    assert recording.spans.tree() == "invoke_workflow article\n  run_step outline"
    assert attributes(run_span).items() >= {"topic": "{tea}", "app.size": 3, "mood": "good"}.items()
    assert (
        attributes(node).items()
        >= {
            semconv.NODE_ID: "k1",
            semconv.ATTEMPT: 2,
            "app.deep": True,
        }.items()
    )


def test_what_happens_inside_is_told_by_events_of_the_contract(recording: Recording) -> None:
    with flowspan.node("choose", id="k1") as span:
        span.route("write", action="enough")
        span.state("NEW", "DONE", cause="found")
        span.event("app.looked", {"app.at": 1}, words=["a"])
        span.prompt("outline", version="3", reason="long", candidates=["outline", "draft"])

    assert events(recording.spans.one()) == [
        (
            semconv.EVENT_ROUTE_TAKEN,
            {
                semconv.ROUTE_FROM: "choose",
                semconv.ROUTE_TO: "write",
                semconv.ROUTE_ACTION: "enough",
            },
        ),
        (
            semconv.EVENT_STATE_TRANSITION,
            {
                semconv.STATE_FROM: "NEW",
                semconv.STATE_TO: "DONE",
                semconv.STATE_CAUSE: "found",
                semconv.NODE_ID: "k1",
            },
        ),
        ("app.looked", {"app.at": 1, "words": ("a",)}),
        (
            semconv.EVENT_PROMPT_SELECTED,
            {
                semconv.PROMPT_NAME: "outline",
                semconv.PROMPT_VERSION: "3",
                semconv.PROMPT_REASON: "long",
                semconv.PROMPT_CANDIDATES: ("outline", "draft"),
            },
        ),
    ]


def test_a_function_finds_the_span_that_it_is_in(recording: Recording) -> None:
    @flowspan.node
    def act() -> None:
        flowspan.current().describe(found=True)

    flowspan.current().describe(found=False)
    act()

    assert attributes(recording.spans.one())["found"] is True


def test_a_span_that_has_ended_takes_nothing_more(recording: Recording) -> None:
    with flowspan.node("act") as span:
        pass
    span.describe(late=True)
    span.event("late")

    assert "late" not in attributes(recording.spans.one())
    assert events(recording.spans.one()) == []


def test_an_exception_goes_on_and_is_counted_once(recording: Recording) -> None:
    run, step, node = flowspan.run("outer"), flowspan.step("inner"), flowspan.node("act")
    with pytest.raises(LookupError), run, step, node:
        raise LookupError("gone")

    assert (
        recording.spans.tree() == "invoke_workflow outer !\n  run_step inner !\n    run_step act !"
    )
    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 1
    stacks = [
        "exception.stacktrace" in (event.attributes or {})
        for span in recording.spans
        for event in span.events
    ]
    assert stacks == [False, False, True]


def test_two_exceptions_that_pass_one_after_the_other_are_two(recording: Recording) -> None:
    with flowspan.run("outer"):
        for _ in range(2):
            with pytest.raises(LookupError), flowspan.node("act"):
                raise LookupError

    assert attributes(recording.spans[0])[semconv.ROLLUP_ERRORS] == 2


def test_control_flow_is_no_error(recording: Recording) -> None:
    with pytest.raises(StopAsyncIteration), flowspan.node("act", quiet=StopAsyncIteration):
        raise StopAsyncIteration

    assert recording.spans.one().status.is_unset


def test_what_changes_in_a_state_inside_is_told(recording: Recording) -> None:
    state = {"count": 1}
    with flowspan.node("act", state=state):
        state["count"] = 2

    ((name, found),) = events(recording.spans.one())
    assert (name, found[semconv.STATE_CHANGED]) == (semconv.EVENT_STATE_CHANGED, ("count",))


def test_a_block_may_be_entered_again_inside_itself(recording: Recording) -> None:
    deeper = flowspan.step("deeper")
    with deeper, deeper, deeper:
        pass
    with deeper:
        pass

    assert (
        recording.spans.tree()
        == """\
run_step deeper
  run_step deeper
    run_step deeper
run_step deeper"""
    )


def test_one_mark_serves_several_tasks_at_a_time(recording: Recording) -> None:
    mark = flowspan.node("act")

    async def act(at: int) -> None:
        with flowspan.run(f"run {at}"):
            async with mark as span:
                span.describe(at=at)
                for _ in range(at):
                    await asyncio.sleep(0)

    async def use() -> None:
        await asyncio.gather(*map(act, [3, 1, 2]))

    asyncio.run(use())

    assert (
        recording.spans.tree("at")
        == """\
invoke_workflow run 3
  run_step act at=3
invoke_workflow run 1
  run_step act at=1
invoke_workflow run 2
  run_step act at=2"""
    )
    assert all(span.end_time is not None for span in recording.spans)


def test_one_mark_serves_several_threads_at_a_time(recording: Recording) -> None:
    mark = flowspan.tool("act")
    both = threading.Barrier(2)

    def act() -> None:
        with flowspan.run("r"), mark:
            both.wait(10)

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert recording.spans.tree() == "\n".join(["invoke_workflow r\n  execute_tool act"] * 2)


def test_a_mark_may_decorate_and_surround(recording: Recording) -> None:
    mark = flowspan.tool("both")
    with mark:
        mark(lambda: None)()

    assert recording.spans.tree() == "execute_tool both\n  execute_tool both"


def test_a_block_in_a_generator_that_is_dropped_is_no_error(recording: Recording) -> None:
    def parts() -> Iterator[int]:
        with flowspan.node("part"):
            yield 1

    stream = parts()
    next(stream)
    del stream
    gc.collect()

    span = recording.spans.one()
    assert span.status.is_unset
    assert attributes(span)[semconv.STREAM_ABANDONED] is True


def test_a_block_that_was_entered_before_flowspan_came_is_left_alone() -> None:
    with flowspan.node("outer"), record() as recording, flowspan.node("inner"):
        pass

    assert recording.spans.tree() == "run_step inner"


def test_a_block_without_a_name_is_named_after_its_role(recording: Recording) -> None:
    with flowspan.node():
        pass

    assert recording.spans.tree() == "run_step node"


def test_while_flowspan_is_off_the_span_takes_everything() -> None:
    with flowspan.run("article", topic="tea") as span:
        span.describe({"a.b": 1}, c=2)
        span.event("x", y=1)
        span.route("on")
        span.state(None, "NEW")
        span.prompt("p")
        flowspan.current().event("x")

    assert isinstance(span, flowspan.Handle)


@pytest.mark.parametrize(
    "say",
    [
        lambda span: span.describe(3),
        lambda span: span.describe(["topic"]),
        lambda span: span.event("x", "y"),
        lambda span: span.prompt("p", candidates=3),
        lambda span: span.describe({3: object()}, topic=object()),
        lambda span: span.route(object(), action=object()),
        lambda span: span.state(object(), object()),
        lambda span: span.event(None),
    ],
)
def test_what_a_span_cannot_be_told_does_not_reach_the_program(
    say: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with flowspan.run("off") as span:
        say(span)
    with record(strict=False) as recording, flowspan.run("on") as span:
        say(span)
        span.describe(after=1)

    assert attributes(recording.spans.one("invoke_workflow on"))["after"] == 1
    assert len(caplog.messages) <= 1


def test_what_is_no_dict_is_said_by_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    safety.reset()
    wrong: Any = ["topic"]
    with record(strict=False), flowspan.run("on") as span:
        span.describe(wrong)

    assert "describe was given ['topic']: expected a dict of names and values" in caplog.text


def test_names_of_python_s_own_may_be_attributes(recording: Recording) -> None:
    with flowspan.run("all", self=1, target=2, function=3), flowspan.prompt("p"):
        pass

    found = attributes(recording.spans.one("invoke_workflow all"))
    assert [found[name] for name in ("self", "target", "function")] == [1, 2, 3]


def test_what_cannot_be_understood_inside_a_block_does_not_reach_the_program() -> None:
    node: Any = flowspan.node
    with record(strict=False) as recording, node("a", attributes=5), node("b", quiet=7) as span:
        span.event("x")

    assert len(recording.spans) <= 1
