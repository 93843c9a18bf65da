"""The files that Grafana and Prometheus read are those that the code makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboards import files

ROOT = Path(__file__).parents[2]


def test_the_committed_files_are_up_to_date() -> None:
    names = [str(path.relative_to(ROOT)) for path in files.stale()]

    assert names == [], "run: python -m dashboards"


def test_there_are_five_dashboards_each_in_a_file_by_its_uid() -> None:
    named = [path.stem for path, _ in files.made() if path.suffix == ".json"]

    assert named == [
        "flowspan-runs",
        "flowspan-time",
        "flowspan-money",
        "flowspan-models",
        "flowspan-health",
    ]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the tree."""
    monkeypatch.setattr(files, "FOLDER", tmp_path / "json")
    monkeypatch.setattr(files, "RULES", tmp_path / "rules" / "flowspan.yaml")
    return tmp_path


def test_what_is_stale_absent_or_made_no_more_is_put_right(elsewhere: Path) -> None:
    files.write()
    edited, absent = (elsewhere / "json" / f"flowspan-{name}.json" for name in ("runs", "time"))
    former = elsewhere / "json" / "former.json"
    right = edited.read_text("utf-8")
    edited.write_text("by hand")
    absent.unlink()
    former.write_text("{}")

    changed = files.write()

    assert changed == [edited, absent, former]
    assert edited.read_text("utf-8") == right
    assert absent.exists()
    assert not former.exists()
    assert files.write() == []


def test_the_command_says_that_all_is_as_it_should_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dashboards", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")
