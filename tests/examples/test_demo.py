"""``make demo``, as somebody who has just cloned the project starts it."""

from __future__ import annotations

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

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = Path(sys.executable).parent


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the examples in it, so that nothing is written into the real one."""
    shutil.copytree(
        EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("output", "__pycache__")
    )
    return tmp_path


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


def test_it_shows_a_run_and_commands_that_work(clone: Path) -> None:
    """Whatever the user has set, a proxy included, it runs as without any setting."""
    odd = {
        "FLOWSPAN_STORE": "off",
        "FLOWSPAN_DETAIL": "minimal",
        "OTEL_SDK_DISABLED": "true",
        "http_proxy": "http://127.0.0.1:9",
        "NO_COLOR": "1",
        "COLUMNS": "72",
    }
    program = demo(clone, **odd)
    out, _ = program.communicate(timeout=60)

    assert program.returncode == 0, out
    assert ".demo/output/article.md: 119 words" in out
    assert "write an article ok" in out
    assert re.search(r"9 steps · 9 nodes · 13 model calls", out)
    assert "\x1b" not in out
    assert "\r" not in out

    after = out.partition("Go on with:\n")[2]
    commands = re.findall(r"^  (\S*flowspan .*)$", after, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        words = [str(SCRIPTS / "flowspan"), *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert done.stdout


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
