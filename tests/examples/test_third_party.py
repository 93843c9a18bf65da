"""An integration that somebody else publishes: built, installed, found; and a broken one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from flowspan.instrumentation import discovery

pytest.importorskip("hatchling", reason="builds the template's wheel without a network")

pytestmark = pytest.mark.timeout(300)  # starts several programs, also on a busy machine

TEMPLATE = Path(__file__).parents[2] / "examples" / "third_party"
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
BROKEN = {
    "absent": "ImportError: no engine here",
    "ends": "SystemExit: 3",
    "other": "expected a flowspan Integration, found dict",
    "odd": "expected rows of type Patch, found str",
}


def describe(site: Path, name: str, entry_points: str = "") -> None:
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's wheel, made by its own build backend in a copy of its folder."""
    folder = tmp_path_factory.mktemp("template")
    source = shutil.copytree(TEMPLATE, folder / "source")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, folder],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    return folder / built.stdout.strip()


@pytest.fixture
def site(wheel: Path, tmp_path: Path) -> Path:
    """A folder with the installed integration and the engine, as ``pip install --target`` does."""
    folder = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    assert sorted(path.name for path in folder.glob("*.py")) == ["flowspan_relay.py"]
    shutil.copy(TEMPLATE / "relay.py", folder)
    describe(folder, "relay")
    return folder


OTHERS = ",".join(f"flowspan-{one.name}" for one in discovery.built_in())
"""What the doctor would import as well, which takes its time and is not meant here."""


def start(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(TEMPLATE / "race.py", site.parent / "program.py")
    return subprocess.run(
        [sys.executable, "-m", "flowspan", *command],
        cwd=site.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(site),
            "FLOWSPAN_STORE": str(site.parent / "store.db"),
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": OTHERS,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def answer(site: Path, *command: str) -> Any:
    return json.loads(start(site, *command, "--json").stdout)


def names(site: Path) -> list[tuple[int, str]]:
    shown = answer(site, "show", "last")
    return [(span["depth"], span["name"]) for span in shown["spans"]]


def about(site: Path, *subjects: str) -> dict[str, dict[str, Any]]:
    sections = answer(site, "doctor")["sections"]
    findings = [finding for section in sections for finding in section["findings"]]
    return {
        finding["subject"]: finding
        for finding in findings
        if finding["subject"].split(" ")[0] in subjects
    }


TREE = [(0, "invoke_workflow final"), (1, "run_step ana"), (1, "run_step bo")]


def test_an_installed_integration_works_and_doctor_knows_it(site: Path) -> None:
    result = start(site, "run", sys.executable, "program.py")

    assert (result.returncode, result.stdout) == (0, "{'metres': 200}\n")
    assert names(site) == TREE
    finding = about(site, "relay")["relay 1.0"]
    assert (finding["level"], finding["text"]) == ("ok", "3 of 3 rows apply")


def test_the_templates_own_test_is_green(site: Path) -> None:
    shutil.copy(TEMPLATE / "test_flowspan_relay.py", site.parent)
    (site.parent / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope=function")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_flowspan_relay.py"],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )

    assert result.returncode == 0, result.stdout


def test_a_broken_one_costs_a_sentence_and_nothing_else(site: Path) -> None:
    """It cannot be imported, ends the process, is something else, or has rows that are none."""
    (site / "absent.py").write_text("raise ImportError('no engine here')\n")
    (site / "ends.py").write_text("import sys; sys.exit(3)\n")
    (site / "other.py").write_text("INTEGRATION = {}\n")
    (site / "odd.py").write_text(
        "from flowspan import Integration\nINTEGRATION = Integration('odd', '', ('relay:Race',))\n"
    )
    lines = [f"{name} = {name}:INTEGRATION" for name in BROKEN]
    describe(site, "careless", "\n".join(["[flowspan_integration]", *lines]))

    result = start(site, "run", sys.executable, "program.py")

    assert (result.returncode, result.stdout) == (0, "{'metres': 200}\n")
    assert names(site) == TREE
    said = result.stderr.splitlines()
    for name, reason in BROKEN.items():
        about_it = [line for line in said if f"'{name}'" in line]
        assert len(about_it) == 1, result.stderr
        assert reason in about_it[0]
    found = about(site, "relay", *BROKEN)
    assert found["relay 1.0"]["level"] == "ok"
    for name in ("absent", "ends", "other", "odd"):
        assert found[name]["level"] == "problem"
    assert "published by careless" in found["absent"]["text"]
    assert found["absent"]["remedy"].startswith("update or remove the package")
