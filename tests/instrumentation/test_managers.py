"""A call that is a context manager lasts as long as its block, and is current inside it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any, Self

import pytest
from opentelemetry import trace

from flowspan.instrumentation import streams
from flowspan.instrumentation.hooks import Outcome, Replay, Visit
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.semconv import Kind
from flowspan.testing import Recording, record

NODE = Patch(target="toyengine:Engine.node", kind="node", name="node")
SESSION = Integration(
    "toy", "", (Patch(target="toyengine:session", kind="run", name="session"), NODE)
)
TREE = "invoke_workflow session\n  run_step node\n  run_step node\n  run_step node"


def is_current() -> bool:
    return trace.get_current_span().get_span_context().is_valid


def ended(recording: Recording) -> dict[str, Any]:
    streams.settle()
    (span,) = (span for span in recording.spans if span.name == "invoke_workflow session")
    return {**(span.attributes or {}), "status": span.status.status_code.name}


@pytest.fixture
def session(toy: ModuleType) -> ModuleType:
    """The toy engine with a session that calls a node at its start and at its end."""

    @contextlib.contextmanager
    def made(suppressed: type[BaseException] | None = None) -> Iterator[str]:
        """A session."""
        engine = toy.Engine()
        engine.node(1)
        try:
            yield "entered"
        except BaseException as error:
            if suppressed is None or not isinstance(error, suppressed):
                raise
        finally:
            engine.node(3)

    vars(toy).update(session=made)
    return toy


def test_the_block_is_inside_the_call(session: ModuleType) -> None:
    with record(SESSION) as recording:
        manager = session.session()
        assert len(recording.spans) == 0
        with manager as value:
            assert value == "entered"
            assert is_current()
            session.Engine().node(2)
        assert not is_current()
        assert recording.spans.tree() == TREE
        assert ended(recording)["status"] == "UNSET"


def test_a_manager_stays_what_contextlib_makes(session: ModuleType) -> None:
    bare = session.session()
    with record(SESSION):
        ours = session.session()
        assert type(ours) is type(bare)
        assert ours.__doc__ == bare.__doc__
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            session.session(nonsense=1)


def test_a_manager_as_a_decorator_is_seen_at_each_call(session: ModuleType) -> None:
    with record(SESSION) as recording:

        @session.session()  # type: ignore[untyped-decorator]
        def act() -> int:
            return 1 if is_current() else 0

        assert (act(), act()) == (1, 1)
        assert len([span for span in recording.spans if span.name.endswith("session")]) == 2


@pytest.mark.parametrize("error", [LookupError("x"), StopIteration("x"), KeyboardInterrupt()])
def test_an_error_in_the_block_passes_as_before(session: ModuleType, error: BaseException) -> None:
    with record(SESSION) as recording:
        with pytest.raises(type(error)) as caught, session.session():
            raise error
        assert caught.value is error
        assert (error.__context__, error.__cause__) == (None, None)
        if isinstance(error, Exception):
            assert ended(recording)["error.type"] == type(error).__name__
        else:
            assert ended(recording)["flowspan.interruption"] == "KeyboardInterrupt"


def test_an_error_that_the_manager_suppresses_is_none(session: ModuleType) -> None:
    with record(SESSION) as recording:
        with session.session(suppressed=LookupError):
            raise LookupError
        assert ended(recording)["status"] == "UNSET"


def test_a_block_that_is_never_left_ends_when_it_is_dropped(session: ModuleType) -> None:
    with record(SESSION) as recording:
        manager = session.session()
        manager.__enter__()
        del manager
        gc.collect()
        assert ended(recording)["flowspan.stream.abandoned"] is True
        assert not is_current()


async def test_async_managers_are_seen_as_well(toy: ModuleType) -> None:
    @contextlib.asynccontextmanager
    async def made() -> AsyncIterator[str]:
        engine = toy.Engine()
        await asyncio.sleep(0)
        engine.node(1)
        try:
            yield "entered"
        finally:
            await asyncio.sleep(0)
            engine.node(3)

    vars(toy).update(session=made)
    with record(SESSION) as recording:
        async with toy.session() as value:
            assert value == "entered"
            toy.Engine().node(2)
        assert not is_current()
        assert recording.spans.tree() == TREE

    with record(SESSION) as recording:
        with pytest.raises(LookupError):
            async with toy.session():
                raise LookupError
        assert ended(recording)["error.type"] == "LookupError"


class Hook:
    kinds: frozenset[Kind] = frozenset({"run"})

    def before(self, visit: Visit) -> Replay:
        del visit
        return Replay("replayed")

    def after(self, visit: Visit, outcome: Outcome) -> None:
        """Nothing to add."""


def test_a_replayed_manager_gives_the_answer(session: ModuleType) -> None:
    with record(SESSION, hooks=(Hook(),)) as recording:
        with session.session() as value:
            assert value == "replayed"
        assert recording.spans.tree() == "invoke_workflow session"


def test_a_manager_that_is_not_seen_is_as_before(session: ModuleType) -> None:
    quiet = Integration(
        "toy",
        "",
        (Patch(target="toyengine:session", kind="run", when=lambda _: False), NODE),
    )
    with record(quiet) as recording:
        with session.session() as value:
            assert value == "entered"
            assert not is_current()
        assert [span.name for span in recording.spans] == ["run_step node"] * 2


# --- objects of classes of their own ----------------------------------------------------------


class Session:
    """Entered and left, in both ways; in the middle of it nodes are called."""

    def __init__(self, engine: Any, suppressed: Any = None) -> None:
        self.engine = engine
        self.suppressed = suppressed
        self.fail_at = ""

    def __enter__(self) -> Self:
        self._step("enter", 1)
        return self

    def __exit__(self, *error: object) -> Any:
        self._step("exit", 3)
        return self.suppressed

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        return self.__enter__()

    async def __aexit__(self, *error: object) -> Any:
        await asyncio.sleep(0)
        return self.__exit__(*error)

    def _step(self, name: str, number: int) -> None:
        self.engine.node(number)
        if self.fail_at == name:
            raise LookupError(name)


@pytest.fixture
def own(toy: ModuleType) -> ModuleType:
    class OwnSession(Session):
        def __enter__(self) -> Self:
            return super().__enter__()

        def __exit__(self, *error: object) -> Any:
            return super().__exit__(*error)

        async def __aenter__(self) -> Self:
            return await super().__aenter__()

        async def __aexit__(self, *error: object) -> Any:
            return await super().__aexit__(*error)

    def make(suppressed: Any = None) -> Session:
        return OwnSession(toy.Engine(), suppressed)

    vars(toy).update(session=make, OwnSession=OwnSession)
    return toy


def _same(_call: Any, result: Any) -> Any:
    return result


OWN = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:session", kind="run", name="session", lazy=_same),
        Patch(target="toyengine:OwnSession.__enter__", role="enter"),
        Patch(target="toyengine:OwnSession.__exit__", role="exit"),
        Patch(target="toyengine:OwnSession.__aenter__", role="enter"),
        Patch(target="toyengine:OwnSession.__aexit__", role="exit"),
        NODE,
    ),
)


async def in_block(
    module: ModuleType, *, is_async: bool, block: Callable[[], Any], **made: Any
) -> None:
    if is_async:
        async with module.session(**made) as entered:
            block()
    else:
        with module.session(**made) as entered:
            block()
    assert type(entered) is module.OwnSession


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_observed_object_is_current_in_its_block(
    own: ModuleType, *, is_async: bool
) -> None:
    with record(OWN) as recording:
        await in_block(own, is_async=is_async, block=lambda: own.Engine().node(2))
        assert not is_current()
        assert recording.spans.tree() == TREE
        assert "flowspan.stream.abandoned" not in ended(recording)


class Undecided:
    def __bool__(self) -> bool:
        raise TypeError("neither true nor false")


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_error_in_the_block_of_an_object_is_its_end(
    own: ModuleType, *, is_async: bool
) -> None:
    def fail() -> None:
        raise LookupError

    with record(OWN) as recording:
        with pytest.raises(LookupError):
            await in_block(own, is_async=is_async, block=fail)
        assert ended(recording)["error.type"] == "LookupError"
        assert not is_current()

    with record(OWN) as recording:
        await in_block(own, is_async=is_async, block=fail, suppressed=True)
        assert ended(recording)["status"] == "UNSET"

    with record(OWN, strict=False) as recording:
        await in_block(own, is_async=is_async, block=bool, suppressed=Undecided())
        assert ended(recording)["status"] == "UNSET"


async def use(session: Any, *, is_async: bool) -> None:
    if is_async:
        async with session:
            return
    with session:
        return


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("where", ["enter", "exit"])
async def test_an_error_while_it_is_entered_or_left_is_its_end(
    own: ModuleType, where: str, *, is_async: bool
) -> None:
    with record(OWN) as recording:
        session = own.session()
        session.fail_at = where
        with pytest.raises(LookupError, match=where):
            await use(session, is_async=is_async)
        assert ended(recording)["error.type"] == "LookupError"
        assert not is_current()


def test_an_object_that_is_not_observed_is_entered_and_left_as_before(own: ModuleType) -> None:
    with record(OWN) as recording:
        with own.OwnSession(own.Engine()):
            assert not is_current()
        assert [span.name for span in recording.spans] == ["run_step node"] * 2
