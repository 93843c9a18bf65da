"""Decorated functions in worker processes: found by name, and seen where flowspan is on."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import flowspan
from flowspan.instrumentation.decorators import live
from flowspan.testing import record


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


def test_marks_and_handles_do_not_travel_but_functions_do() -> None:
    assert pickle.loads(pickle.dumps(act)) is act
    assert pickle.loads(pickle.dumps(wait)) is wait
