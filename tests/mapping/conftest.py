"""A program in a folder of its own, and what the helpers of maps say of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ENGINE = """
import functools

import house.tools
from house.tools import search

print("imported", flush=True)


class Engine:
    def __init__(self, topic):
        self.topic = topic

    def run(self, topic):
        return self.step(topic)

    def step(self, task):
        return task

    @staticmethod
    def free(x):
        return x

    @classmethod
    async def made(cls, x):
        return cls(x)

    async def parts(self, count):
        for index in range(count):
            yield index


class Slotted:
    __slots__ = ("key", "status")

    def __init__(self, key):
        self.key = key
        self.status = "new"

    def move_to(self, status):
        self.status = status


def anything(**options):
    return options
"""

TOOLS = """
TOOLS = {}


def register(function):
    TOOLS[function.__name__] = function
    return function


@register
def search(query):
    return query


def browse(url):
    return url


from house.early import *
"""

EARLY = "from house import tools\nbrowse_page = tools.browse\n"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that no integration knows; the current folder is its own."""
    package = tmp_path / "house"
    package.mkdir()
    for name, source in (("engine", ENGINE), ("tools", TOOLS), ("early", EARLY)):
        (package / f"{name}.py").write_text(source)
    (package / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_map(house: Path) -> Callable[[str], Path]:
    """Writes a map beside the program."""

    def write(text: str) -> Path:
        file = house / "map.toml"
        file.write_text(textwrap.dedent(text))
        return file

    return write
