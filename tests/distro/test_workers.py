"""Work that is given to other processes belongs to the run that gave it away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

PROGRAM = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.pool import ThreadPool
from ownengine import Engine

METHOD, WAY = {method!r}, {way!r}

def work(index):
    return Engine.node(Engine(), index)

class Outer(Engine):
    def node(self, index):
        return self.call(index)

def main():
    context = multiprocessing.get_context(METHOD)
    outer = Outer()
    if WAY == "executor":
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            outer.call = lambda index: pool.submit(work, index).result()
            print(outer.run(1), outer.run(1))
    elif WAY == "process":
        def call(index):
            process = context.Process(target=work, args=(index,))
            process.start()
            assert not any(name in vars(process) for name in ('run', '_target'))  # as Python does
            process.join()
            return process.exitcode
        outer.call = call
        print(outer.run(1), outer.run(1))
    else:
        made = ThreadPool(1) if WAY == "threads" else context.Pool(1)
        with made as pool:
            outer.call = {{
                "apply": lambda index: pool.apply(work, (index,)),
                "threads": lambda index: pool.apply(func=work, args=(index,)),
                "map": lambda index: pool.map(work, [index])[0],
                "imap": lambda index: next(pool.imap(work, [index])),
                "unordered": lambda index: next(pool.imap_unordered(work, [index])),
            }}[WAY]
            print(outer.run(1), outer.run(1))
            pool.close()
            pool.join()

if __name__ == "__main__":
    main()
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("way", "method"),
    [
        *(
            (way, method)
            for way in ("executor", "process", "apply")
            for method in ("fork", "spawn")
        ),
        *((way, "fork") for way in ("map", "imap", "unordered", "threads")),
        ("executor", "forkserver"),
    ],
)
def test_a_worker_serves_each_run_in_its_own_trace(place: Any, way: str, method: str) -> None:
    result = place.run(PROGRAM.format(way=way, method=method))

    assert (result.returncode, result.stdout, result.stderr) == (0, "[0] [0]\n", "")
    with closing(sqlite3.connect(place.store)) as connection:
        rows = connection.execute(
            "SELECT hex(trace_id), name, parent_id IS NULL, run_id FROM spans ORDER BY start_ns"
        ).fetchall()
    traces = list(dict.fromkeys(trace for trace, *_ in rows))
    assert len(traces) == 2
    for trace in traces:
        names = [(name, root) for found, name, root, _ in rows if found == trace]
        assert names == [("invoke_workflow own", 1), ("run_step double", 0)]
        assert len({run for found, _, _, run in rows if found == trace}) == 1


def test_what_cannot_be_pickled_fails_as_before(place: Any) -> None:
    program = """
    from concurrent.futures import ProcessPoolExecutor
    import multiprocessing
    from ownengine import Engine

    class Outer(Engine):
        def node(self, index):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                return pool.submit(lambda: index).result()

    if __name__ == "__main__":
        try:
            Outer().run(1)
        except Exception as error:
            print(type(error).__name__, "lambda" in str(error))
    """
    bare = place.run(program, launcher=())
    result = place.run(program)

    assert (result.stdout, result.stderr) == (bare.stdout, bare.stderr)


def test_work_of_the_programs_own_span_is_inside_it(place: Any) -> None:
    program = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from opentelemetry import trace
    from ownengine import Engine

    def work():
        return Engine().run(1)

    if __name__ == "__main__":
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            with trace.get_tracer("mine").start_as_current_span("mine"):
                print(pool.submit(work).result())
    """
    result = place.run(program)

    assert (result.stdout, result.stderr) == ("[0]\n", "")
    with closing(sqlite3.connect(place.store)) as connection:
        rows = connection.execute(
            "SELECT name, hex(trace_id), parent_id IS NULL FROM spans ORDER BY start_ns"
        ).fetchall()
    assert [(name, root) for name, _, root in rows] == [
        ("mine", 1),
        ("invoke_workflow own", 0),
        ("run_step double", 0),
    ]
    assert len({trace for _, trace, _ in rows}) == 1
