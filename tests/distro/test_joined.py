"""A run goes on in the programs that it starts: one trace, told by the environment alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RUN = "from ownengine import Engine\nprint(Engine().run(1))\n"

PARENT = """
import asyncio, os, subprocess, sys
from ownengine import Engine

class Outer(Engine):
    def node(self, index):
        return self.call(index)

def popen(index):
    return subprocess.run([sys.executable, "child.py"], check=True).returncode

def given(index):
    env = {{**os.environ, "MINE": "1"}}
    return subprocess.Popen([sys.executable, "child.py"], env=env).wait()

def positional(index):
    env = dict(os.environ)
    return subprocess.Popen(
        [sys.executable, "child.py"], -1, None, None, None, None, None, True, False, None, env
    ).wait()

def shell(index):
    return subprocess.getstatusoutput(f"{{sys.executable}} child.py")[0]

def coroutine(index):
    async def start():
        process = await asyncio.create_subprocess_exec(sys.executable, "child.py")
        return await process.wait()
    return asyncio.run(start())

def queue(index):
    from opentelemetry import propagate
    message = {{}}
    propagate.inject(message)
    bare = {{name: value for name, value in os.environ.items() if name != "TRACEPARENT"}}
    env = {{**bare, "TRACEPARENT": message["traceparent"]}}
    import threading
    done = []
    def worker():
        from opentelemetry import context
        context.attach(context.Context())
        done.append(subprocess.run([sys.executable, "child.py"], env=env).returncode)
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    return done[0]

outer = Outer()
outer.call = {way}
before = dict(os.environ)
print(outer.run(1), file=sys.stderr)
assert dict(os.environ) == before
"""


def rows(place: Any) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(place.store)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(
            "SELECT trace_id AS trace, span_id AS id, parent_id AS parent, name, "
            "run_id, parent_is_remote FROM spans ORDER BY start_ns"
        )
        return [dict(row) for row in found]


@pytest.mark.parametrize("way", ["popen", "given", "positional", "shell", "coroutine", "queue"])
def test_a_program_that_a_node_starts_is_part_of_its_run(place: Any, way: str) -> None:
    """One trace, in which the program's run is below the node that started it.

    Where it is told by flowspan, its run has the same id; where a program passes on what
    OpenTelemetry injects, the trace is the same and the run has an id of its own.
    """
    place.write(RUN, "child.py")
    result = place.run(PARENT.format(way=way))

    assert (result.returncode, result.stderr) == (0, "[0]\n")
    known = rows(place)
    assert len({row["trace"] for row in known}) == 1
    names = {row["id"]: row["name"] for row in known}
    assert [(row["name"], names.get(row["parent"])) for row in known] == [
        ("invoke_workflow own", None),
        ("invoke_workflow own", "invoke_workflow own"),
        ("run_step double", "invoke_workflow own"),
    ]
    assert [row["parent_is_remote"] for row in known] == [None, 1, 0]
    assert len({row["run_id"] for row in known}) == (2 if way == "queue" else 1)


def test_one_tree_is_shown_and_its_sums_are_those_of_all_processes(
    place: Any, provider: Any
) -> None:
    """What a node's roll-up cannot know, because it was spent elsewhere, the report adds up."""
    place.write(
        """
        import json, os, urllib.request
        from ownengine import Engine

        class Asking(Engine):
            def node(self, index):
                body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
                url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
                head = {"content-type": "application/json", "authorization": "Bearer k"}
                request = urllib.request.Request(url, json.dumps(body).encode(), head)
                urllib.request.urlopen(request).read()

        Asking().run(2)
        """,
        "child.py",
    )
    result = place.run(PARENT.format(way="popen"), **provider.environment)

    assert result.returncode == 0, result.stderr
    shown = place.flowspan("show", "last", "--json")
    total = provider.ledger.total()
    assert [span["depth"] for span in shown["spans"]] == [0, 1, 2, 2]
    assert not any(span["mark"] for span in shown["spans"])
    assert shown["totals"]["llm_calls"] == 2
    assert shown["totals"]["tokens"]["input"] == total.input_tokens
    inside, child = (span["attributes"] for span in shown["spans"][:2])
    assert "flowspan.rollup.llm_calls" not in inside
    assert child["flowspan.rollup.llm_calls"] == 2
    listed = place.flowspan("runs", "--json")["runs"]
    assert [(run["status"], run["llm_calls"]) for run in listed] == [("ok", 2)]


# --- a context from outside -----------------------------------------------------------------------


def test_runs_begin_in_the_trace_that_started_the_program(place: Any) -> None:
    """Also where another tool began it, and after a run that is over, in a thread that it left."""
    program = """
    import threading
    from ownengine import Engine

    go = threading.Event()

    class Outer(Engine):
        def node(self, index):
            def later():
                go.wait()
                Engine().run(1)
            self.thread = threading.Thread(target=later)
            self.thread.start()

    outer = Outer()
    outer.run(1)
    go.set()
    outer.thread.join()
    """
    result = place.run(
        program, TRACEPARENT=f"00-{TRACE}-{SPAN}-01", TRACESTATE="other=1,flowspan=ab12"
    )

    assert (result.returncode, result.stderr) == (0, "")
    known = rows(place)
    assert {row["trace"] for row in known} == {TRACE}
    assert [row["parent"] == SPAN for row in known] == [True, True, False]
    assert {row["run_id"] for row in known} == {"ab12"}


@pytest.mark.parametrize("sampler", ["", "parentbased_always_off", "always_on"])
def test_what_is_not_sampled_is_not_recorded_in_the_child_either(place: Any, sampler: str) -> None:
    settings = {"OTEL_TRACES_SAMPLER": sampler} if sampler else {}
    result = place.run(RUN, TRACEPARENT=f"00-{TRACE}-{SPAN}-00", **settings)

    assert (result.stdout, result.stderr) == ("[0]\n", "")
    assert len(place.stored()) == (2 if sampler == "always_on" else 0)


def test_a_parent_that_is_not_sampled_says_so_to_the_programs_that_it_starts(place: Any) -> None:
    place.write(RUN, "child.py")
    result = place.run(PARENT.format(way="popen"), OTEL_TRACES_SAMPLER="parentbased_always_off")

    assert (result.returncode, result.stderr) == (0, "[0]\n")
    assert place.stored() == []


@pytest.mark.parametrize(
    "wrong", ["yes", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01"]
)
def test_a_wrong_parent_costs_one_sentence(place: Any, wrong: str) -> None:
    result = place.run(RUN, TRACEPARENT=wrong)

    assert result.stdout == "[0]\n"
    assert result.stderr.count("\n") == 1
    assert f"TRACEPARENT={wrong!r} in the environment is no trace context" in result.stderr
    assert [row["parent"] is None for row in rows(place)] == [True, False]


# --- what is left alone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "settings", "told"),
    [
        (True, {}, "own trace"),
        (False, {}, "None"),
        (False, {"TRACEPARENT": f"00-{TRACE}-{SPAN}-01"}, SPAN),
        (True, {"OTEL_PROPAGATORS": "none"}, "None"),
        (True, {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "threading"}, "None"),
        (True, {"PROGRAM_SAYS": f"00-{TRACE}-{'1' * 16}-01"}, "1" * 16),
    ],
    ids=["a run", "no run", "inherited", "no propagators", "disabled", "said by the program"],
)
def test_the_environment_of_a_new_process_is_changed_in_a_span_alone(
    place: Any, inside: object, settings: dict[str, str], told: str
) -> None:
    program = """
    import os, subprocess, sys
    from ownengine import Engine

    def start(*_):
        env = dict(os.environ)
        if "PROGRAM_SAYS" in env:
            env["TRACEPARENT"] = env["PROGRAM_SAYS"]
        code = "import os; print(os.environ.get('TRACEPARENT'))"
        subprocess.run([sys.executable, "-S", "-E", "-c", code], env=env)

    class Outer(Engine):
        node = start

    Outer().run(1) if INSIDE else start()
    """
    result = place.run(program.replace("INSIDE", str(inside)), **settings)

    assert (result.returncode, result.stderr) == (0, "")
    if told == "own trace":
        (run,) = rows(place)
        told = f"00-{run['trace']}-{run['id']}-0"
    assert told in result.stdout


def test_a_process_with_a_class_of_its_own_belongs_to_the_run_that_started_it(place: Any) -> None:
    """A class that replaces ``run`` has no target that could be carried."""
    program = """
    import multiprocessing
    from ownengine import Engine

    context = multiprocessing.get_context("spawn")

    class Worker(context.Process):
        def __init__(self, index):
            super().__init__()
            self.index = index

        def run(self):
            Engine.node(Engine(), self.index)

    class Outer(Engine):
        def node(self, index):
            worker = Worker(index)
            before = dict(vars(worker))
            worker.start()
            print(sorted(vars(worker).keys() - before.keys()))
            worker.join()
            return worker.exitcode

    if __name__ == "__main__":
        print(Outer().run(1))
    """
    bare = place.run(program, launcher=())
    result = place.run(program)

    assert (result.stdout, result.stderr) == (bare.stdout, bare.stderr)
    run, node = rows(place)
    assert (node["name"], node["parent"], node["run_id"]) == (
        "run_step double",
        run["id"],
        run["run_id"],
    )
