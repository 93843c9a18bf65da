"""A child that is forked in the middle of a call has its own calls, and leaves that one alone."""

from __future__ import annotations

import json
import os
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.run import Run
from flowspan.testing import record

ROWS = Integration(
    "toy",
    "",
    (
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="toyengine:Engine.parts", kind="run", name="parts"),
        Patch(target="toyengine:Engine.node", kind="node", name="node"),
    ),
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside threads


def forked(work: Any) -> Any:
    """What ``work`` returns in a child, which ends by leaving the program as it would."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writer, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with os.fdopen(reader) as pipe:
        return json.loads(pipe.read())


@pytest.mark.parametrize("how", ["returns", "raises", "a generator"])
def test_a_call_ends_in_the_process_that_began_it(toy: ModuleType, how: str) -> None:
    children = []

    def fork(_: int) -> None:
        children.append(os.fork())
        if children[-1] == 0:
            toy.Engine().node(5)
            if how == "raises":
                sys.exit(3)

    with record(ROWS) as recording:

        def seen() -> list[list[str]]:
            return [[span.name, f"{span.context.span_id:x}"] for span in recording.spans]

        def inside() -> Any:
            parent = os.getpid()
            reader, writer = os.pipe()
            try:
                if how == "a generator":
                    engine = toy.Engine()
                    engine.node = fork
                    list(engine.parts(1))
                else:
                    toy.Engine().run(1, fork)
            finally:
                if os.getpid() != parent:
                    os.write(writer, json.dumps(seen()).encode())
                    os._exit(0)
            os.waitpid(children[-1], 0)
            os.close(writer)
            with os.fdopen(reader) as pipe:
                return json.loads(pipe.read())

        of_child = inside()
        of_parent = seen()
        assert [name for name, _ in of_child] == ["run_step node"]
        assert len(of_parent) == (1 if how == "a generator" else 2)
        assert not {identity for _, identity in of_child} & {identity for _, identity in of_parent}


def test_a_fork_waits_for_the_lock_of_another_thread(toy: ModuleType) -> None:
    """A child in which a lock is held by a thread that it does not have would wait for ever."""
    lock = Run("w", "e").lock
    held, released = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            released.wait(0.2)

    with record(ROWS) as recording:
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)

        def work() -> int:
            toy.Engine().run(1)
            return len(recording.spans)

        assert forked(work) == 2
        released.set()
        thread.join()
