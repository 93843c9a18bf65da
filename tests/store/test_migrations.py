from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flowspan.errors import StoreError, StoreTooNewError
from flowspan.store import migrations, opening
from flowspan.store.opening import open_for_writing
from flowspan.store.queries import Store
from flowspan.store.writer import StoreWriter

if TYPE_CHECKING:
    from tests.store.conftest import Spans


def opened(path: Path) -> sqlite3.Connection:
    return open_for_writing(path, deadline=time.monotonic() + 10)


def value(connection: sqlite3.Connection, statement: str) -> object:
    return connection.execute(statement).fetchone()[0]


def test_a_new_store_is_private_and_in_wal_mode(path: Path) -> None:
    with closing(opened(path)) as connection:
        assert value(connection, "PRAGMA journal_mode") == "wal"
        assert value(connection, "PRAGMA auto_vacuum") == 2
        assert value(connection, "PRAGMA user_version") == migrations.LATEST
        assert value(connection, "SELECT count(*) FROM spans") == 0
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_of_the_users_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    opened(tmp_path / "traces.db").close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "traces.db").touch()

    with closing(opened(tmp_path / "traces.db")) as connection:
        assert value(connection, "PRAGMA auto_vacuum") == 2


def test_a_store_of_a_newer_flowspan_is_refused_and_left_alone(path: Path) -> None:
    with closing(opened(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    with pytest.raises(StoreTooNewError, match=r"newer flowspan.*upgrade flowspan"):
        opened(path)

    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"database of another program.*FLOWSPAN_STORE"):
        opened(path)

    assert path.read_bytes() == before


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "traces.db").mkdir()

    with pytest.raises(StoreError, match="is not a file"):
        opened(tmp_path / "traces.db")


def test_an_older_store_is_brought_to_the_present_form(
    path: Path,
    spans: Spans,
    reading: Callable[[], Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was stored is still there, for a writer and for a reader that comes first."""
    with closing(StoreWriter(path)) as writer:
        writer.write_ended([spans.one()])
    later = (*migrations.MIGRATIONS, ("CREATE TABLE log (id INTEGER PRIMARY KEY)",))
    monkeypatch.setattr(migrations, "MIGRATIONS", later)
    monkeypatch.setattr(migrations, "LATEST", len(later))

    store = reading()

    assert store.info().schema_version == len(later)
    assert store.info().spans == 1


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(path).close()
    broken = (*migrations.MIGRATIONS, ("CREATE TABLE log (id)", "CREATE TABLE log (id)"))
    monkeypatch.setattr(migrations, "MIGRATIONS", broken)
    monkeypatch.setattr(migrations, "LATEST", len(broken))

    with pytest.raises(sqlite3.OperationalError):
        opened(path)

    monkeypatch.undo()
    with closing(opened(path)) as connection:
        assert value(connection, "PRAGMA user_version") == migrations.LATEST
        assert value(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'log'") == 0
        assert value(connection, "SELECT count(*) FROM spans") == 0


def test_a_reader_delays_the_change_of_how_the_file_is_kept(
    path: Path,
    when_locked: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A store that was on a network disk is on a local one now, and somebody is reading it."""
    with monkeypatch.context() as remote:
        remote.setattr(opening, "_has_shared_memory", lambda _: False)
        opened(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM spans").fetchall()
        when_locked(lambda: reader.execute("ROLLBACK"))

        with closing(opened(path)) as connection:
            assert value(connection, "PRAGMA journal_mode") == "wal"
            assert not reader.in_transaction


def test_migrations_follow_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = (*migrations.MIGRATIONS, ("CREATE TABLE a (b)",), ("CREATE TABLE c (d)",))
    monkeypatch.setattr(migrations, "MIGRATIONS", later)
    monkeypatch.setattr(migrations, "LATEST", len(later))

    with closing(opened(path)) as connection:
        assert value(connection, "SELECT count(*) FROM a, c, spans") == 0
        assert value(connection, "PRAGMA user_version") == len(later)


def test_a_migration_that_another_process_made_first_is_not_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = migrations.check

    def slow(connection: sqlite3.Connection, name: object) -> int:
        found = check(connection, name)
        monkeypatch.setattr(migrations, "check", check)
        opened(path).close()
        return found

    path.parent.mkdir()
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        monkeypatch.setattr(migrations, "check", slow)
        migrations.migrate(connection, path)

        assert value(connection, "PRAGMA user_version") == migrations.LATEST


def test_a_store_that_another_process_is_just_making_is_waited_for(
    path: Path, when_locked: Callable[[Callable[[], object]], None]
) -> None:
    path.parent.mkdir()
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        when_locked(lambda: other.execute("ROLLBACK"))

        with closing(opened(path)) as connection:
            assert value(connection, "SELECT count(*) FROM spans") == 0
            assert not other.in_transaction


def test_many_that_make_the_store_at_the_same_time_make_one(path: Path) -> None:
    failures: list[Exception] = []
    together = threading.Barrier(8)

    def begin() -> None:
        together.wait()
        try:
            opened(path).close()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with closing(opened(path)) as connection:
        assert value(connection, "PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize(
    ("mounts", "shared"),
    [
        ("/dev/sda / ext4 rw 0 0\n", True),
        ("/dev/sda / ext4 rw 0 0\nhost:/x {place} nfs4 rw 0 0\n", False),
        ("/dev/sda / ext4 rw 0 0\nme@host {place} fuse.sshfs rw 0 0\n", False),
        ("/dev/sda / nfs rw 0 0\ntmpfs {place} tmpfs rw 0 0\n", True),
        ("host:/x {place}/elsewhere nfs4 rw 0 0\n", True),
        (r"host:/x {place}/with\040blank nfs4 rw 0 0" + "\n", False),
        ("", True),
        (None, True),
    ],
)
def test_shared_memory_is_not_used_on_network_file_systems(
    mounts: str | None, *, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    if mounts is not None:
        table.write_text(mounts.replace("{place}", str(tmp_path)))
    monkeypatch.setattr(opening, "_MOUNTS", table)

    with closing(opened(tmp_path / "with blank" / "traces.db")) as connection:
        mode = value(connection, "PRAGMA journal_mode")

    assert mode == ("wal" if shared else "truncate")


def test_a_store_without_shared_memory_works_as_well(
    path: Path,
    spans: Spans,
    reading: Callable[[], Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "_has_shared_memory", lambda _: False)

    with closing(StoreWriter(path)) as writer:
        assert writer.write_ended([spans.one()])

    assert reading().info().journal_mode == "delete"
    assert len(reading().runs()) == 1
