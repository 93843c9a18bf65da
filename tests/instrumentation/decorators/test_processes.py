"""Decorated functions in worker processes: found by name, and seen where flowspan is on."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from span_kit import attributes

import flowspan
from flowspan.instrumentation.decorators import live
from flowspan.testing import assert_run, record


@flowspan.node
def act(value: int) -> int:
    return value + 1


@flowspan.tool
async def wait(value: int) -> int:
    return value * 2


def work(value: int) -> tuple[int, int, bool]:
    return act(value), asyncio.run(wait(value)), bool(live.connections)


def test_a_forked_child_goes_on_as_its_parent() -> None:
    with record(), multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(work, (3,)) == (4, 6, True)
        assert pool.apply(act, (3,)) == 4


def test_a_spawned_child_finds_them_by_name_and_is_off(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import asyncio, multiprocessing
            import flowspan

            @flowspan.node
            def act(value): return value + 1

            @flowspan.tool
            async def wait(value): return value * 2

            def both(value): return act(value), asyncio.run(wait(value))

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(pool.apply(act, (3,)), pool.apply(both, (3,)))
            """
        )
    )

    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("4 (4, 6)\n", "")


def test_functions_travel_by_their_name() -> None:
    assert pickle.loads(pickle.dumps(act)) is act
    assert pickle.loads(pickle.dumps(wait)) is wait


@pytest.mark.parametrize("on", [False, True])
def test_a_state_that_holds_marks_and_spans_is_copied_and_pickled(*, on: bool) -> None:
    """As engines do with the states and nodes of a program; the span itself stays where it is."""
    mark = flowspan.node("outline", topic="tea", id="k", attributes={"a.b": 1})
    with record() if on else contextlib.nullcontext(), flowspan.run("all") as span:
        state: dict[str, Any] = {"mark": mark, "span": span, "current": flowspan.current()}
        for one in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
            with one["mark"] as inner:
                inner.describe(here=True)
            one["span"].describe(there=True)
            one["current"].event("x")

    again = pickle.loads(pickle.dumps(mark))
    with record() as recording, again:
        pass
    found = attributes(recording.spans.one("run_step outline"))
    assert [found["topic"], found["a.b"], found["flowspan.node.id"]] == ["tea", 1, "k"]


PROGRAM = """
import asyncio, multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import flowspan

@flowspan.node("act {value}")
def act(value):
    with flowspan.tool("count") as span:
        span.describe(value=value)
    return value + 1

@flowspan.agent
class Writer:
    async def run(self):
        await asyncio.sleep(0)
        return act(0)

@flowspan.run("article")
def article(how):
    asyncio.run(Writer().run())
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(act, [1]))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
        return list(pool.map(act, [2]))

if __name__ == "__main__":
    print(article(sys.argv[1]))
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_a_run_through_threads_and_processes_is_one_tree(tmp_path: Path, how: str) -> None:
    """As users start it: switched on from outside, nothing set up in code."""
    program, store = tmp_path / "program.py", tmp_path / "runs.db"
    program.write_text(PROGRAM)
    launcher = Path(sys.executable).parent / "opentelemetry-instrument"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FLOWSPAN_STORE": str(store)}

    done = subprocess.run(
        [launcher, sys.executable, "-W", "ignore::DeprecationWarning", program, how],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )

    assert (done.stdout, done.stderr) == ("[3]\n", "")
    assert_run(
        store,
        tree="""
        invoke_workflow article
          invoke_agent Writer
            run_step act 0
              execute_tool count value=0
          run_step act 1
            execute_tool count value=1
          run_step act 2
            execute_tool count value=2
        """,
        route=["act 0", "act 1", "act 2"],
        failed=False,
    )
