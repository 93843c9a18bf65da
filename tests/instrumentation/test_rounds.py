"""A loop that leads nowhere is suspected once; work that gets somewhere is not."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

import flowspan
from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.instrumentation.integration import Integration, Judged, Patch
from flowspan.testing import FakeProvider, Recording, record


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record() as recording:
        yield recording


def suspected(recording: Recording) -> list[tuple[str, dict[str, Any]]]:
    return [
        (span.name, dict(event.attributes or {}))
        for span in recording.spans
        for event in span.events
        if event.name == semconv.EVENT_LOOP_SUSPECTED
    ]


@flowspan.node
def review(draft: Any, answer: Any = "again") -> Any:
    return answer


def test_the_same_node_with_the_same_inputs_is_suspected_once(recording: Recording) -> None:
    with flowspan.run("article"):
        for _ in range(12):
            review({"text": "draft", "notes": ["a"]})

    ((span, attributes),) = suspected(recording)
    assert span == "invoke_workflow article"
    assert attributes.pop(semconv.LOOP_SIGNATURE).startswith("review ")
    assert attributes == {
        semconv.LOOP_ITERATIONS: 5,
        semconv.STEP_NAME: "review",
        semconv.NODE_ID: "review",
    }
    ((labels, count),) = recording.metrics()[semconv.METRIC_LOOPS]
    assert (labels[semconv.STEP_NAME], labels[semconv.WORKFLOW_NAME], count) == (
        "review",
        "article",
        1,
    )


def test_nothing_of_the_inputs_is_told(recording: Recording) -> None:
    with flowspan.run("article"):
        for _ in range(5):
            review("a secret")

    assert "secret" not in repr(suspected(recording))


@pytest.mark.parametrize(
    "inputs",
    [
        lambda at: at,
        lambda at: {"page": {"cursor": at}},
        lambda at: ["x"] * at,
        lambda at: [{"id": at, "text": "same"}],
        lambda at: f"row {at}",
    ],
)
def test_batches_and_pages_are_no_loops(recording: Recording, inputs: Any) -> None:
    with flowspan.run("batch"):
        for at in range(50):
            review(inputs(at))

    assert suspected(recording) == []


def test_a_loop_through_several_nodes_is_one(recording: Recording) -> None:
    with flowspan.run("article"):
        for _ in range(6):
            review("draft")
            with flowspan.node("rewrite"):
                pass

    assert len(suspected(recording)) == 1


def test_rounds_that_are_interrupted_by_progress_begin_anew(recording: Recording) -> None:
    with flowspan.run("article"):
        for draft in ["a"] * 4 + ["b"] * 4 + ["a"] * 4:
            review(draft)

    assert suspected(recording) == []


def test_a_run_does_not_remember_another_one(recording: Recording) -> None:
    for _ in range(6):
        with flowspan.run("short"):
            review("draft")
            review("draft")

    assert suspected(recording) == []


def test_a_workflow_inside_another_is_part_of_its_run(recording: Recording) -> None:
    with flowspan.run("outer"):
        for _ in range(6):
            with flowspan.run("inner"):
                review("draft")

    ((span, _),) = suspected(recording)
    assert span == "invoke_workflow outer"


def test_instances_of_a_node_are_different_nodes(recording: Recording) -> None:
    @flowspan.node("act", id="{key}")
    def act(key: int, goal: str) -> None: ...

    with flowspan.run("tree"):
        for key in range(20):
            act(key, "same")

    assert suspected(recording) == []


def test_calls_side_by_side_are_no_rounds(recording: Recording) -> None:
    """Asking the same several times at once is how answers are compared."""

    @flowspan.node
    async def sample(question: str) -> str:
        await asyncio.sleep(0)
        return "yes"

    @flowspan.run
    async def vote() -> None:
        await asyncio.gather(*(sample("is it?") for _ in range(20)))

    asyncio.run(vote())

    assert suspected(recording) == []


def test_rounds_in_threads_of_one_run_are_counted_together(recording: Recording) -> None:
    import contextvars  # noqa: PLC0415 - used here alone

    with flowspan.run("article"), ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            pool.submit(contextvars.copy_context().run, review, "draft").result()

    assert len(suspected(recording)) == 1


def test_a_node_that_gives_another_result_has_got_somewhere(recording: Recording) -> None:
    """Pages may be told by a cursor that no argument shows."""
    pages = itertools.count()

    with flowspan.run("pages"):
        for _ in range(20):
            review("next")

        @flowspan.node
        def fetch(query: str) -> int:
            return next(pages)

        for _ in range(20):
            fetch("bees")

    assert [attributes[semconv.STEP_NAME] for _, attributes in suspected(recording)] == ["review"]


def test_what_a_model_wrote_is_no_progress() -> None:
    """It never says the same twice; asked the same again and again, the node is stuck."""
    answers = itertools.count()

    with (
        FakeProvider(respond=lambda request: f"answer {next(answers)}") as provider,
        record(*discovery.built_in()) as recording,
        openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client,
    ):

        @flowspan.node
        def write(goal: str) -> str | None:
            messages: Any = [{"role": "user", "content": goal}]
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            return answer.choices[0].message.content

        with flowspan.run("article"):
            for _ in range(5):
                write("an essay on tea")

    assert len(suspected(recording)) == 1


def test_a_node_that_fails_the_same_way_each_time_is_in_a_loop(recording: Recording) -> None:
    @flowspan.node
    def fetch(query: str) -> None:
        raise LookupError(query)

    with flowspan.run("pages"):
        for _ in range(5):
            with pytest.raises(LookupError):
                fetch("bees")

    assert len(suspected(recording)) == 1


def test_further_attempts_are_no_rounds(recording: Recording) -> None:
    @flowspan.node(attempt="{attempt}")
    def fetch(query: str, attempt: int) -> None: ...

    with flowspan.run("pages"):
        for attempt in range(1, 20):
            with flowspan.node("try", attempt=attempt, inputs="same"):
                pass

    assert suspected(recording) == []


def test_a_node_without_inputs_cannot_repeat_them(recording: Recording) -> None:
    @flowspan.node
    def tick() -> None: ...

    with flowspan.run("clock"):
        for _ in range(20):
            tick()

    assert suspected(recording) == []


def test_the_object_that_a_method_belongs_to_is_an_input(recording: Recording) -> None:
    class Reader:
        def __init__(self) -> None:
            self.cursor = 0

        @flowspan.node
        def move(self) -> None:
            self.cursor += 1

        @flowspan.node
        def stay(self) -> None: ...

    reader = Reader()
    with flowspan.run("pages"):
        for _ in range(10):
            reader.move()
            reader.stay()
        assert suspected(recording) == []
        for _ in range(10):
            reader.stay()

    ((_, attributes),) = suspected(recording)
    assert attributes[semconv.STEP_NAME] == "Reader.stay"


@pytest.mark.parametrize(("rounds", "expected"), [(2, [2]), (7, [7]), (0, []), (11, [])])
def test_how_many_rounds_is_a_setting(rounds: int, expected: list[int]) -> None:
    with record(loop_rounds=rounds) as recording, flowspan.run("article"):
        for _ in range(10):
            review("draft")

    assert [each[semconv.LOOP_ITERATIONS] for _, each in suspected(recording)] == expected


# --- a state that does not move -------------------------------------------------------------------


def test_a_state_in_which_nothing_changes_is_a_loop(recording: Recording) -> None:
    shared = {"draft": "x"}

    with flowspan.run("article"):
        for _ in range(5):
            with flowspan.node("review", state=shared):
                shared["draft"] = "x"

    assert len(suspected(recording)) == 1


def test_a_state_in_which_something_changes_is_none(recording: Recording) -> None:
    shared: dict[str, Any] = {"draft": "x", "rest": list(range(1000))}

    with flowspan.run("article"):
        for at in range(20):
            with flowspan.node("review", state=shared):
                shared["rest"] = [*shared["rest"][:500], at, *shared["rest"][501:]]

    assert suspected(recording) == []


def test_a_change_that_another_node_makes_counts(recording: Recording) -> None:
    """Where the state is too large to be looked at wholly, what nodes tell of it helps."""
    shared: dict[str, Any] = {str(at): at for at in range(90)}

    with flowspan.run("article"):
        for at in range(20):
            with flowspan.node("review", state=shared):
                pass
            with flowspan.node("write", state=shared):
                shared["45"] = -at - 1

    assert suspected(recording) == []


def test_an_engine_says_what_its_nodes_work_on(toy: Any) -> None:
    rows = Integration(
        "toy",
        "",
        (
            Patch(target="toyengine:Engine.run", kind="run", name="toy"),
            Patch(target="toyengine:Engine.node", kind="node", inputs=lambda call: call.args[1:]),
        ),
    )

    with record(rows) as recording:
        toy.Engine().run(6, lambda index: "done")

    assert len(suspected(recording)) == 1


def test_what_an_engine_adds_to_a_result_is_no_progress(toy: Any) -> None:
    """A call that wraps up what the node's own function returned is judged by that."""
    rows = Integration(
        "toy",
        "",
        (
            Patch(target="toyengine:Engine.run", kind="run", name="toy"),
            Patch(
                target="toyengine:Engine.node",
                kind="node",
                inputs=lambda call: call.args[1:],
                judged=lambda call, result: Judged(result[0]),
            ),
        ),
    )

    with record(rows) as recording:
        toy.Engine().run(6, lambda index: ("done", index))

    assert len(suspected(recording)) == 1


def test_many_nodes_of_one_run_are_not_remembered_for_ever(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowspan.instrumentation import frame, rounds  # noqa: PLC0415 - looked into here alone

    monkeypatch.setattr(rounds, "MOST_NODES", 10)
    with flowspan.run("tree"):
        for key in range(50):
            with flowspan.node("act", id=key, inputs="same"):
                found = frame.current()
        assert found is not None
        assert len(found.run.rounds.nodes) == 10


# --- inputs that are too large to be looked at wholly each time -----------------------------------


@pytest.mark.parametrize("size", [20, 100, 500])
def test_a_batch_that_is_marked_in_place_is_no_loop(recording: Recording, size: int) -> None:
    """Each round marks another row of a long list, and says the same."""
    rows = [{"id": at, "done": False} for at in range(size)]

    @flowspan.node(state="rows")
    def mark(rows: list[dict[str, Any]]) -> str:
        next(row for row in rows if not row["done"])["done"] = True
        return "again"

    with flowspan.run("batch"):
        for _ in range(size):
            mark(rows)

    assert suspected(recording) == []


@pytest.mark.parametrize("side", ["draft", "answer"])
def test_a_long_text_that_is_rewritten_from_its_beginning_is_no_loop(
    side: str, recording: Recording
) -> None:
    """Near, only its length and its end are looked at, in what comes and not in what it gives."""
    with flowspan.run("article"):
        for number in range(20):
            text = f"{number:04}" + "x" * 10_000
            review(text, "again") if side == "draft" else review("same", text)

    assert suspected(recording) == []


def test_large_inputs_that_stay_as_they_are_are_a_loop(recording: Recording) -> None:
    rows = [{"id": at, "parts": [at]} for at in range(10_000)]

    with flowspan.run("batch"):
        for _ in range(5):
            review({"rows": rows, "text": "x" * 10_000_000})

    assert [each[semconv.LOOP_ITERATIONS] for _, each in suspected(recording)] == [5]


def test_looks_that_go_farther_stay_rare(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something changes out of sight, each such look costs a few milliseconds."""
    from flowspan.instrumentation import likeness, rounds  # noqa: PLC0415 - looked into here alone

    looks = []

    def counted(value: Any, reach: Any = likeness.NEAR) -> Any:
        looks.append(reach)
        return likeness.likeness(value, reach)

    monkeypatch.setattr(rounds, "likeness", counted)
    rows = [{"id": at} for at in range(100)]
    with flowspan.run("batch"):
        for at in range(1000):
            rows[50]["id"] = -at
            review(rows)

    assert suspected(recording) == []
    assert looks.count(likeness.FAR) < 20
