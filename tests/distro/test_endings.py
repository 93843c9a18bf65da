"""However a process ends, what had ended before is delivered, and the end is not late."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

TREE = [("invoke_workflow own", "done"), ("run_step double", "done")]
WAIT = """
from ownengine import Engine
Engine().run(1)
print("ready", flush=True)
import time
while True:
    time.sleep(0.05)
"""


def finish(process: Any) -> tuple[int, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def test_sigterm_flushes_and_still_kills(place: Any, sink: Any) -> None:
    process = place.start(WAIT, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)

    code, output = finish(process)

    assert code == -signal.SIGTERM
    assert output == ""
    assert place.stored() == TREE
    assert len(sink.spans()) == 2
    assert "flowspan.run.duration" in sink.metric_names()


def test_a_handler_of_the_programs_own_is_left_alone(place: Any) -> None:
    program = """
    import signal, sys
    def bye(*_):
        print("bye", flush=True)
        sys.exit(7)
    signal.signal(signal.SIGTERM, bye)
    """
    process = place.start(textwrap.dedent(program) + WAIT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)

    code, output = finish(process)

    assert (code, output) == (7, "bye\n")
    assert place.stored() == TREE


def test_ctrl_c_ends_as_before(place: Any) -> None:
    process = place.start(WAIT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)

    code, output = finish(process)

    assert code in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in output
    assert place.stored() == TREE


def test_a_killed_run_is_seen_with_what_had_ended_half_a_second_before(place: Any) -> None:
    program = """
    from ownengine import Engine
    import time
    def node(self, index, node=Engine.node):
        if index == 1:
            print("inside", flush=True)
            time.sleep(60)
        return node(self, index)
    Engine.node = node
    Engine().run(2)
    """
    process = place.start(textwrap.dedent(program))
    assert process.stdout.readline() == "inside\n"
    wait_until(lambda: len(place.stored()) == 2)
    process.kill()
    process.communicate(timeout=30)

    assert place.stored() == [("invoke_workflow own", "open"), ("run_step double", "done")]
    listed = place.flowspan("runs", "--json")
    assert listed["runs"][0]["status"] == "interrupted"


@pytest.mark.parametrize(
    "last",
    [
        "kept.append(late.run())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(begin())",
        "kept.append(late.parts()); next(kept[0])",
        "sys.at_the_end = AtTheEnd()",
    ],
)
def test_what_is_dropped_when_the_interpreter_is_gone_holds_nothing(place: Any, last: str) -> None:
    """Finalisers run when no thread can be started any more."""
    (place.folder / "late.py").write_text(
        "import asyncio\n"
        "async def run():\n    await asyncio.sleep(1)\n"
        "def parts():\n    yield 1\n    yield 2\n"
    )
    rows = (f'[[rows]]\ntarget = "late:{name}"\nkind = "run"\n' for name in ("run", "parts"))
    map_ = place.folder / "map.toml"
    map_.write_text(map_.read_text() + "".join(rows))
    program = f"""
    import asyncio, sys, warnings
    from ownengine import Engine
    import late
    warnings.simplefilter("ignore")
    task = None

    async def begin():
        global task
        task = asyncio.ensure_future(late.run())
        task._log_destroy_pending = False
        await asyncio.sleep(0)

    class AtTheEnd:
        def __del__(self):
            Engine().run(1)

    kept = []
    {last}
    """
    result = place.run(program)

    assert (result.returncode, result.stderr) == (0, "")


def test_a_run_in_an_atexit_function_is_delivered(place: Any, sink: Any) -> None:
    """From Python 3.12 on no thread can be started there."""
    program = """
    import atexit
    from ownengine import Engine
    atexit.register(lambda: Engine().run(1))
    """
    result = place.run(textwrap.dedent(program), OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert (result.returncode, result.stderr) == (0, "")
    assert place.stored() == TREE
    assert len(sink.spans()) == 2


CHILDREN = {
    "os.fork and os._exit": """
        import os
        from ownengine import Engine
        if os.fork() == 0:
            Engine().run(1)
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
    """,
    "os.fork and an ordinary end": """
        import os, sys
        from ownengine import Engine
        if os.fork() == 0:
            Engine().run(1)
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
    """,
    "multiprocessing": """
        import multiprocessing, sys
        from ownengine import Engine
        def work():
            Engine().run(1)
        if __name__ == "__main__":
            context = multiprocessing.get_context("METHOD")
            child = context.Process(target=work)
            child.start()
            child.join()
            assert child.exitcode == 0
    """,
    "a process pool": """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from ownengine import Engine
        def work(count):
            return Engine().run(count)
        if __name__ == "__main__":
            context = multiprocessing.get_context("METHOD")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                assert pool.submit(work, 1).result() == [0]
    """,
    "subprocess": """
        import subprocess, sys
        child = "from ownengine import Engine; Engine().run(1)"
        subprocess.run([sys.executable, "-c", child], check=True)
    """,
}


@pytest.mark.parametrize(
    ("how", "method"),
    [
        ("os.fork and os._exit", ""),
        ("os.fork and an ordinary end", ""),
        *(
            (how, method)
            for how in ("multiprocessing", "a process pool")
            for method in ("fork", "spawn", "forkserver")
        ),
        ("subprocess", ""),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_deliver_their_spans(place: Any, sink: Any, how: str, method: str) -> None:
    program = textwrap.dedent(CHILDREN[how].replace("METHOD", method))
    result = place.run(program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert result.returncode == 0, result.stderr
    assert place.stored() == TREE
    assert len(sink.wait_for_spans(2)) == 2


def test_a_child_shares_no_span_with_its_parent(place: Any) -> None:
    program = """
    import os
    from ownengine import Engine
    Engine().run(1)
    if os.fork() == 0:
        Engine().run(1)
        os._exit(0)
    os.wait()
    """
    place.run(textwrap.dedent(program))

    with closing(sqlite3.connect(place.store)) as connection:
        rows = connection.execute("SELECT count(*), count(DISTINCT span_id) FROM spans").fetchone()
    assert rows == (4, 4)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("signals", ["span", "both"])
def test_a_dead_collector_holds_the_end_no_longer_than_the_bound(place: Any, signals: str) -> None:
    """All signals together; what the end takes is measured by the program's own last line."""
    program = """
    import time
    from ownengine import Engine
    Engine().run(2)
    print(time.time(), flush=True)
    """
    with silent_port() as port:
        process = place.start(
            textwrap.dedent(program),
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            FLOWSPAN_SHUTDOWN_SECONDS="1",
            FLOWSPAN_EVENTS=signals,
        )
        last_line = float(process.stdout.readline())
        code, _ = finish(process)
        took = time.time() - last_line

    assert code == 0
    assert took < 1 + 1.5  # the bound, and the interpreter's own end on a busy machine
    assert len(place.stored()) == 3


def test_batches_leave_within_half_a_second_and_at_once_when_a_run_ends(
    place: Any, sink: Any
) -> None:
    process = place.start(WAIT, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    process.stdout.readline()

    assert len(sink.wait_for_spans(2)) == 2
    process.kill()
    process.communicate(timeout=30)


def wait_until(condition: Any, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_a_program_whose_name_is_no_text_is_delivered(place: Any, sink: Any) -> None:
    script = place.folder / "pro\udcffgram.py"
    script.write_text("from ownengine import Engine\nEngine().run(1)\n")
    result = subprocess.run(
        ["opentelemetry-instrument", "python", str(script)],
        env=place.environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.url),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert len(sink.spans()) == 2
