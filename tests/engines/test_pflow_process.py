"""pflow's own command under the whole distribution, in processes of its own.

These run where pflow is installed, which is an environment of its own (``make test-engines``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pflow_kit import SLOW, can_resume

from flowspan import semconv
from flowspan.store.queries import open_store
from flowspan.store.records import RunRow, SpanRow
from flowspan.testing import FakeProvider

pytestmark = [pytest.mark.timeout(900), *SLOW[1:]]

SCRIPTS: Final = Path(sys.executable).parent
INSTRUMENT: Final = (str(SCRIPTS / "opentelemetry-instrument"),)
RUN: Final = (sys.executable, "-m", "flowspan", "run")
OWN_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ASKING: Final = """\
# Asking

## Inputs

### text

What about.

- type: string
- stdin: true

## Steps

### count

Count.

- type: code
- inputs:
    text: ${text}

```python code
text: str
result: int = len(text)
```

### tell

Tell it.

- type: llm
- model: openai/gpt-4o
- prompt: "Tell: ${text}"
"""


class Shell:
    """Where pflow is called: a folder, a home, a store, a provider."""

    def __init__(self, folder: Path, home: Path, provider: FakeProvider) -> None:
        self.folder = folder
        self._home = home
        self._provider = provider

    def write(self, name: str, text: str) -> str:
        """Write a workflow's file; its path."""
        file = self.folder / f"{name}.pflow.md"
        file.write_text(text.replace("FOLDER", str(self.folder)), "utf-8")
        return str(file)

    def pflow(
        self,
        *arguments: str,
        watched: tuple[str, ...] = INSTRUMENT,
        piped: str | None = None,
        expected: int = 0,
    ) -> str:
        """Call pflow; what it wrote to its standard output."""
        done = subprocess.run(
            [*watched, str(SCRIPTS / "pflow"), *arguments],
            cwd=self.folder,
            env=self.environment(),
            **({"stdin": subprocess.DEVNULL} if piped is None else {"input": piped}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected, (done.stdout, done.stderr)
        return done.stdout

    def runs(self) -> list[RunRow]:
        """The runs that were recorded, the first one first."""
        with open_store(self.folder / "store.db") as store:
            return sorted(store.runs(), key=lambda run: run.started_ns)

    def spans(self, run: RunRow) -> list[SpanRow]:
        """The spans of a run; each has ended, and has a parent."""
        with open_store(self.folder / "store.db") as store:
            spans = sorted(store.trace(run.trace_id), key=lambda span: span.start_ns)
        assert [span.name for span in spans if span.orphan or span.state != "done"] == []
        return spans

    def traced(self) -> list[Any]:
        """What pflow's own traces say, without what is different in each run."""
        found = []
        for file in sorted((self._home / ".pflow" / "debug").glob("*.json*")):
            for line in file.read_text("utf-8").splitlines():
                event = json.loads(line)
                found.append((event.get("kind"), event.get("node_id")))
            file.unlink()
        return found

    def environment(self) -> dict[str, str]:
        """Of processes here."""
        return {
            **os.environ,
            **self._provider.environment,
            "HOME": str(self._home),
            "PATH": os.pathsep.join([str(SCRIPTS), os.environ["PATH"]]),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "FLOWSPAN_STORE": str(self.folder / "store.db"),
        }


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: where pflow finds none of its settings it first looks for its nodes."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(name="shell")
def _shell(tmp_path: Path, home: Path) -> Iterator[Shell]:
    with FakeProvider() as provider:
        yield Shell(tmp_path, home, provider)


def tree(spans: list[SpanRow]) -> str:
    """Kinds and names, as an indented text."""
    depths: dict[str, int] = {}
    lines = []
    for span in spans:
        depths[span.span_id] = depth = depths.get(span.parent_id or "", -1) + 1
        lines.append(f"{'  ' * depth}{span.kind} {span.name.partition(' ')[2]}")
    return "\n".join(lines)


SEEN: Final = "run asking\n  node count\n  node tell\n    llm gpt-4o"


def test_the_command_says_and_does_the_same(shell: Shell) -> None:
    """By either launcher; its own trace has the same lines."""
    file = shell.write("asking", ASKING)
    plain = shell.pflow("--no-cache", "-p", file, "text=honey", watched=())
    lines = shell.traced()

    for launcher in (INSTRUMENT, RUN):
        assert shell.pflow("--no-cache", "-p", file, "text=honey", watched=launcher) == plain
        assert shell.traced() == lines

    assert lines
    assert [tree(shell.spans(run)) for run in shell.runs()] == [SEEN] * 2


def test_a_workflow_is_found_by_its_name_and_reads_what_is_piped(shell: Shell) -> None:
    shell.pflow("save", shell.write("asking", ASKING), "--name", "saved-asking", watched=())

    said = shell.pflow("--no-cache", "-p", "saved-asking", piped="honey")

    [run] = shell.runs()
    assert run.workflow == "saved-asking"
    assert said == f"{len('honey')}\n"  # of what no output is declared, pflow shows the first


def test_looking_at_a_workflow_is_no_run(shell: Shell) -> None:
    file = shell.write("asking", ASKING)
    shell.pflow("--validate-only", file)
    shell.pflow("--dry-run", file, "text=honey")
    shell.pflow("mermaid", file)

    assert not (shell.folder / "store.db").exists() or shell.runs() == []


SHELLS: Final = """\
# Shells

## Steps

### deeper

A workflow of another process.

- type: shell
- timeout: 200

```shell command
opentelemetry-instrument pflow --no-cache -p FOLDER/asking.pflow.md text=deep
```
"""


def test_processes_that_shell_nodes_start_join_the_run(shell: Shell) -> None:
    """Nothing is said about contexts: ``TRACEPARENT`` leads there."""
    shell.write("asking", ASKING)
    shell.pflow(shell.write("shells", SHELLS))

    [run] = shell.runs()
    deeper = "\n".join(f"    {line}" for line in SEEN.splitlines())
    spans = shell.spans(run)
    assert tree(spans) == f"run shells\n  node deeper\n{deeper}"
    assert len({span.run_id for span in spans}) == 1
    assert run.llm_calls == 1


GATED: Final = """\
# Gated

## Steps

### tell

Tell it.

- type: code
- approval: required

```python code
result: str = "told"
```
"""


@can_resume
def test_a_paused_run_is_resumed_by_another_process(shell: Shell) -> None:
    token = OWN_ID.search(shell.pflow(shell.write("gated", GATED), expected=4))
    [waiting] = shell.runs()
    assert waiting.status == "paused"
    assert token is not None

    shell.pflow("resume", token[0], "--approve", "yes")

    paused, resumed = shell.runs()
    assert (paused.status, resumed.status) == ("ok", "ok")
    assert (resumed.resumes, paused.resumed_by) == (paused.trace_id, resumed.trace_id)


@can_resume
def test_a_run_that_was_denied_waits_for_nobody(shell: Shell) -> None:
    token = OWN_ID.search(shell.pflow(shell.write("gated", GATED), expected=4))
    assert token is not None

    shell.pflow("resume", token[0], "--approve", "no", expected=3)

    [_, denied] = shell.runs()
    assert denied.status == "ok"
    assert denied.interruption is None
    assert shell.spans(denied)[0].attrs["pflow.status"] == "denied"


INTERRUPTED: Final = """\
# Interrupted

## Steps

### early

Comes first.

- type: code

```python code
result: int = 1
```

### interrupts

As somebody who presses Ctrl-C while it works, unless there is a file.

- type: shell

```shell command
test -f FOLDER/enough || { kill -INT $PPID; sleep 20; }
```
"""


def test_a_run_that_somebody_stops_is_whole_and_no_error(shell: Shell) -> None:
    """Everything has ended, and says what ended it."""
    shell.pflow(shell.write("interrupted", INTERRUPTED), expected=130)

    [run] = shell.runs()
    spans = shell.spans(run)
    assert run.status == "ok"
    assert tree(spans) == "run interrupted\n  node early\n  node interrupts"
    assert spans[0].attrs[semconv.INTERRUPTION] == "SystemExit"


@can_resume
def test_a_run_that_was_stopped_is_resumed_by_another_process(shell: Shell) -> None:
    """Its id is known before it has a result, which it never has."""
    file = shell.write("interrupted", INTERRUPTED)
    shell.pflow(file, expected=130)
    (shell.folder / "enough").touch()

    shell.pflow("resume", file, "--force")

    stopped, resumed = shell.runs()
    assert resumed.resumes == stopped.trace_id
    assert tree(shell.spans(resumed)) == "run interrupted\n  node interrupts"


POOL: Final = """
import http.client  # pflow's first search for nodes hides it from who imports it later
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
import sys
from pflow.core.node import Node
from pflow.runtime.engine.engine import WorkflowEngine
from pflow.runtime.engine.types import CompiledWorkflow, NodeConfig
from pflow.execution.runner import RunnerConfig, WorkflowRunner

def inside(number):
    result = WorkflowRunner().run(sys.argv[1], {"text": str(number)}, RunnerConfig())
    return result.success

class Spread(Node):
    def exec(self, prep_res):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = list(pool.map(inside, [1, 2]))
        with ThreadPoolExecutor(2) as pool:
            return found + list(pool.map(inside, [3, 4]))

    def post(self, shared, prep_res, exec_res):
        shared["done"] = exec_res

if __name__ == "__main__":
    spread = Spread()
    spread.node_id = "spread"
    config = NodeConfig("spread", "Spread", None, None, True, None)
    store = {}
    workflow = CompiledWorkflow(start_node=spread, node_configs={"spread": config})
    WorkflowEngine().run(workflow, store)
    print(store["spread"]["done"])
"""


def test_workflows_in_pools_of_a_node_are_below_it(shell: Shell) -> None:
    """Pools of processes and of threads."""
    program = shell.folder / "pools.py"
    program.write_text(POOL, "utf-8")
    file = shell.write("asking", ASKING)

    said = subprocess.run(
        [*INSTRUMENT, sys.executable, str(program), file],
        cwd=shell.folder,
        env=shell.environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "[True, True, True, True]\n"
    [run] = shell.runs()
    spans = shell.spans(run)
    nested = [span for span in spans if span.name == "invoke_workflow asking"]
    [spread] = [span for span in spans if span.name == "run_step spread"]
    assert {span.parent_id for span in nested} == {spread.span_id}
    assert len(nested) == run.llm_calls == 4
