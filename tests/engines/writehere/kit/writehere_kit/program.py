"""Running the stand-in in this process, by either entry, and reading what it left behind."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

STANDIN: Final = Path(__file__).resolve().parents[2] / "standin"
Mode = Literal["story", "report"]
Entry = Literal["imported", "script"]
MODES: Final[tuple[Mode, ...]] = ("story", "report")
ENTRIES: Final[tuple[Entry, ...]] = ("imported", "script")


@dataclass(frozen=True, slots=True)
class Job:
    """One command: a mode, its goals and where its files go."""

    mode: Mode
    goals: tuple[str, ...]
    folder: Path
    model: str = "gpt-4o"

    def write_input(self) -> Path:
        """The input file, in the form that the stand-in and the real engine read."""
        items = [
            {"id": f"item{n}", "goal": goal, "prompt": goal, "ori": {"inputs": goal}}
            for n, goal in enumerate(self.goals)
        ]
        path = self.folder / "input.jsonl"
        (self.folder / "out" / self.mode).mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")
        return path

    @property
    def output(self) -> Path:
        """The output file."""
        return self.folder / "out" / self.mode / "result.jsonl"

    @property
    def nodes_json(self) -> Path:
        """The file that shows the nodes while the run goes on."""
        return self.folder / "nodes.json"

    def options(self) -> list[str]:
        """The command line of ``engine.py``."""
        return [
            *("--filename", str(self.write_input()), "--output-filename", str(self.output)),
            *("--mode", self.mode, "--model", self.model, "--engine-backend", "google"),
            *("--nodes-json-file", str(self.nodes_json), "--today-date", "Apr 1, 2025"),
        ]


MakeJob = Callable[..., Job]


@contextmanager
def standin() -> Iterator[None]:
    """The stand-in can be imported, and the command line is the test's own again afterwards."""
    argv = sys.argv
    sys.path.insert(0, str(STANDIN))
    try:
        yield
    finally:
        sys.argv = argv
        sys.path.remove(str(STANDIN))


def run(job: Job, entry: Entry) -> None:
    """Run the stand-in."""
    if entry == "script":
        sys.argv = ["engine.py", *job.options()]
        runpy.run_path(str(STANDIN / "recursive" / "engine.py"), run_name="__main__")
        return
    sys.argv = ["a program of my own"]
    engine: Any = importlib.import_module("recursive.engine")
    if job.mode == "story":
        engine.story_writing(
            str(job.write_input()),
            str(job.output),
            None,
            None,
            None,
            job.model,
            nodes_json_file=str(job.nodes_json),
        )
    else:
        engine.report_writing(
            str(job.write_input()),
            str(job.output),
            None,
            None,
            None,
            job.model,
            "google",
            nodes_json_file=str(job.nodes_json),
            today_date="Apr 1, 2025",
        )


_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\d[ _]\d\d:\d\d:\d\d")


def results(folder: Path) -> dict[str, bytes]:
    """Every file of a run, byte by byte; identities by their order, and no clock."""
    return {
        str(path.relative_to(folder)): neutral(_read(path), folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in {".log", ".lock"}
    }


def _read(path: Path) -> bytes:
    """A file's bytes; of a cache, which threads fill, its lines in order."""
    content = path.read_bytes()
    in_order = path.parent.name == "cache"
    return b"".join(sorted(content.splitlines(keepends=True))) if in_order else content


def neutral(content: bytes, folder: Path) -> bytes:
    """The content without what differs between any two runs; the length of each stays."""
    seen: dict[bytes, bytes] = {}

    def numbered(match: re.Match[bytes]) -> bytes:
        return seen.setdefault(match.group(), b"%036d" % len(seen))

    content = content.replace(str(folder).encode(), b"FOLDER")
    return _TIME.sub(b"0000-00-00 00:00:00", _UUID.sub(numbered, content))
