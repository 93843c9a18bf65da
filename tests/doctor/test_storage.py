"""The embedded store, as the doctor sees it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from flowspan import config
from flowspan.doctor import storage
from flowspan.store.clickhouse import database
from flowspan.store.clickhouse.relations import Relations
from flowspan.store.exporter import StoreSpanExporter

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "traces.db"
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(StoreSpanExporter(path)))
    provider.get_tracer("tests").start_span("run").end()
    provider.shutdown()
    return path


def _finding(store: object, **settings: Any) -> Any:
    (found,) = storage.findings(replace(config.load({}), store=str(store), **settings))
    return found


def test_described(path: Path) -> None:
    """A store has a place, a size, a schema, and so many runs."""
    found = _finding(path)

    assert found.level == "ok"
    assert found.text.startswith(f"{path}: 1 run, 1 span, ")
    assert found.data["exists"]
    assert found.data["runs"] == 1
    assert found.data["size_bytes"] > 0


def test_off() -> None:
    """A store that is off is said to be."""
    (found,) = storage.findings(config.load({"FLOWSPAN_STORE": "off"}))

    assert found.level == "note"


def test_not_yet(tmp_path: Path) -> None:
    """A store that is not there yet is made by the first run."""
    found = _finding(tmp_path / "a" / "b" / "traces.db")

    assert (found.level, found.data["exists"]) == ("ok", False)


def test_in_the_way(tmp_path: Path) -> None:
    """A file where a folder would have to be is a problem."""
    (tmp_path / "file").touch()

    found = _finding(tmp_path / "file" / "b" / "traces.db")

    assert found.level == "problem"
    assert f"{tmp_path / 'file'} may not be written" in found.text


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:  # pragma: no cover - not as root
    """A folder that may not be written is a problem."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)

    assert _finding(folder / "traces.db").level == "problem"


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_read_only_file(path: Path) -> None:  # pragma: no cover - not as root
    """A store that may not be written is a problem."""
    path.chmod(0o400)

    assert "may not be written" in _finding(path).text


def test_read_only_for_anybody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the tests run as root, for whom the system's answer is made up."""
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = _finding(path)

    assert (found.level, found.remedy.startswith("allow writing to")) == ("problem", True)


def test_nearly_full(path: Path) -> None:
    """Before runs are deleted for want of room the user is told."""
    found = _finding(path, store_max_mb=0.001)

    assert found.level == "note"
    assert "FLOWSPAN_STORE_MAX_MB" in found.remedy


def test_broken(tmp_path: Path) -> None:
    """A file that is no store is a problem."""
    broken = tmp_path / "traces.db"
    broken.write_text("no store " * 1000)

    found = _finding(broken)

    assert found.level == "problem"
    assert str(broken) in found.text


def test_no_path_at_all() -> None:
    """A setting that is no path is a problem."""
    assert _finding("http://store").level == "problem"


def test_database_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that cannot be read is a problem."""
    monkeypatch.setattr(database, "find_spec", lambda _: None)

    found = _finding("clickhouse://u:secret@host/otel")

    assert found.level == "problem"
    assert found.text.startswith("reading clickhouse://u@host/otel needs clickhouse-connect")


def test_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database is described by what a collector has written; a large one wants our tables."""
    collected = Relations(database="otel", columns={"otel_traces": ()})
    found = []
    for survey in (
        database.Survey(relations=collected),
        database.Survey(relations=collected, spans=6_000_000, size_bytes=3 << 20),
    ):
        monkeypatch.setattr(database, "survey", lambda _, survey=survey: survey)
        found.append(_finding("clickhouse://host/otel"))

    small, large = found
    assert small.text == "clickhouse://host/otel: written by a collector, read here"
    assert (small.level, large.level) == ("ok", "note")
    assert "6,000,000 spans, 3.0 MiB" in large.text
    assert "flowspan store ddl --clickhouse" in large.remedy
    assert large.data["spans"] == 6_000_000
