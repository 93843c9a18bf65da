"""Parent and child each write with a connection of their own, and nothing of either is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flowspan.store import forks
from flowspan.store import writer as writing
from flowspan.store.writer import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flowspan.store.queries import Store
    from tests.store.conftest import Program, Spans

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def test_what_a_child_wrote_stays_when_the_parent_closes_first(
    program: Callable[..., Program], reading: Callable[[], Store]
) -> None:
    """An inherited connection would take the child's log away with the parent's end."""
    source = """
        writer = StoreWriter(path)
        assert writer.write_ended(ended(1))
        begin, end = os.pipe()
        child = os.fork()
        if child == 0:
            assert writer.write_ended(ended(1))
            os.read(begin, 1)
            assert writer.write_ended(ended(1))
            os._exit(0)
        writer.write_ended(ended(1))
        writer.close()
        os.write(end, b"x")
        assert os.waitpid(child, 0)[1] == 0
    """

    assert program(source).ends() == ""

    assert reading().info().spans == 4


def test_a_pool_of_forked_processes_delivers_its_spans(
    program: Callable[..., Program], reading: Callable[[], Store]
) -> None:
    source = """
        import multiprocessing
        provider, tracer = tracer()
        def work(number):
            with tracer.start_as_current_span("work", attributes={"flowspan.kind": "node"}):
                pass
            provider.force_flush()
        with tracer.start_as_current_span("root"):
            provider.force_flush()
            with multiprocessing.get_context("fork").Pool(4) as pool:
                pool.map(work, range(40), chunksize=1)
                pool.close()
                pool.join()
        provider.shutdown()
    """

    assert program(source).ends() == ""

    assert reading().info().spans == 41
    assert [run.status for run in reading().runs()] == ["ok"]


def test_forks_while_other_threads_write_lose_nothing(
    program: Callable[..., Program], reading: Callable[[], Store]
) -> None:
    source = """
        writer = StoreWriter(path)
        batches = [ended(10) for _ in range(60)]
        def write():
            for batch in batches:
                assert writer.write_ended(batch)
        thread = threading.Thread(target=write)
        thread.start()
        children = []
        for number in range(20):
            child = os.fork()
            if child == 0:
                ok = writer.write_ended(ended(1))
                os._exit(0 if ok else 1)
            children.append(child)
        thread.join()
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 20
        writer.close()
    """

    assert program(source).ends() == ""

    assert reading().info().spans == 620


def test_two_threads_may_fork_at_the_same_time(program: Callable[..., Program]) -> None:
    source = """
        writer = StoreWriter(path)
        writer.write_ended(ended(1))
        def fork():
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    os._exit(0)
                os.waitpid(child, 0)
        threads = [threading.Thread(target=fork) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.write_ended(ended(1))
    """

    assert program(source).ends() == ""


def test_a_killed_parent_is_interrupted_while_its_child_lives(
    program: Callable[..., Program], reading: Callable[[], Store]
) -> None:
    """The lock that says that the parent lives is not the child's."""
    source = """
        provider, tracer = tracer()
        span = tracer.start_span("root")
        provider.force_flush()
        if os.fork() == 0:
            say("forked")
        sys.stdin.readline()
        os._exit(0)
    """
    one = program(source)
    one.hears("forked")
    assert reading().runs()[0].status == "running"

    one.process.kill()
    one.process.wait()

    assert reading().runs()[0].status == "interrupted"


def test_a_child_does_not_write_what_is_the_parents(
    program: Callable[..., Program], reading: Callable[[], Store]
) -> None:
    source = """
        writer = StoreWriter(path, timeout_seconds=0.0)
        writer.write_ended(ended(1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert not writer.write_ended(ended(5))
        other.execute("ROLLBACK")
        other.close()
        child = os.fork()
        if child == 0:
            os._exit(writer.waiting)
        assert os.waitpid(child, 0)[1] == 0
        assert writer.waiting == 5
        assert writer.close()
    """

    program(source).ends()

    assert reading().info().spans == 6


def test_a_fork_in_the_middle_of_a_long_write_leaves_the_child_without_a_store(
    program: Callable[..., Program],
) -> None:
    source = """
        writing._LONGEST_FORK_WAIT = 0.05
        writer = StoreWriter(path)
        writer.write_ended(ended(1))
        inside, leave = threading.Event(), threading.Event()
        def slow(connection):
            inside.set()
            leave.wait()
            return True
        thread = threading.Thread(target=writer.attempt, args=(slow,))
        thread.start()
        inside.wait()
        child = os.fork()
        if child == 0:
            assert not writer.write_ended(ended(1))
            assert not writer.attempt(lambda _: True)
            assert writer.close(0)
            sys.stderr.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        leave.set()
        thread.join()
        assert writer.write_ended(ended(1))
    """

    errors = program(source).ends()

    assert errors.count("\n") == 1, errors
    assert "was forked in the middle of a write" in errors


def test_a_server_that_forks_without_telling_python_first(
    program: Callable[..., Program],
) -> None:
    """As uWSGI does: an open connection is then left alone in the child."""
    source = """
        from flowspan.store import forks
        writer = StoreWriter(path)
        writer.write_ended(ended(1))
        forks._in_child()
        assert not writer.write_ended(ended(1))
        unused = StoreWriter(path)
        forks._in_child()
        assert unused.write_ended(ended(1))
    """

    assert "was forked" in program(source).ends()


def test_a_fork_that_nobody_was_told_of_is_noticed_by_the_process_id(
    writer: StoreWriter, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert writer.write_ended([spans.one()])


def test_a_fork_closes_the_connection_and_both_sides_open_their_own(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    assert writer.write_ended([spans.one()])

    forks._before()
    assert not writer._connection.is_open
    forks._in_parent()
    assert writer.write_ended([spans.one()])
    forks._before()
    forks._in_child()

    assert writer.write_ended([spans.one()])
    assert reading().info().spans == 3


def test_a_connection_that_was_inherited_is_never_used(
    writer: StoreWriter, spans: Spans, said: Callable[[], list[str]]
) -> None:
    writer.write_ended([spans.one()])

    forks._in_child()

    assert not writer.write_ended([spans.one()])
    assert not writer.heartbeat()
    assert writer.flush()
    assert writer.close()
    assert len(said()) == 1
    assert "was forked" in said()[0]


def test_a_fork_does_not_wait_long_for_a_write(
    writer: StoreWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_LONGEST_FORK_WAIT", 0.01)
    with writer._lock:
        assert not writer.before_fork()
        writer.after_fork_in_parent(closed=False)
        assert writer._lock.locked()


def test_writers_that_are_gone_are_not_told(path: Path) -> None:
    before = len(forks._watched)
    writers = [StoreWriter(path) for _ in range(3)]
    assert len(forks._watched) == before + 3
    del writers
    assert len(forks._watched) == before
