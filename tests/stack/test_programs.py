"""Programs are started, waited for and stopped by their own ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stack import program as programs
from stack.errors import ProgramError
from stack.ports import free_ports
from stack.program import Program

ROOT = Path(__file__).parents[2]

SERVER = """
import http.server, signal, sys

if sys.argv[2:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def made(folder: Path, source: str, *words: str) -> Program:
    port = free_ports(["http"])["http"]
    return Program(
        "the server",
        (sys.executable, "-c", source, str(port), *words),
        environment={},
        ready=f"http://127.0.0.1:{port}/",
        log=folder / "server.log",
    )


def test_a_program_is_ready_once_it_is_started_and_gone_once_it_is_stopped(tmp_path: Path) -> None:
    server = made(tmp_path, SERVER)
    assert server.process_id is None

    server.start()
    process_id = server.process_id
    assert process_id is not None
    server.stop()
    server.stop()

    assert server.process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_a_program_may_be_killed_and_started_again_where_it_was(tmp_path: Path) -> None:
    server = made(tmp_path, SERVER).start()
    server.kill()
    server.kill()
    server.start()
    server.stop()


def test_a_program_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "STOP_SECONDS", 0.2)
    server = made(tmp_path, SERVER, "stubborn").start()

    server.stop()

    assert server.process_id is None


def test_a_program_that_ends_instead_shows_its_last_lines(tmp_path: Path) -> None:
    server = made(tmp_path, "import sys; sys.exit('cannot read: config.yaml')")

    with pytest.raises(ProgramError) as raised:
        server.start()

    assert str(raised.value) == (
        "the server ended with status 1 before it was ready:\ncannot read: config.yaml"
    )


def test_a_program_that_never_answers_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "START_SECONDS", 0.3)
    server = made(tmp_path, "import time; time.sleep(60)")

    with pytest.raises(ProgramError, match="the server did not answer at http"):
        server.start()

    assert server.process_id is None


def test_ports_are_free_and_differ() -> None:
    ports = free_ports(str(number) for number in range(50))

    assert len(set(ports.values())) == 50
    assert all(20_000 <= port <= 32_000 for port in ports.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_stack_runs_until_it_is_told_to_stop(
    binaries: dict[str, Path], until: Callable[..., Any], number: signal.Signals
) -> None:
    """It says where everything is, and leaves nothing behind."""
    with subprocess.Popen(
        [sys.executable, "-m", "stack", "run"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.split(maxsplit=1)[1].strip())
            if lines[-1] == "until Ctrl-C":
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        assert process.wait(60) == 0

    assert lines[0].startswith("programs send to   OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:")
    assert len(children) == 3
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
