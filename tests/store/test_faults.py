"""Whatever happens to the store: the program goes on, one sentence says it, nothing is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from flowspan import background, config
from flowspan.errors import StoreError
from flowspan.store import faults
from flowspan.store import writer as writing
from flowspan.store.aside import set_aside
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.opening import identity
from flowspan.store.queries import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flowspan.store.queries import Store
    from tests.store.conftest import Program, Spans

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed writes are tried again with the very next batch."""
    monkeypatch.setattr(writing, "_FIRST_DELAY", 0.0)
    monkeypatch.setattr(writing, "_LONGEST_DELAY", 0.0)
    monkeypatch.setattr(writing, "TIMEOUT_SECONDS", 0.2)


@pytest.fixture
def exporter(path: Path) -> Iterator[StoreSpanExporter]:
    exporter = StoreSpanExporter(path)
    assert exporter.writer is not None
    exporter.writer._timeout = 0.2
    yield exporter
    exporter.shutdown()


def test_a_lock_held_by_another_program_delays_what_is_written(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    reading: Callable[[], Store],
) -> None:
    assert exporter.export([spans.one("first")]) is SUCCESS
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert exporter.export([spans.one("second")]) is FAILURE
        assert exporter.export([spans.one("third")]) is FAILURE
        assert not exporter.force_flush(10)
        other.execute("ROLLBACK")

    assert exporter.export([spans.one("fourth")]) is SUCCESS

    assert {run.name for run in reading().runs()} == {"first", "second", "third", "fourth"}
    assert len(said()) == 1
    assert f"the store {path} is locked by another process" in said()[0]
    assert said()[0].endswith("; spans wait in memory and are written as soon as it can be")


def test_a_lock_that_is_let_go_in_time_is_waited_for(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    when_locked: Callable[[Callable[[], object]], None],
) -> None:
    assert exporter.writer is not None
    exporter.writer._timeout = 20
    exporter.export([spans.one()])
    assert exporter._housekeeper is not None
    assert exporter._housekeeper._thread is not None
    exporter._housekeeper._thread.join()  # it would meet the lock as well, in its own thread
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        when_locked(lambda: other.execute("ROLLBACK"))

        assert exporter.export([spans.one()]) is SUCCESS
        assert not other.in_transaction

    assert said() == []


def test_a_full_disk_delays_what_is_written(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    reading: Callable[[], Store],
) -> None:
    assert exporter.writer is not None
    exporter.export([spans.one("first")])
    connection = exporter.writer._connection.use()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    big = [spans.one("big", text="x" * 5_000) for _ in range(50)]
    assert exporter.export(big) is FAILURE
    # The connection was given up, and with it the bound.
    assert exporter.export([spans.one("last")]) is SUCCESS

    assert reading().info().spans == 52
    assert len(said()) == 1
    assert "no room left on its disk" in said()[0]


def test_a_really_full_disk_harms_nobody(program: Callable[..., Program], path: Path) -> None:
    """Files may not grow beyond a limit; when it is lifted, everything is written."""
    source = """
        import resource
        writer = StoreWriter(path)
        assert writer.write_ended(ended(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        results = [writer.write_ended(ended(20, text="x" * 3000)) for _ in range(10)]
        assert not results[-1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert writer.flush(now=True)
        assert writer.dropped == 0
        writer.close()
    """

    errors = program(source).ends()

    assert errors.count("\n") == 1, errors
    assert "cannot be" in errors
    with open_store(path) as store:
        assert store.info().spans == 201


def test_a_damaged_store_is_set_aside_and_a_new_one_begun(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    reading: Callable[[], Store],
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, but somebody's bytes " * 100)
    before = path.read_bytes()

    assert exporter.export([spans.one()]) is SUCCESS

    kept = next(path.parent.glob("traces.db.corrupt-*"))
    assert kept.read_bytes() == before
    assert reading().info().spans == 1
    assert said() == [
        f"flowspan: the store {path} was damaged; it is kept as {kept.name}, and a new one is begun"
    ]


def test_the_log_of_a_damaged_store_is_set_aside_with_it(path: Path) -> None:
    """A new store must never meet the log of the old one."""
    path.parent.mkdir()
    path.write_bytes(b"damage")
    path.with_name("traces.db-wal").write_bytes(b"log")

    kept = set_aside(path, identity(path))

    assert kept is not None
    assert sorted(file.name for file in path.parent.iterdir()) == [kept.name, f"{kept.name}-wal"]
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"log"


def test_damage_in_mid_run_loses_no_further_span(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    reading: Callable[[], Store],
) -> None:
    for _ in range(5):
        exporter.export([spans.one("work", text="x" * 900) for _ in range(100)])
    exporter.shutdown()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xde\xad" * (len(content[4096:]) // 2)
    path.write_bytes(content)

    assert exporter.export([spans.one("after")]) is SUCCESS

    assert [run.name for run in reading().runs()] == ["after"]
    kept = next(path.parent.glob("traces.db.corrupt-*")).read_bytes()
    assert kept[4096:] == content[4096:]
    assert len(said()) == 1


def test_two_damaged_stores_within_a_second_are_both_kept(
    exporter: StoreSpanExporter, path: Path, spans: Spans
) -> None:
    for _ in range(3):
        exporter.shutdown()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"damage" * 1_000)
        assert exporter.export([spans.one()]) is SUCCESS

    assert len(list(path.parent.glob("traces.db.corrupt-*"))) == 3


def test_a_damaged_store_that_another_process_has_set_aside_is_left_to_it(
    exporter: StoreSpanExporter, path: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"the new one")

    assert set_aside(path, (1, 2)) is None
    assert set_aside(path, None) is None
    assert path.read_bytes() == b"the new one"


def test_a_file_that_is_not_called_a_database_is_never_renamed(
    tmp_path: Path, spans: Spans, said: Callable[[], list[str]]
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes, which are not a store\n" * 100)

    assert StoreSpanExporter(notes).export([spans.one()]) is FAILURE

    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    assert len(said()) == 1
    assert f"{notes} is not a flowspan store: set FLOWSPAN_STORE to another file" in said()[0]


def test_a_newer_store_is_left_alone_and_nothing_waits_for_it(
    exporter: StoreSpanExporter, path: Path, spans: Spans, said: Callable[[], list[str]]
) -> None:
    exporter.export([spans.one()])
    exporter.shutdown()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    assert exporter.export([spans.one()]) is FAILURE
    assert exporter.export([spans.one()]) is FAILURE

    assert exporter.writer is not None
    assert exporter.writer.waiting == 0
    assert len(said()) == 1
    assert "was written by a newer flowspan" in said()[0]
    assert said()[0].endswith("; nothing is stored")


def test_another_programs_database_is_left_alone(
    exporter: StoreSpanExporter, path: Path, spans: Spans, said: Callable[[], list[str]]
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")

    assert exporter.export([spans.one()]) is FAILURE

    assert len(said()) == 1
    assert "database of another program" in said()[0]


def test_a_folder_that_is_deleted_in_mid_run_is_made_anew(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    reading: Callable[[], Store],
) -> None:
    exporter.export([spans.one("before")])
    shutil.rmtree(path.parent)

    assert exporter.export([spans.one("after")]) is SUCCESS

    assert [run.name for run in reading().runs()] == ["after"]
    assert said() == []


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, spans: Spans, said: Callable[[], list[str]]
) -> None:
    (tmp_path / "file").touch()

    exporter = StoreSpanExporter(tmp_path / "file" / "traces.db")
    assert exporter.export([spans.one()]) is FAILURE

    assert len(said()) == 1
    assert "cannot be opened" in said()[0]
    assert "FLOWSPAN_STORE" in said()[0]


READ_ONLY = """
    exporter = StoreSpanExporter(path)
    results = [exporter.export(ended(1)).name for _ in range(3)]
    assert results == ["FAILURE"] * 3, results
    say("failed")
    sys.stdin.readline()
    assert exporter.force_flush()
    exporter.shutdown()
"""


def as_an_ordinary_user() -> tuple[str, ...]:
    """How to start a program that may not do more than a file's mode says."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("the superuser may write everywhere, and there is no setpriv to change that")
    return (setpriv, "--bounding-set=-dac_override,-dac_read_search", "--")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_store_delays_what_is_written(
    what: str,
    program: Callable[..., Program],
    path: Path,
    exporter: StoreSpanExporter,
    spans: Spans,
) -> None:
    exporter.export([spans.one()])
    exporter.shutdown()
    place = path if what == "file" else path.parent
    mode = place.stat().st_mode
    place.chmod(mode & ~0o222)
    try:
        one = program(READ_ONLY, wrapper=as_an_ordinary_user())
        one.hears("failed")
    finally:
        place.chmod(mode)
    one.tell()

    errors = one.ends()

    assert errors.count("\n") == 1, errors
    assert f"the store {path} cannot be" in errors
    with open_store(path) as store:
        assert store.info().spans == 4


def test_a_store_can_be_read_where_nothing_may_be_written(
    program: Callable[..., Program], path: Path, exporter: StoreSpanExporter, spans: Spans
) -> None:
    exporter.export([spans.one()])
    exporter.shutdown()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    source = """
        from flowspan.store.queries import open_store
        with open_store(path) as store:
            assert len(store.runs()) == 1
    """
    try:
        program(source, wrapper=as_an_ordinary_user()).ends()
    finally:
        path.parent.chmod(0o700)


def test_a_disk_that_cannot_be_read_delays_what_is_written(
    program: Callable[..., Program], path: Path
) -> None:
    """SQLite's own descriptors are replaced by ones that cannot be read, as a dead disk's."""
    source = """
        exporter = StoreSpanExporter(path)
        results = [exporter.export(ended(1)).name]
        closed, _ = os.pipe()
        for name in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            if target.startswith(str(path)) and not target.endswith("-shm"):
                os.dup2(closed, int(name))
        results += [exporter.export(ended(1)).name for _ in range(2)]
        exporter.shutdown()
        assert results == ["SUCCESS", "FAILURE", "SUCCESS"], results
    """
    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112 - not a path of ours
        pytest.skip("descriptors are listed on Linux only")

    errors = program(source).ends()

    assert errors.count("\n") == 1, errors
    assert "check its disk" in errors
    with open_store(path) as store:
        assert store.info().spans == 3


def test_too_many_waiting_spans_give_way_and_are_counted(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert exporter.writer is not None
    exporter.export([spans.one()])
    exporter.writer._backlog._most_spans = 3
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert exporter.export([spans.one() for _ in range(5)]) is FAILURE

    assert exporter.writer.dropped == 2
    assert exporter.writer.waiting == 3
    assert any("the oldest are lost" in sentence for sentence in said())


def test_a_failed_write_is_not_tried_again_at_once(
    exporter: StoreSpanExporter, path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans come four times a second; a store that fails is asked less and less often."""
    monkeypatch.setattr(writing, "_LONGEST_DELAY", 1_000.0)
    assert exporter.writer is not None
    exporter.writer._delay = 1_000.0
    path.parent.mkdir()
    path.mkdir()
    assert exporter.export([spans.one()]) is FAILURE
    path.rmdir()

    exporter.writer._delay = 1_000.0
    exporter.writer._retry_at += 1_000.0
    assert exporter.export([spans.one()]) is FAILURE
    assert exporter.force_flush()


def test_without_a_store_nothing_is_stored_and_nothing_said(
    spans: Spans, said: Callable[[], list[str]]
) -> None:
    exporter = StoreSpanExporter(settings=config.Settings(store_enabled=False))

    assert exporter.export([spans.one()]) is SUCCESS
    assert exporter.force_flush()
    exporter.shutdown()
    assert (exporter.path, exporter.writer, said()) == (None, None, [])


def test_a_setting_that_is_no_path_is_said_and_nothing_stored(
    spans: Spans, said: Callable[[], list[str]]
) -> None:
    exporter = StoreSpanExporter(settings=config.Settings(store="http://here"))

    assert exporter.export([spans.one()]) is SUCCESS
    assert len(said()) == 1
    assert "FLOWSPAN_STORE='http://here'" in said()[0]


def test_without_arguments_the_environment_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWSPAN_STORE", str(tmp_path / "here.db"))

    assert StoreSpanExporter().path == tmp_path / "here.db"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StoreError("x"), "refused"),
        (sqlite3.OperationalError("x"), "other"),
        (ValueError("x"), "other"),
        (OSError("x"), "unreachable"),
    ],
)
def test_every_error_is_of_some_kind(error: Exception, kind: str, path: Path) -> None:
    assert faults.kind_of(error) == kind
    assert faults.sentence(error, path)


def test_readers_get_one_sentence(path: Path, spans: Spans) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        open_store(path)
    path.parent.mkdir()
    path.write_bytes(b"damage" * 1_000)
    with pytest.raises(StoreError, match=r"cannot be read \(file is not a database\)"):
        open_store(path)


def test_a_store_that_is_damaged_while_it_is_open_gives_readers_one_sentence(
    exporter: StoreSpanExporter, path: Path, spans: Spans, reading: Callable[[], Store]
) -> None:
    exporter.export([spans.one()])
    exporter.shutdown()
    store = reading()
    path.write_bytes(b"damage" * 1_000)

    with pytest.raises(StoreError, match="cannot be read"):
        store.runs()


def test_what_is_said_about_refusals_is_what_was_raised(path: Path) -> None:
    refusal: Any = StoreError("in words")

    assert faults.reading_sentence(refusal, path) == "in words"


def test_a_damaged_store_that_cannot_be_renamed_stays(
    tmp_path: Path, spans: Spans, said: Callable[[], list[str]]
) -> None:
    """Its name is as long as names may be."""
    path = tmp_path / ("x" * 240 + ".db")
    path.write_bytes(b"damage" * 1_000)

    assert StoreSpanExporter(path).export([spans.one()]) is FAILURE

    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert len(said()) == 1


def test_a_damaged_store_that_was_replaced_meanwhile_is_not_mentioned(
    exporter: StoreSpanExporter, path: Path, said: Callable[[], list[str]]
) -> None:
    assert exporter.writer is not None
    path.parent.mkdir()
    path.touch()

    assert exporter.writer._set_aside(deadline=0)

    assert said() == []


def test_a_file_that_may_not_be_written_is_not_even_opened(
    exporter: StoreSpanExporter,
    path: Path,
    spans: Spans,
    said: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert exporter.export([spans.one()]) is FAILURE

    assert [file.name for file in path.parent.iterdir()] == ["traces.db"]
    assert "is read-only" in said()[0]


def test_where_the_log_cannot_be_shared_there_is_none(
    exporter: StoreSpanExporter, path: Path, spans: Spans, reading: Callable[[], Store]
) -> None:
    path.parent.mkdir()
    path.with_name("traces.db-shm").mkdir()

    assert exporter.export([spans.one()]) is SUCCESS

    path.with_name("traces.db-shm").rmdir()
    assert reading().info().journal_mode != "wal"


def test_who_cannot_have_the_writer_in_time_does_without(
    exporter: StoreSpanExporter, spans: Spans
) -> None:
    assert exporter.writer is not None
    with exporter.writer._lock:
        assert exporter.export([spans.one()]) is FAILURE
        assert not exporter.writer.close(0)
        assert not exporter.writer.attempt(lambda _: True)

    assert exporter.force_flush()


def test_a_thread_that_cannot_be_started_any_more_harms_nobody(
    exporter: StoreSpanExporter, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(background, "start_new_thread", refuse)

    assert exporter.export([spans.one()]) is SUCCESS
    exporter.shutdown()
