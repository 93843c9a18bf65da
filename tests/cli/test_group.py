"""The command itself."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any

import pytest

from flowspan.cli.group import VERBS, flowspan


def _python(source: str) -> str:
    command = [sys.executable, "-c", source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_version(cli: Any) -> None:
    """The version is that of the installed distribution."""
    assert cli("--version").out == f"flowspan {version('flowspan')}\n"


def test_no_verb(cli: Any) -> None:
    """Without a verb there is the help."""
    assert "Commands:" in cli("--help").out
    assert "Commands:" in cli().out + cli().err


def test_output_that_is_no_file(store: Any) -> None:
    """A program may call the command line with an output of its own."""
    output = io.StringIO()

    with redirect_stdout(output):
        flowspan.main(["runs", "--json", "--store", str(store.path)], standalone_mode=False)

    assert len(json.loads(output.getvalue())["runs"]) == 2


def test_unknown_verb(cli: Any) -> None:
    """An unknown verb is named."""
    answer = cli("shwo")

    assert answer.code == 2
    assert "shwo" in answer.err
    assert flowspan.get_command(None, "shwo") is None  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VERBS)
def test_verbs(name: str) -> None:
    """The list of verbs says of each what its own help begins with."""
    command = flowspan.get_command(None, name)  # type: ignore[arg-type]

    assert command is not None
    assert command.name == name
    assert (command.help or "").startswith(VERBS[name])


def test_help_and_run_start_fast() -> None:
    """Help and ``run`` import neither rich nor SQLAlchemy nor OpenTelemetry's SDK."""
    loaded = _python("""
import sys
from click.testing import CliRunner
from flowspan.cli.group import flowspan
for arguments in (["--help"], ["run", "--help"]):
    assert CliRunner().invoke(flowspan, arguments).exit_code == 0
print([name for name in ("rich", "sqlalchemy", "opentelemetry.sdk") if name in sys.modules])
""")

    assert loaded.strip() == "[]"


def test_module() -> None:
    """``python -m flowspan`` is the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "flowspan", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("flowspan ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_output(store: Any, encoding: str) -> None:
    """Whatever the output can write, a report is printed on it."""
    for verb in ("runs", "show"):
        done = subprocess.run(
            [sys.executable, "-m", "flowspan", verb, "--store", store.path],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert "poem" in done.stdout.decode(encoding)


def test_closed_pipe(store: Any) -> None:
    """A reader that has seen enough, as head, is no reason for a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "flowspan", "show", "--store", store.path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
