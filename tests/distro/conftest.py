"""Unmodified programs, started as their users would start them under the distribution."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowspan.testing import FakeProvider

sys.path.insert(0, str(Path(__file__).parent))

ENGINE = '''
"""An engine of somebody's own."""
import os, sys, time


class Engine:
    def run(self, count=1):
        return [self.node(index) for index in range(count)]

    def node(self, index):
        return index * 2
'''

MAP = """
[[rows]]
target = "ownengine:Engine.run"
kind = "run"
name = "own"

[[rows]]
target = "ownengine:Engine.node"
kind = "node"
name = "double"
"""


class Surroundings:
    """A folder with an engine, its span map and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "traces.db"
        (folder / "ownengine.py").write_text(ENGINE)
        (folder / "map.toml").write_text(MAP)

    def environment(self, **settings: str) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "FLOWSPAN_MAP": str(self.folder / "map.toml"),
            "FLOWSPAN_STORE": str(self.store),
            **settings,
        }

    def write(self, source: str, name: str = "program.py") -> str:
        path = self.folder / name
        path.write_text(textwrap.dedent(source))
        return str(path)

    def start(
        self,
        source: str,
        *,
        launcher: tuple[str, ...] = ("opentelemetry-instrument",),
        **settings: str,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*launcher, "python", self.write(source)],
            cwd=self.folder,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(source, **settings)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def install(self, name: str, source: str, entry_points: str) -> None:
        """Put a distribution with entry points on the program's path, as pip would."""
        (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        metadata = self.folder / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(textwrap.dedent(entry_points))

    def stored_spans(self) -> list[dict[str, Any]]:
        """Each stored span: the columns of its row, with its attributes as a dictionary."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM span ORDER BY start_ns").fetchall()
        return [{**dict(row), "attrs": json.loads(row["attrs"])} for row in rows]

    def stored(self) -> list[tuple[str, str]]:
        """Name and state of each stored span."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            if not list(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'spans'")):
                return []
            return list(connection.execute("SELECT name, state FROM spans ORDER BY start_ns"))

    def flowspan(self, *arguments: str) -> Any:
        """What a verb of the command line prints as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "flowspan", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@pytest.fixture
def sink() -> Iterator[Any]:
    from otlpsink import OtlpSink  # type: ignore[import-not-found]  # noqa: PLC0415

    with OtlpSink() as running:
        yield running


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


Program = Callable[..., subprocess.CompletedProcess[str]]
RUN = "from ownengine import Engine\nprint(Engine().run(2))\n"
