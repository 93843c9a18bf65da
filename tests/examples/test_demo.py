"""``make demo``, as somebody who has just cloned the project starts it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = Path(sys.executable).parent
CONTRACT = (EXAMPLES.parent / "docs" / "telemetry.md").read_text("utf-8")


ODD = {
    "FLOWSPAN_STORE": "off",
    "FLOWSPAN_DETAIL": "minimal",
    "OTEL_SDK_DISABLED": "true",
    "http_proxy": "http://127.0.0.1:9",
    "NO_COLOR": "1",
    "COLUMNS": "72",
}
"""What a user may have set, and the demo is not to care about, but for the last two."""


def cloned(folder: Path) -> Path:
    """A folder with the examples in it, so that nothing is written into the real one."""
    unwanted = shutil.ignore_patterns("output", "__pycache__")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=unwanted)
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return cloned(tmp_path)


def demo(clone: Path, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "examples/demo.py"],
        cwd=clone,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


class Shown(NamedTuple):
    """A demo that has run: where, and what it printed."""

    folder: Path
    out: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = cloned(tmp_path_factory.mktemp("clone"))
    program = demo(folder, **ODD)
    out, _ = program.communicate(timeout=60)
    assert program.returncode == 0, out
    return Shown(folder, out)


def flowspan(shown: Shown, *words: str) -> str:
    done = subprocess.run(
        [SCRIPTS / "flowspan", *words],
        cwd=shown.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_it_shows_a_run_as_text_for_a_pipe(shown: Shown) -> None:
    assert ".demo/output/article.md: 119 words" in shown.out
    assert "write an article ok" in shown.out
    assert "9 steps · 9 nodes · 13 model calls" in shown.out
    assert "\x1b" not in shown.out
    assert "\r" not in shown.out


def test_the_commands_to_go_on_with_work(shown: Shown) -> None:
    after = shown.out.partition("Go on with:\n")[2]

    commands = re.findall(r"^  \S*flowspan (.*)$", after, re.MULTILINE)

    assert len(commands) == 3
    assert all(flowspan(shown, *shlex.split(command)) for command in commands)


def test_what_it_records_is_in_the_contract(shown: Shown) -> None:
    """Every name is on the page about telemetry, but for those of the example's own map."""
    run = json.loads(flowspan(shown, "show", "last", "--store", ".demo", "--json"))
    named = {name for span in run["spans"] for name in span["attributes"]}
    for span in run["spans"]:
        named |= {event["name"] for event in span["events"]}
        named |= {name for event in span["events"] for name in event["attributes"]}

    unknown = {name for name in named if f"`{name}`" not in CONTRACT}

    assert {name.partition(".")[0] for name in unknown} == {"writer"}


def test_its_files_are_fresh_each_time_and_below_one_folder(clone: Path) -> None:
    stale = clone / ".demo" / "stale.txt"
    stale.parent.mkdir()
    stale.write_text("from the last time")

    demo(clone).communicate(timeout=60)

    assert not stale.exists()
    assert {one.name for one in clone.iterdir()} == {".demo", "examples"}
    assert (clone / ".demo" / "traces.db").is_file()


def test_a_failing_example_says_why(clone: Path) -> None:
    (clone / "examples" / "recursive_writer" / "engine.py").write_text("raise OSError('no ink')\n")

    program = demo(clone)
    out, _ = program.communicate(timeout=60)

    assert program.returncode == 1
    assert "OSError: no ink" in out
    assert "ended with exit code 1" in out


def test_it_can_be_interrupted(clone: Path) -> None:
    program = demo(clone)
    try:
        until((clone / ".demo" / "output").exists)
        os.killpg(program.pid, signal.SIGINT)
        out, _ = program.communicate(timeout=60)
    finally:
        program.kill()

    assert program.returncode == 130
    assert "demo.py" not in out, "no traceback of the demo's own"


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
