"""A program that no integration knows, and the maps that are tried on it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.loading import load_map

PROGRAM = """
from enum import Enum

class Status(Enum):
    NEW = 1
    DONE = 2

class Node:
    def __init__(self, key):
        self.key = key
        self.status = Status.NEW
        self.memory = {"article": "", "notes": []}

    def work(self, action, attempt=1):
        self.memory["notes"].append(action)
        self.status = Status.DONE
        return {"ok": action != "bad", "why": "low_quality", "tokens": {"in": 7, "out": 2}}

    def crash(self):
        self.memory["article"] = "half"
        self.status = Status.DONE
        raise ValueError("no", 7)

    def rest(self):
        return None

def run(node, action="good"):
    return node.work(action)

def crash(node):
    node.crash()

def swallow(node):
    try:
        node.crash()
    except ValueError:
        return "swallowed"

def ask(model, prompt):
    return {"usage": {"in": 7, "out": True, "tier": "batch", "bad": "x"}}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The program, freshly imported."""
    (tmp_path / "mapped_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("mapped_program")
    del sys.modules["mapped_program"]


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[[str], Integration]:
    """Loads a map that is in order."""

    def load(text: str) -> Integration:
        file = tmp_path / "agent.toml"
        file.write_text(text)
        found, problems = load_map(file)
        assert problems == []
        assert found is not None
        return found

    return load
