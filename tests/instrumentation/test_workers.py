"""What a piece of work knows of where it was given away."""

from __future__ import annotations

import multiprocessing.pool
import multiprocessing.process
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace

from flowspan.instrumentation.elsewhere import RemoteFrame
from flowspan.instrumentation.integration import Event, Integration, Patch
from flowspan.instrumentation.processes import ProcessContext, Work, _start, origin, work
from flowspan.testing import record

ROWS = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="toyengine:Engine.node", kind="node", name="node"),
        Patch(
            target="toyengine:helper",
            request=lambda _: {"said": 1},
            before=lambda _: [Event("e"), Event("e", on="enclosing")],
        ),
    ),
)


@pytest.fixture
def carried() -> Iterator[ProcessContext]:
    carrier = ProcessContext()
    carrier.install()
    yield carrier
    carrier.uninstall()


def test_outside_any_span_a_function_is_given_as_it_is() -> None:
    assert origin() is None
    assert work(print) is print


def test_work_belongs_to_its_run_wherever_it_is_done(toy: ModuleType) -> None:
    pickled: list[bytes] = []

    def give(_: int) -> None:
        pickled.append(pickle.dumps(work(len)))

    with record(ROWS) as recording:
        toy.Engine().run(1, give)
        given: Any = pickle.loads(pickled[0])
        assert type(given) is Work
        assert given("four") == 4

        def nested(_: str) -> None:
            toy.helper(1)
            toy.Engine().run(1)

        given._function = nested
        given("elsewhere")
        assert not trace.get_current_span().get_span_context().is_valid

        spans = recording.spans
        assert len(spans.trace_ids()) == 1
        assert len({(span.attributes or {})["flowspan.run.id"] for span in spans}) == 1
        assert len(spans) == 4
        assert len(spans.roots()) == 1


def test_a_worker_of_another_python_gets_the_function_as_it_is(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import multiprocessing.spawn  # noqa: PLC0415

    given = []
    monkeypatch.setattr(multiprocessing.spawn, "get_executable", lambda: "/another/python")
    with record(ROWS):
        toy.Engine().run(1, lambda _: given.append(work(len)))
    assert given == [len]


def test_an_origin_that_cannot_be_understood_costs_nothing(toy: ModuleType) -> None:
    given: list[Any] = []
    with record(ROWS, strict=False):
        toy.Engine().run(1, lambda _: given.append(work(len)))
        given[0]._origin = given[0]._origin._replace(flags=None)
        assert given[0]("four") == 4


def test_a_frame_elsewhere_takes_nothing() -> None:
    from flowspan.instrumentation.run import Run  # noqa: PLC0415

    frame = RemoteFrame(Run("w", "e"), "step", "node")
    frame.describe({"a": 1})
    frame.event("e")
    assert (frame.kind, frame.step, frame.attributes, frame._events) == ("node", "step", {}, None)


def test_everything_is_taken_back(carried: ProcessContext) -> None:
    places = (
        (ProcessPoolExecutor, "submit"),
        (multiprocessing.pool.Pool, "imap"),
        (multiprocessing.process.BaseProcess, "start"),
    )
    during = [type(vars(owner)[name]).__name__ for owner, name in places]

    def theirs(*_: Any) -> None:
        """Somebody else's patch."""

    ours = vars(multiprocessing.pool.Pool)["imap_unordered"]
    multiprocessing.pool.Pool.imap_unordered = theirs  # type: ignore[method-assign, assignment]
    carried.uninstall()
    after = [type(vars(owner)[name]).__name__ for owner, name in places]
    left: Any = multiprocessing.pool.Pool.imap_unordered
    multiprocessing.pool.Pool.imap_unordered = ours.__wrapped__  # type: ignore[method-assign]
    assert during == ["Wrapped"] * 3
    assert after == ["function"] * 3
    assert left is theirs
    carried._apply("Nothing", (), None, sys)  # type: ignore[arg-type]  # imported after the end


def test_a_process_starts_as_before_and_nothing_stays_on_it() -> None:
    process = SimpleNamespace(run=print)

    assert _start(lambda: 5, process, (), {}) == 5
    assert vars(process) == {"run": print}


def test_a_pool_without_a_function_complains_as_before(carried: ProcessContext) -> None:
    with multiprocessing.pool.ThreadPool(1) as pool, pytest.raises(TypeError, match="func"):
        pool.apply_async()  # type: ignore[call-arg]
