"""Programs started under flowspan."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowspan import launcher

HOOK = "auto_instrumentation"


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)


# --- the environment -------------------------------------------------------------------------


def test_environment() -> None:
    """Flowspan's distribution is named, and the hook goes before what was on the path."""
    environ = launcher.environment(
        {"PYTHONPATH": "lib", "HOME": "/home", "OTEL_PYTHON_DISTRO": "other"},
        {"FLOWSPAN_DETAIL": "full"},
    )

    hook, rest = environ.pop("PYTHONPATH").split(os.pathsep)
    assert (Path(hook).name, rest) == (HOOK, "lib")
    assert (Path(hook) / "sitecustomize.py").is_file()
    assert environ == {
        "HOME": "/home",
        "FLOWSPAN_DETAIL": "full",
        "OTEL_PYTHON_DISTRO": "flowspan",
        "OTEL_PYTHON_CONFIGURATOR": "flowspan",
    }


def test_hook_is_there_once() -> None:
    """Flowspan inside flowspan puts the hook on the path once; without it, it is gone."""
    once = launcher.environment({}, {})
    twice = launcher.environment(once, {})

    assert once["PYTHONPATH"] == twice["PYTHONPATH"]
    assert Path(once["PYTHONPATH"]).name == HOOK
    assert "PYTHONPATH" not in launcher.without_hook(once)
    assert launcher.without_hook({"PYTHONPATH": "lib"}) == {"PYTHONPATH": "lib"}


def test_settings_win() -> None:
    """What the user says on the command line counts more than the environment."""
    environ = launcher.environment({"FLOWSPAN_STORE": "a"}, {"FLOWSPAN_STORE": "b"})

    assert environ["FLOWSPAN_STORE"] == "b"


def test_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the hook is told how to be mended."""
    monkeypatch.setattr(launcher, "_HOOK_PACKAGE", "opentelemetry.absent.hook")

    with pytest.raises(launcher.CannotStartError, match="reinstall flowspan"):
        launcher.environment({}, {})


# --- what is executed ------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_script(folder: Path) -> None:
    """A path that ends in .py is run by this Python, be it executable or not."""
    (folder / "app.py").touch()

    assert launcher.resolve(["app.py", "-v"]) == [sys.executable, "app.py", "-v"]


def test_program_of_the_path(folder: Path) -> None:
    """A name is looked up as a shell does."""
    tool = folder / "bin" / "tool"
    tool.parent.mkdir()
    tool.touch(mode=0o755)

    assert launcher.resolve(["tool", "x"], path=str(tool.parent)) == [str(tool), "x"]
    assert launcher.resolve([str(tool)]) == [str(tool)]


def test_python_without_a_python_on_the_path(folder: Path) -> None:
    """Where no python is on the path, python is this one."""
    assert launcher.resolve(["python", "-V"], path=str(folder)) == [sys.executable, "-V"]


@pytest.mark.parametrize(
    ("program", "code", "sentence"),
    [
        ("nosuch", 127, "cannot find the program nosuch: it is in no folder of PATH"),
        ("here", 127, "it is in no folder of PATH; for the file here write ./here"),
        ("nosuch.py", 127, "cannot find nosuch.py in "),
        ("./nosuch", 127, "cannot find ./nosuch: there is no such file"),
        ("sub/nosuch.py", 127, "cannot find sub/nosuch.py: there is no such file"),
        ("./here", 126, "./here may not be executed: make it executable"),
        ("sub", 126, "sub is a folder, not a program"),
    ],
)
def test_cannot_start(folder: Path, program: str, code: int, sentence: str) -> None:
    """What cannot be started is said in one sentence, with the exit code of a shell."""
    (folder / "here").touch()
    (folder / "sub").mkdir()

    with pytest.raises(launcher.CannotStartError, match=sentence) as refused:
        launcher.resolve([program], path=str(folder / "empty"))

    assert refused.value.code == code


@pytest.mark.parametrize("start", [launcher.run, launcher.replace])
def test_no_program_at_all(folder: Path, start: Callable[..., int]) -> None:
    """A file that only looks like a program is refused, and nothing of ours stays changed."""
    text = folder / "text"
    text.write_text("\0not a program")
    text.chmod(0o755)
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(launcher.CannotStartError, match="cannot execute") as refused:
        start([str(text)], {})

    assert refused.value.code == 126
    assert signal.getsignal(signal.SIGTERM) is before


# --- its end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_exit_code(source: str, code: int) -> None:
    """The exit code is the program's; 128 and the number of the signal that ended it."""
    assert launcher.run([sys.executable, "-c", source], os.environ) == code


def test_streams(capfd: pytest.CaptureFixture[str]) -> None:
    """The program has our streams."""
    source = "import sys; print('out'); print('err', file=sys.stderr)"

    launcher.run([sys.executable, "-c", source], os.environ)

    assert capfd.readouterr() == ("out\n", "err\n")


LISTENER = """
import signal, sys, time
from pathlib import Path
heard = Path(sys.argv[1])
def hear(number, frame):
    with heard.open("a") as file:
        file.write(signal.Signals(number).name + "\\n")
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), hear)
Path(sys.argv[2]).touch()
deadline = time.monotonic() + 60
while not Path(sys.argv[3]).exists() and time.monotonic() < deadline:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signals_are_passed_on(tmp_path: Path, name: str) -> None:
    """A signal that somebody sends us reaches the program, once, and does nothing to us."""
    number = getattr(signal, name)
    former = signal.getsignal(number)
    if former is signal.SIG_IGN:  # the tests themselves run under nohup
        signal.signal(number, signal.SIG_DFL)
    heard, ready, over = (tmp_path / word for word in ("heard", "ready", "over"))

    def send() -> None:
        _eventually(ready.exists)
        os.kill(os.getpid(), getattr(signal, name))
        _eventually(heard.exists)
        over.touch()

    sender = threading.Thread(target=send)
    sender.start()
    command = [sys.executable, "-c", LISTENER, *map(str, (heard, ready, over))]
    try:
        code = launcher.run(command, os.environ)
        sender.join()
    finally:
        signal.signal(number, former)

    assert code == 0
    assert heard.read_text() == f"{name}\n"


def test_signal_before_the_child_is_there() -> None:
    """A signal that comes while the program is being started reaches it."""
    with launcher._Forwarding() as forwarding:
        os.kill(os.getpid(), signal.SIGUSR1)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            forwarding.to(child)

    assert child.returncode == -signal.SIGUSR1


def test_ignored_signals_stay_ignored() -> None:
    """What nohup ignores the program ignores too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        source = "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"
        assert launcher.run([sys.executable, "-c", source], os.environ) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def _with_terminal(source: str, *arguments: str) -> tuple[int, int]:
    """Start a Python program as the foreground of a terminal of its own."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - becomes another program
        os.execv(sys.executable, [sys.executable, "-c", source, *arguments])  # noqa: S606
    return process, terminal


LAUNCH = "import os, sys; from flowspan import launcher; sys.exit(launcher.run({}, os.environ))"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_ctrl_c_is_heard_once(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches the program once, from the terminal itself."""
    heard, ready, over = (tmp_path / word for word in ("heard", "ready", "over"))
    command = [sys.executable, "-c", LISTENER, *map(str, (heard, ready, over))]
    process, terminal = _with_terminal(LAUNCH.format(command))

    _eventually(ready.exists)
    os.write(terminal, b"\x03")
    _eventually(heard.exists)
    os.kill(process, signal.SIGTERM)  # after which a second SIGINT would have been heard
    _eventually(lambda: "SIGTERM" in heard.read_text())
    over.touch()
    _, status = os.waitpid(process, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 0
    assert heard.read_text() == "SIGINT\nSIGTERM\n"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_foreground(tmp_path: Path) -> None:
    """Whether the keyboard's signals reach us is asked of the terminal; without one they cannot."""
    answer = tmp_path / "answer"
    source = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from flowspan import launcher
        answers = [launcher._in_foreground()]
        if os.fork() == 0:
            os.setpgid(0, 0)
            answers.append(launcher._in_foreground())
            Path(sys.argv[1]).write_text(repr(answers))
            os._exit(0)
        os.wait()
    """)
    process, terminal = _with_terminal(source, str(answer))
    os.waitpid(process, 0)
    os.close(terminal)

    assert answer.read_text() == "[True, False]"


def test_replace(tmp_path: Path) -> None:
    """Without a summary nothing of ours stays: the program has our process."""
    source = textwrap.dedent("""
        import os, sys
        from flowspan import launcher
        print(os.getpid(), flush=True)
        launcher.replace([sys.executable, "-c", "import os; print(os.getpid())"], os.environ)
    """)

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    first, second = done.stdout.split()
    assert first == second
