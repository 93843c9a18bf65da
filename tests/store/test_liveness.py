from __future__ import annotations

import fcntl
import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from flowspan.store import liveness
from flowspan.store.liveness import Presence, is_alive, lock_folder, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def presence(path: Path) -> Iterator[Presence]:
    presence = Presence(path)
    yield presence
    presence.forget()


def alive(presence: Presence, path: Path, **changes: object) -> bool:
    return is_alive(presence.record()._replace(**changes), path, time.time_ns())  # type: ignore[arg-type]


def test_a_process_is_alive_while_it_holds_its_lock(presence: Presence, path: Path) -> None:
    record = presence.record()
    assert is_alive(record, path, time.time_ns())

    presence.forget()

    assert not is_alive(record, path, time.time_ns())


def test_who_leaves_takes_the_lock_file_along(presence: Presence, path: Path) -> None:
    record = presence.record()

    presence.leave()

    assert not is_alive(record, path, time.time_ns())
    assert list(lock_folder(path).iterdir()) == []
    presence.leave()


def test_a_store_that_was_copied_elsewhere_has_nobody_in_it(
    presence: Presence, tmp_path: Path
) -> None:
    record = presence.record()

    assert not is_alive(record, tmp_path / "copy" / "traces.db", time.time_ns())


def test_the_lock_file_is_made_anew_where_it_was_deleted(presence: Presence, path: Path) -> None:
    presence.record()
    shutil.rmtree(path.parent)

    assert alive(presence, path)


@pytest.mark.parametrize(("seconds", "expected"), [(5, True), (25, True), (35, False)])
@pytest.mark.parametrize("change", [{"kernel": "another"}, {"lock": None}])
def test_without_a_lock_that_can_be_seen_the_last_sign_of_life_counts(
    seconds: int,
    expected: bool,  # noqa: FBT001 - a parameter of the test
    change: dict[str, object],
    presence: Presence,
    path: Path,
) -> None:
    seen_ns = time.time_ns() - seconds * 10**9

    assert alive(presence, path, seen_ns=seen_ns, **change) is expected


def test_a_lock_file_that_cannot_be_opened_says_nothing(presence: Presence, path: Path) -> None:
    """The last sign of life counts then, too."""
    path.parent.mkdir()
    loop = lock_folder(path) / "loop"
    lock_folder(path).mkdir()
    loop.symlink_to(loop)

    assert alive(presence, path, lock="loop")
    assert not alive(presence, path, lock="loop", seen_ns=0)


def test_without_a_place_for_locks_the_heartbeat_has_to_do(presence: Presence, path: Path) -> None:
    path.parent.mkdir()
    lock_folder(path).touch()

    assert presence.record().lock is None


def test_locks_of_the_dead_are_swept_away(presence: Presence, path: Path) -> None:
    record = presence.record()
    dead = Presence(path)
    dead.record()
    dead.forget()

    sweep(path)

    assert [file.name for file in lock_folder(path).iterdir()] == [record.lock]
    assert is_alive(record, path, time.time_ns())


def test_sweeping_where_nothing_is(path: Path) -> None:
    sweep(path)

    assert not path.parent.exists()


def test_a_lock_that_is_swept_away_while_it_is_taken_is_taken_again(
    presence: Presence, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making the file and locking it, a sweep may remove it."""
    flock = fcntl.flock
    swept: list[int] = []

    def sweeping(descriptor: int, how: int) -> None:
        if not swept:
            swept.append(how)
            shutil.rmtree(lock_folder(path))
            lock_folder(path).mkdir()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", sweeping)

    record = presence.record()

    monkeypatch.undo()
    assert is_alive(record, path, time.time_ns())


def test_a_lock_that_somebody_sweeping_holds_is_tried_again(
    presence: Presence, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    held: list[int] = []

    def holding(descriptor: int, how: int) -> None:
        if not held:
            held.append(how)
            raise BlockingIOError
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", holding)

    assert presence.record().lock is not None


@pytest.mark.parametrize("error", [BlockingIOError, OSError])
def test_where_locks_do_not_work_there_is_none(
    error: type[OSError], presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(_descriptor: int, _how: int) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", refusing)

    assert presence.record().lock is None


def test_without_the_module_for_locks_the_heartbeat_has_to_do(
    presence: Presence, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "fcntl", None)

    assert presence.record().lock is None
    assert alive(presence, path, lock="1")
    assert not alive(presence, path, lock="1", seen_ns=0)
    sweep(path)


def test_without_a_boot_id_the_kernel_is_known_by_the_machines_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_BOOT_ID", tmp_path / "none")

    assert liveness.kernel() == os.uname().nodename


def test_a_lock_that_went_while_it_was_looked_at_is_not_swept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name may be another file's by then."""
    dead = Presence(path)
    lock = lock_folder(path) / str(dead.record().lock)
    dead.forget()
    flock = fcntl.flock

    def replacing(descriptor: int, how: int) -> None:
        lock.rename(lock.with_name("old"))
        lock.touch()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replacing)

    liveness._remove_if_free(lock)

    assert lock.exists()
