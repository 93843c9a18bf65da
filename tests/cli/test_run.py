"""``flowspan run``, with real programs in processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from flowspan.cli import recorded

PROGRAM = """
from opentelemetry import trace
tracer = trace.get_tracer("program")
with tracer.start_as_current_span("invoke_workflow story", attributes={
    "flowspan.kind": "run", "gen_ai.workflow.name": "story", "flowspan.engine": "writer"}):
    with tracer.start_as_current_span("run_step plan", attributes={
        "flowspan.kind": "node", "gen_ai.step.name": "plan"}):
        with tracer.start_as_current_span("chat m", attributes={
            "flowspan.kind": "llm", "gen_ai.request.model": "m", "flowspan.cost.usd": 0.25,
            "flowspan.cost.status": "priced", "gen_ai.usage.input_tokens": 12,
            "gen_ai.usage.output_tokens": 3}):
            pass
"""


class Started:
    """A ``flowspan run`` command that has ended."""

    def __init__(self, folder: Path, arguments: list[str], **environ: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "flowspan", "run", *arguments],
            cwd=folder,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM + "print('done')\n")
    return tmp_path


def test_program_and_its_box(folder: Path, cli: Any) -> None:
    """The program's output is its own; on the error stream stands what was recorded."""
    started = Started(folder, ["--store", "runs", "app.py"])

    assert started.code == 0
    assert started.out == "done\n"
    lines = started.err.splitlines()
    assert lines[0].startswith("── flowspan ─")
    assert lines[1].startswith(" ✓ story ok · ")
    assert lines[2].startswith(" 1 model call · 12 → 3 tokens · $0.25 · slowest node plan ")
    command = lines[3].split()
    assert command[:2] == ["flowspan", "show"]
    assert cli(*command[1:]).out.startswith("✓ story ok")


def test_only_the_runs_of_this_command(folder: Path, recorder: Any) -> None:
    """Runs that were there before are not summed up."""
    recorder(path=folder / "runs" / "traces.db").run("before")

    started = Started(folder, ["--store", "runs", "app.py"])

    assert "before" not in started.err
    assert " ✓ story ok · " in started.err


def test_store_of_the_environment(folder: Path) -> None:
    """A store that the environment names need not be named to look at it."""
    started = Started(folder, ["app.py"], FLOWSPAN_STORE=str(folder / "mine.db"))

    assert (folder / "mine.db").is_file()
    assert "--store" not in started.err
    assert "flowspan show" in started.err


def test_program_that_changes_its_folder(folder: Path) -> None:
    """A store that is named relative to where the user is stays there."""
    (folder / "app.py").write_text("import os; os.chdir('/')\n" + PROGRAM)

    started = Started(folder, ["--store", "runs", "app.py"])

    assert "story" in started.err
    assert (folder / "runs" / "traces.db").is_file()


def test_arguments_are_the_programs(folder: Path) -> None:
    """Options after the command belong to it."""
    (folder / "app.py").write_text("import sys; print(sys.argv[1:])")

    started = Started(folder, ["--store", "off", "python", "app.py", "--store", "x", "--help"])

    assert started.out == "['--store', 'x', '--help']\n"


def test_unknown_option(folder: Path) -> None:
    """A misspelt option is not taken for the program."""
    started = Started(folder, ["--detial", "full", "app.py"])

    assert started.code == 2
    assert "--detial" in started.err


def test_settings(folder: Path) -> None:
    """Each option is a variable of the program, files with their full path."""
    for name in ("map.toml", "prices.json"):
        (folder / name).write_text("")
    (folder / "app.py").write_text(
        "import os\n"
        "for name in sorted(os.environ):\n"
        "    if name.startswith(('FLOWSPAN_', 'OTEL_')): print(name, os.environ[name])\n"
    )
    options = "--map map.toml --prices prices.json --detail full --content hash --store off"

    started = Started(
        folder,
        ["--no-summary", *options.split(), "--endpoint", "http://localhost:1", "app.py"],
        OTEL_SDK_DISABLED="true",
    )

    named = dict(line.split(" ", 1) for line in started.out.splitlines())
    assert len(named.pop("FLOWSPAN_INVOCATION")) == 36
    named.pop("OTEL_EXPORTER_OTLP_PROTOCOL", None)
    assert named == {
        "FLOWSPAN_CONTENT": "hash",
        "FLOWSPAN_DETAIL": "full",
        "FLOWSPAN_MAP": str(folder / "map.toml"),
        "FLOWSPAN_PRICES": str(folder / "prices.json"),
        "FLOWSPAN_STORE": "off",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1",
        "OTEL_PYTHON_CONFIGURATOR": "flowspan",
        "OTEL_PYTHON_DISTRO": "flowspan",
        "OTEL_SDK_DISABLED": "true",
    }


def test_map_that_is_not_there(folder: Path) -> None:
    """A file that is named and is not there is said before anything starts."""
    started = Started(folder, ["--map", "nosuch.toml", "app.py"])

    assert started.code == 2
    assert "nosuch.toml" in started.err
    assert started.out == ""


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        (["nosuch"], 127, "flowspan: cannot find the program nosuch: it is in no folder of PATH\n"),
        (["./app.sh"], 126, "flowspan: ./app.sh may not be executed"),
        ([], 2, "Missing argument"),
    ],
)
def test_cannot_start(folder: Path, command: list[str], code: int, sentence: str) -> None:
    """A command that cannot be started is one sentence and the exit code of a shell."""
    (folder / "app.sh").touch()

    started = Started(folder, command)

    assert started.code == code
    assert sentence in started.err
    assert "Traceback" not in started.err


@pytest.mark.parametrize(("end", "code"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_exit_code(folder: Path, end: str, code: int) -> None:
    """The exit code is the program's, and the box is there all the same."""
    (folder / "app.py").write_text(
        "import os, sys\n" + PROGRAM + "trace.get_tracer_provider().force_flush()\n" + end
    )

    started = Started(folder, ["--store", "runs", "app.py"])

    assert started.code == code
    assert "flowspan show" in started.err


def test_interrupted_run(folder: Path, cli: Any) -> None:
    """A program that is told to end in the middle of a run leaves it as interrupted."""
    (folder / "app.py").write_text(
        PROGRAM + "run = tracer.start_span('invoke_workflow poem', attributes={"
        "'flowspan.kind': 'run', 'gen_ai.workflow.name': 'poem'})\n"
        "input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "flowspan", "run", "--store", "runs", "app.py"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while "poem" not in cli("runs", "--store", folder / "runs", "--json").out:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 143
    assert " ! poem interrupted" in errors
    assert " ✓ story ok" in errors


def test_nothing_recorded(folder: Path) -> None:
    """A program without any agent is told so, with what to do."""
    (folder / "app.py").write_text("pass")

    started = Started(folder, ["--store", "runs", "app.py"])

    assert started.code == 0
    assert started.err.startswith("flowspan: no run was recorded in ")
    assert "doctor" in started.err


def test_switched_off(folder: Path) -> None:
    """Where OpenTelemetry is switched off, that is the reason."""
    started = Started(folder, ["--store", "runs", "app.py"], OTEL_SDK_DISABLED="true")

    assert started.code == 0
    assert started.out == "done\n"
    assert started.err == (
        "flowspan: nothing was recorded, because OTEL_SDK_DISABLED is true: unset it\n"
    )


def test_nothing_recorded_beside_others(folder: Path, recorder: Any) -> None:
    """The same, where the store holds the runs of other commands."""
    recorder(path=folder / "runs" / "traces.db").run("before")
    (folder / "app.py").write_text("pass")

    started = Started(folder, ["--store", "runs", "app.py"])

    assert started.err.startswith("flowspan: no run was recorded in ")


def test_no_store_no_box(folder: Path) -> None:
    """Where the store is off there is nothing to sum up."""
    started = Started(folder, ["--store", "off", "app.py"])

    assert (started.out, started.err) == ("done\n", "")


def test_store_of_readers(folder: Path) -> None:
    """What a collector writes comes later, so the command says where it will be."""
    place = "clickhouse://reader:secret@clickhouse.example/otel"

    started = Started(folder, ["app.py"], FLOWSPAN_STORE=place, OTEL_TRACES_EXPORTER="console")

    assert started.code == 0
    assert started.err == (
        "flowspan: a collector writes what was recorded to "
        "clickhouse://reader@clickhouse.example/otel: flowspan runs lists it when it has come "
        "there\n"
    )


def test_store_of_readers_cannot_be_written(folder: Path) -> None:
    """A database is no place for a program to keep its runs."""
    started = Started(folder, ["--store", "clickhouse://u:secret@host/otel", "app.py"])

    assert (started.code, started.out) == (1, "")
    assert "clickhouse://u@host/otel is for readers" in started.err


def test_no_summary(folder: Path) -> None:
    """Without a summary the program is all there is, and its runs are recorded."""
    started = Started(folder, ["--store", "runs", "--no-summary", "app.py"])

    assert (started.code, started.out, started.err) == (0, "done\n", "")
    assert (folder / "runs" / "traces.db").is_file()


def test_broken_store_does_not_matter(folder: Path) -> None:
    """A store that cannot be used is one sentence; the exit code stays the program's."""
    (folder / "broken.db").write_text("no store " * 1000)
    (folder / "app.py").write_text(PROGRAM + "raise SystemExit(5)")

    started = Started(folder, ["--store", "broken.db", "app.py"])

    assert started.code == 5
    assert "broken.db" in started.err
    assert "Traceback" not in started.err


def test_error_stream_that_nobody_reads(folder: Path) -> None:
    """A closed error stream is no reason for another exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "flowspan", "run", "--store", "runs", "app.py"],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        assert process.stderr is not None
        process.stderr.close()

    assert process.returncode == 0


def test_box_that_nobody_reads(
    recorder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box is left out where its reader has gone."""
    made = recorder("command")
    made.run()
    reading, writing = os.pipe()
    os.close(reading)

    stream = os.fdopen(writing, "w", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        recorded.tell({"FLOWSPAN_STORE": str(made.path)}, "command", given_store=None)

    with pytest.raises(BrokenPipeError):  # there was a box, which could not be written
        stream.close()


def test_cannot_become_the_program(cli: Any, tmp_path: Path) -> None:
    """A file that only looks like a program is refused without a summary as well."""
    text = tmp_path / "text"
    text.write_text("\0not a program")
    text.chmod(0o755)

    answer = cli("run", "--no-summary", text)

    assert answer.code == 126
    assert answer.err == f"flowspan: cannot execute {text}: Exec format error\n"


def test_console_script(folder: Path) -> None:
    """A console script is found on the path, and traced."""
    script = folder / "bin" / "tool"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n{PROGRAM}")
    script.chmod(0o755)

    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    started = Started(folder, ["--store", "runs", "tool"], PATH=path)

    assert " ✓ story ok" in started.err


def test_a_switch_that_keeps_flowspan_away_is_named(folder: Path) -> None:
    """And the program runs as ever."""
    (folder / "app.py").write_text("import sys; print(sys.flags.isolated)")

    started = Started(folder, ["--store", "runs", sys.executable, "-I", "app.py"])

    assert started.out == "1\n"
    assert started.err == (
        "flowspan: nothing will be recorded, because -I keeps Python from what starts flowspan: "
        "leave it out\n"
    )


def test_python_without_flowspan(folder: Path, tmp_path: Path) -> None:
    """A Python that flowspan is not installed for is named, and the program runs as ever."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None or Path(python).resolve() == Path(sys.executable).resolve():
        command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")]
        subprocess.run(command, check=True, timeout=100)
        python = str(tmp_path / "bare" / "bin" / "python")
    (folder / "app.py").write_text(
        textwrap.dedent("""
            import os
            print("OTEL_PYTHON_DISTRO" in os.environ)
        """)
    )

    started = Started(folder, ["--store", "runs", python, "app.py"])

    assert started.out == "False\n"
    assert started.err.startswith("flowspan: nothing will be recorded, because flowspan is not")
    assert python in started.err
    assert started.err.count("\n") == 1
