"""While flowspan is off, decorated code costs next to nothing and imports next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from collections.abc import Callable
from typing import Any

import pytest

import flowspan

USED = """
import json, sys
import flowspan

@flowspan.node("{x}", id="k")
def act(x): return x

@flowspan.agent
class Worker:
    async def run(self): return 1

with flowspan.run("article", topic="tea") as span:
    span.event("x"); flowspan.current().route("y"); act(1)
with flowspan.prompt("p", version="1"): Worker
print(json.dumps(sorted(sys.modules)))
"""


def test_nothing_is_imported_but_what_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", USED], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}

    assert (
        loaded & {"opentelemetry", "wrapt", "sqlalchemy", "rich", "click", "genai_prices"} == set()
    )


def plain(value: int) -> int:
    return value


async def waiting(value: int) -> int:
    return value


class Desk:
    def work(self, value: int) -> int:
        return value

    seen = flowspan.tool(work)


decorated_plain = flowspan.node(plain)
desk = Desk()


def block() -> None:
    with flowspan.node("act", key=1) as span:
        span.event("x")


def drive(function: Callable[..., Any]) -> Callable[[], None]:
    def run() -> None:
        try:
            function(1).send(None)
        except StopIteration:
            return

    return run


def spent(function: Callable[[], Any]) -> float:
    """Seconds of a call, the least of many tries."""
    return min(timeit.repeat(function, number=500, repeat=40)) / 500


def reference() -> dict[str, Any]:
    """About as much as a small function of a program's does."""
    found: dict[str, Any] = {}
    for at in range(40):
        found[f"key {at}"] = [at, str(at)]
    return found


@pytest.mark.parametrize(
    ("without", "decorated"),
    [
        (lambda: plain(1), lambda: decorated_plain(1)),
        (lambda: desk.work(1), lambda: desk.seen(1)),
        (drive(waiting), drive(flowspan.node(waiting))),
        (lambda: None, block),
        (lambda: None, lambda: flowspan.current().event("x")),
    ],
    ids=["function", "method", "coroutine", "block", "current"],
)
def test_it_costs_a_fraction_of_what_a_small_function_does(without: Any, decorated: Any) -> None:
    """A microsecond is what a dict of forty entries takes ten to twenty of."""
    added = spent(decorated) - spent(without)

    assert added < spent(reference) / 5
