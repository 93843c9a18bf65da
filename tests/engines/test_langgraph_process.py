"""LangGraph under the whole distribution: pools of a node, and a run resumed in another process."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowspan.cli.group import flowspan
from flowspan.testing import FakeProvider

PROGRAM = '''
"""A graph whose node asks in pools of threads and processes, then asks a human."""
import pickle, sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from openai import OpenAI

SAVED = Path("saved.pkl")


class State(TypedDict, total=False):
    said: list
    verdict: str


def ask(question):
    with OpenAI() as client:
        messages = [{"role": "user", "content": question}]
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    return answer.choices[0].message.content


def pools(state):
    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(ask, ["one", "two"]))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        said += list(processes.map(ask, ["three"]))
    return {"said": said}


def plain(saver):
    storage = {t: {n: dict(c) for n, c in ns.items()} for t, ns in saver.storage.items()}
    return storage, {k: dict(v) for k, v in saver.writes.items()}, dict(saver.blobs)


def main():
    saver = InMemorySaver()
    if SAVED.exists():
        storage, writes, blobs = pickle.loads(SAVED.read_bytes())
        for thread, spaces in storage.items():
            for space, checkpoints in spaces.items():
                saver.storage[thread][space].update(checkpoints)
        saver.writes.update(writes)
        saver.blobs.update(blobs)
    graph = StateGraph(State)
    graph.add_node("pools", pools)
    graph.add_node("human", lambda state: {"verdict": interrupt("well?")})
    graph.add_edge(START, "pools")
    graph.add_edge("pools", "human")
    program = graph.compile(checkpointer=saver, name="pooled")
    config = {"configurable": {"thread_id": "t"}}
    given = Command(resume=sys.argv[1]) if len(sys.argv) > 1 else {}
    print(program.invoke(given, config).get("verdict"))
    SAVED.write_bytes(pickle.dumps(plain(saver)))


if __name__ == "__main__":
    main()
'''


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider for programs of their own."""
    with FakeProvider() as provider:
        yield provider


def run(folder: Path, provider: FakeProvider, *arguments: str, **more: str) -> str:
    """Run the program under flowspan."""
    done = subprocess.run(
        [sys.executable, "-m", "flowspan", "run", sys.executable, "program.py", *arguments],
        cwd=folder,
        env={
            **os.environ,
            **provider.environment,
            "FLOWSPAN_STORE": str(folder / "store.db"),
            **more,
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert "ontext" not in done.stderr
    return done.stdout


def runs(folder: Path) -> list[list[dict[str, Any]]]:
    """The spans of each run in the store, the first one first."""
    store = ("--store", str(folder / "store.db"), "--json")
    listed = json.loads(CliRunner().invoke(flowspan, ["runs", *store]).stdout)["runs"]
    return [
        json.loads(CliRunner().invoke(flowspan, ["show", run["trace_id"], *store]).stdout)["spans"]
        for run in reversed(listed)
    ]


@pytest.mark.timeout(500)  # seven interpreters, on a machine that may have other things to do
def test_pools_and_a_resumption_in_another_process(tmp_path: Path, provider: FakeProvider) -> None:
    """Calls in pools of threads and processes are the node's; the second process links its run."""
    (tmp_path / "program.py").write_text(PROGRAM)

    assert run(tmp_path, provider) == "None\n"
    assert run(tmp_path, provider, "fine") == "fine\n"

    first, second = runs(tmp_path)
    nodes = [span for span in first if span["title"] == "pools"]
    calls = [span for span in first if span["kind"] == "llm"]
    assert len(calls) == len(provider.ledger) == 3
    assert {span["parent_id"] for span in calls} == {nodes[0]["span_id"]}
    assert [span["title"] for span in second] == ["pooled", "superstep", "human"]
    assert second[0]["attributes"]["flowspan.resumed"] is True
    assert _links(tmp_path, second[0]["span_id"]) == [first[0]["span_id"]]


def _links(folder: Path, span_id: str) -> list[str]:
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        found = connection.execute("SELECT links FROM span WHERE span_id = ?", (span_id,))
        return [link["span_id"] for link in json.loads(found.fetchone()[0])]
