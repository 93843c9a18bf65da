"""Small random workflow graphs, for every engine: drawn here, played by an engine, counted twice.

::

    graph = drawn from graphs()
    player = Player(graph, ask=one_model_call)      what the engine's node functions call
    …translate the graph into the engine, whose node functions are
        player.attempt(name, item)                  one attempt: counts, calls the model, may raise
        player.fall_back(name, item)                the answer in place of all attempts
        player.route(name)                          the node that follows
    assert player.tally == expected(graph)          the graph itself was played as drawn
    assert what_the_trace_counts == player.tally    … and seen as it was played

Nodes stand in a line, and the run begins at the first.  A node goes on to a later one or, a bounded
number of times, back.  A node with ``width`` fans out to as many *workers*, at once, and joins them
before it goes on.  An attempt may fail; what fails more often than it is tried has a fallback, or
ends the run.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

END: Final = "end"
"""Where the last node goes."""


class FlakyError(ValueError):
    """An attempt that was drawn to fail.

    Attributes:
        last: Whether no other attempt follows, for engines that know no fallbacks themselves.
    """

    def __init__(self, message: str, *, last: bool = False) -> None:
        """Make the error of an attempt."""
        super().__init__(message)
        self.last = last


@dataclass(frozen=True)
class Work:
    """What a node, or each worker of a fan-out, does at every visit.

    Attributes:
        name: Of the node.
        tries: The most attempts.
        failures: How many of them fail before one succeeds.
        fallback: Whether something answers in place of attempts that all failed.
        calls: Model calls of each attempt, before it fails or succeeds.
        keys: Keys of the state that a success (or the fallback) writes.
    """

    name: str
    tries: int = 1
    failures: int = 0
    fallback: bool = False
    calls: int = 0
    keys: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        """Attempts that a visit makes."""
        return min(self.tries, self.failures + 1)

    @property
    def fails(self) -> bool:
        """Whether every attempt fails."""
        return self.failures >= self.tries


@dataclass(frozen=True)
class Node:
    """One node and where it leads.

    Attributes:
        work: What it does itself.
        routes: Where it goes at its first visit, its second …; the last holds from then on.
        width: How many workers it fans out to; 0 for none.
        worker: What each of them does.
    """

    work: Work
    routes: tuple[str, ...]
    width: int = 0
    worker: Work | None = None

    @property
    def name(self) -> str:
        """Of its work."""
        return self.work.name

    @property
    def decides(self) -> bool:
        """Whether it goes to more than one place."""
        return len(set(self.routes)) > 1


@dataclass(frozen=True)
class Graph:
    """Nodes in their order; the run begins at the first."""

    nodes: tuple[Node, ...]

    def __getitem__(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    @property
    def works(self) -> dict[str, Work]:
        """What every node and worker does, by name."""
        own = [node.work for node in self.nodes]
        workers = [node.worker for node in self.nodes if node.worker is not None]
        return {work.name: work for work in (*own, *workers)}


@dataclass
class Tally:
    """What happened, counted plainly.

    Attributes:
        visits: By node: how often it was run, workers each for itself.
        attempts: By node: how often it was tried.
        retries: By node: attempts beyond the first of a visit.
        failures: By node: visits of which no attempt succeeded.
        fallbacks: By node: of these, those that something else answered.
        routes: By pair: how often one node led to another.
        calls: Model calls.
        failed: Whether the run failed.
    """

    visits: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    routes: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: int = 0
    failed: bool = False


class Player:
    """Plays a graph inside an engine's node functions, in whatever thread, and keeps the count."""

    def __init__(self, graph: Graph, ask: Callable[[], object] | None = None) -> None:
        """Make the player of one run.

        Args:
            graph: What is played.
            ask: Makes one model call.
        """
        self.graph = graph
        self.tally = Tally()
        self._ask = ask
        self._tried: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()

    def attempt(self, name: str, item: int = 0) -> dict[str, int]:
        """One attempt of a node (``item`` tells workers of one name apart).

        Returns:
            What it writes to the state: key to the node's visits so far.

        Raises:
            FlakyError: The attempt was drawn to fail.
        """
        work, tally = self.graph.works[name], self.tally
        with self._lock:
            self._tried[name, item] += 1
            number = self._tried[name, item]
            tally.attempts[name] += 1
            tally.visits[name] += number == 1
            tally.retries[name] += number > 1
            tally.calls += work.calls
            over = number >= work.attempts
            if over:
                self._tried[name, item] = 0
            if over and work.fails:
                tally.failures[name] += 1
                tally.failed |= not work.fallback
        for _ in range(work.calls if self._ask is not None else 0):
            self._ask()  # type: ignore[misc]  # looked at just now
        if number <= work.failures:
            raise FlakyError(f"{name} fails {number} times", last=over)
        return self._written(work)

    def fall_back(self, name: str) -> dict[str, int]:
        """What answers in place of a node whose attempts all failed."""
        with self._lock:
            self.tally.fallbacks[name] += 1
        return self._written(self.graph.works[name])

    def route(self, name: str) -> str:
        """The node after this one, or :data:`END`; asked once at each visit that succeeded."""
        routes = self.graph[name].routes
        with self._lock:
            taken = sum(count for (origin, _), count in self.tally.routes.items() if origin == name)
            to = routes[min(taken, len(routes) - 1)]
            self.tally.routes[name, to] += 1
        return to

    def _written(self, work: Work) -> dict[str, int]:
        return dict.fromkeys(work.keys, self.tally.visits[work.name])


def expected(graph: Graph) -> Tally:
    """What must happen: the graph gone through by hand, one node after the other.

    Where a worker of several fails the run, engines differ in whether the others are still run:
    the counts of that node's workers then say what happens if all are.
    """
    player = Player(graph)
    name = graph.nodes[0].name
    while name != END:
        node = graph[name]
        _visit(player, node.work, 0)
        if node.worker is not None and not player.tally.failed:
            for item in range(node.width):
                _visit(player, node.worker, item)
        if player.tally.failed:
            break
        name = player.route(name)
    return player.tally


def _visit(player: Player, work: Work, item: int) -> None:
    for _ in range(work.attempts):
        try:
            player.attempt(work.name, item)
        except FlakyError:
            continue
        return
    if work.fallback:
        player.fall_back(work.name)


# --- drawing --------------------------------------------------------------------------------------

KEYS: Final = ("draft", "notes", "score")
"""The keys of the state, all of them numbers."""


@st.composite
def works(
    draw: st.DrawFn, name: str, *, failures: bool = True, fallbacks: bool = True, calls: bool = True
) -> Work:
    """What a node of that name does."""
    tries = draw(st.integers(1, 3)) if failures else 1
    failing = draw(st.integers(0, tries if draw(st.booleans()) else tries - 1)) if failures else 0
    return Work(
        name,
        tries=tries,
        failures=failing,
        fallback=fallbacks and draw(st.booleans()),
        calls=draw(st.integers(0, 2)) if calls else 0,
        keys=tuple(sorted(draw(st.sets(st.sampled_from(KEYS))))),
    )


@st.composite
def graphs(  # noqa: PLR0913 - what engines have and have not
    draw: st.DrawFn,
    *,
    most: int = 4,
    loops: bool = True,
    fans: bool = True,
    failures: bool = True,
    fallbacks: bool = True,
    calls: bool = True,
) -> Graph:
    """Graphs that end.

    Args:
        draw: Draws.
        most: The most nodes, workers apart.
        loops: Whether nodes may go back.
        fans: Whether nodes may fan out.
        failures: Whether attempts may fail.
        fallbacks: Whether something may answer in place of them.
        calls: Whether nodes call models.
    """
    names = [f"n{number}" for number in range(draw(st.integers(1, most)))]
    options = {"failures": failures, "fallbacks": fallbacks, "calls": calls}
    nodes = []
    for place, name in enumerate(names):
        forward = st.sampled_from([*names[place + 1 :], END])
        back = st.sampled_from(names[: place + 1])
        turns = (
            draw(st.lists(back if draw(st.booleans()) else forward, max_size=2)) if loops else []
        )
        width = draw(st.integers(0, 3)) if fans else 0
        worker = draw(works(f"{name}_worker", **options)) if width else None
        work = draw(works(name, **options))
        nodes.append(Node(work, (*turns, draw(forward)), width, worker))
    return Graph(tuple(nodes))
