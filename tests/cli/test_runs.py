"""``flowspan runs``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest


def test_runs(cli: Any, store: Any) -> None:
    """The newest run comes first, with its error; unknown money is marked."""
    answer = cli("runs", "--store", store.path)

    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0].split()[:3] == ["run", "started", "workflow"]
    assert "poem" in lines[1]
    assert "✗ error" in lines[1]
    assert lines[1].endswith("?")
    assert lines[2].endswith(r"Boom: no \x1b[31mmore\x1b[0m")
    assert "story" in lines[3]
    assert "$0.25" in lines[3]


def test_json(cli: Any, store: Any) -> None:
    """The same for machines."""
    document = cli("runs", "--store", store.path, "--json").json

    assert [run["workflow"] for run in document["runs"]] == ["poem", "story"]
    assert document["runs"][1]["cost"] == {"usd": 0.25, "status": "priced", "unpriced_calls": 0}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--limit", "1"], ["poem"]),
        (["--workflow", "story"], ["story"]),
        (["--engine", "writer"], ["poem", "story"]),
        (["--engine", "other"], []),
        (["--status", "ok"], ["story"]),
        (["--status", "ok", "--status", "error"], ["poem", "story"]),
        (["--status", "running"], []),
        (["--since", "1h"], ["poem", "story"]),
        (["--since", "0s"], []),
    ],
)
def test_filters(cli: Any, store: Any, options: list[str], found: list[str]) -> None:
    """Each option leaves the runs that it names."""
    document = cli("runs", "--store", store.path, "--json", *options).json

    assert [run["workflow"] for run in document["runs"]] == found


def test_nothing_matches(cli: Any, store: Any) -> None:
    """That nothing matches is another thing than that nothing is there."""
    answer = cli("runs", "--store", store.path, "--workflow", "nosuch", columns=180)

    assert answer.out == f"No run in {store.path} matches.\n"


def test_no_store_yet(cli: Any, tmp_path: Path) -> None:
    """Before the first run the command says what to do next; for machines the list is empty."""
    answer = cli("runs", "--store", tmp_path / "none", columns=180)

    assert answer.code == 0
    assert f"No run is recorded yet in {tmp_path / 'none' / 'traces.db'}." in answer.out
    assert "flowspan run python your_program.py" in answer.out
    assert cli("runs", "--store", tmp_path / "none", "--json").json["runs"] == []
    assert not (tmp_path / "none").exists()


def test_store_of_the_environment(cli: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless named the store is the one of the environment, else that of the user."""
    assert "No run is recorded yet" in cli("runs").out

    monkeypatch.setenv("FLOWSPAN_STORE", str(store.path))

    assert "poem" in cli("runs").out


def test_store_is_off(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was turned off is said to be."""
    monkeypatch.setenv("FLOWSPAN_STORE", "off")

    answer = cli("runs")

    assert answer.code == 1
    assert answer.err.startswith("flowspan: the store is turned off by FLOWSPAN_STORE")


def test_bad_time(cli: Any, store: Any) -> None:
    """A time that cannot be understood is answered with one that can."""
    answer = cli("runs", "--store", store.path, "--since", "yesterday")

    assert answer.code == 1
    assert "write how long ago, as 30m" in answer.err


def test_broken_store(cli: Any, tmp_path: Path) -> None:
    """A file that is no store is named in one sentence."""
    broken = tmp_path / "broken.db"
    broken.write_text("not a store, " * 100)

    answer = cli("runs", "--store", broken)

    assert answer.code == 1
    assert answer.err.startswith("flowspan: ")
    assert str(broken) in answer.err
    assert answer.err.count("\n") == 1


def test_newer_store(cli: Any, store: Any) -> None:
    """A store of a newer flowspan is refused with the reason."""
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    answer = cli("runs", "--store", store.path)

    assert answer.code == 1
    assert "newer" in answer.err


def test_narrow_terminal(cli: Any, store: Any) -> None:
    """A narrow terminal gets fewer columns."""
    answer = cli("runs", "--store", store.path, columns=50)

    assert max(map(len, answer.out.splitlines())) <= 50
