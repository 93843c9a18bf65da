"""Programs of each client's users: the same with flowspan as without, and every call is seen."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowspan.testing import FakeProvider, ReceivedRequest, Reply, ToolCall
from flowspan.usage import Usage

FOLDER = Path(__file__).parents[2] / "examples" / "clients"
IMPORTS = re.compile(r"^(?:import|from) ([\w.]+)", re.MULTILINE)


def programs() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.py"))]


def missing(program: Path) -> list[str]:
    """Packages that a program imports and that are not installed."""
    roots = {name.partition(".")[0] for name in IMPORTS.findall(program.read_text())}
    return sorted(root for root in roots if importlib.util.find_spec(root) is None)


def respond(request: ReceivedRequest) -> Reply:
    """Ask for a tool where one is offered and has not answered."""
    if "tools" in json.dumps(request.body) and "It rains" not in json.dumps(request.body):
        return Reply(tool_calls=(ToolCall("weather", {"city": "Oslo"}),))
    return Reply()


class Ran(NamedTuple):
    """What can be seen of a program from outside."""

    status: int
    output: str
    errors: str
    asked: list[tuple[str, dict[str, Any]]]
    charged: list[Usage]


def run(program: Path, store: Path, *launcher: str) -> Ran:
    with FakeProvider(respond=respond) as provider:
        process = subprocess.run(
            [*launcher, sys.executable, str(program)],
            env={
                **os.environ,
                **provider.environment,
                "FLOWSPAN_STORE": str(store),
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches prices at import
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            cwd=store.parent,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        # In an order of their own: programs ask at once.
        asked = sorted(((each.path, dict(each.body)) for each in provider.requests), key=repr)
        charged = sorted((entry.usage for entry in provider.ledger), key=repr)
    return Ran(process.returncode, process.stdout, process.stderr, asked, charged)


class Seen(NamedTuple):
    """What the store has of the model calls together."""

    calls: int
    input_tokens: int
    output_tokens: int
    estimated: int


def seen_in(store: Path) -> Seen:
    columns = "count(*), sum(input_tokens), sum(output_tokens), total(estimated)"
    with closing(sqlite3.connect(store)) as connection:
        row = connection.execute(f"SELECT {columns} FROM spans WHERE kind = 'llm'").fetchone()  # noqa: S608 - of ours
    return Seen(*row)


def charged_by(entries: list[Usage]) -> Seen:
    return Seen(
        len(entries),
        sum(entry.input_tokens or 0 for entry in entries),
        sum(entry.output_tokens or 0 for entry in entries),
        0,
    )


@pytest.mark.parametrize("program", programs())
def test_a_program_does_the_same_and_every_call_is_seen(program: Path, tmp_path: Path) -> None:
    if lacking := missing(program):
        pytest.skip(f"{program.name} needs {', '.join(lacking)}")
    store = tmp_path / "traces.db"

    alone = run(program, store)
    seen = run(program, store, "flowspan", "run", "--no-summary")

    assert alone.status == 0, alone.errors
    assert alone.output
    assert seen == alone
    assert seen_in(store) == charged_by(alone.charged)
