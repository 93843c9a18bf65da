"""What is measured: one unit of work on each side, inside a run that is under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import provider
from benchmarks.sides import Side


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to measure.

    Attributes:
        name: What tables call it.
        unit: Of which there are how many.
        count: Units in one measurement of time.
        under_valgrind: Units in one measurement of instructions.
        prepare: Makes the function that does a unit on a side; asked once for each side.
        inside: Whether the unit is done inside a node, or else directly inside the run.
        parts: How many chunks a stream has.
        by_hand: Whether there is a hand-written side to compare with.
    """

    name: str
    unit: str
    count: int
    under_valgrind: int
    prepare: Callable[[Side], Callable[[], Any]]
    inside: bool = True
    parts: int = 1
    by_hand: bool = True

    def around(self, side: Side, body: Callable[[], Any]) -> Any:
        """Do ``body`` inside a run of the side's engine."""
        engine = side.engine
        if self.inside:
            return engine.run(lambda: engine.node.around(body))
        return engine.run(body)


def _call(side: Side) -> Callable[[], Any]:
    client = provider.client()
    return lambda: side.chat(client, provider.REQUEST)


def _step(side: Side) -> Callable[[], Any]:
    engine = side.engine
    # Looked up at each call: a method bound before the patches are applied would not be patched.
    return lambda: engine.step()  # noqa: PLW0108 - the lookup is the point


def _node(side: Side) -> Callable[[], Any]:
    node, state = side.engine.node, {"turn": 0}
    return lambda: node.around(lambda: node.update(state))


def _objects(chunks: int) -> Callable[[Side], Callable[[], Any]]:
    def prepare(side: Side) -> Callable[[], Any]:
        client = provider.client(chunks=chunks)
        return lambda: side.read(client, provider.STREAM)

    return prepare


def _bytes(chunks: int) -> Callable[[Side], Callable[[], Any]]:
    """Streams whose bytes are read and not parsed: the chunks' cost without the SDK's noise."""

    def prepare(_side: Side) -> Callable[[], Any]:
        completions = provider.client(chunks=chunks).chat.completions

        def read() -> None:
            with completions.with_streaming_response.create(**provider.STREAM) as response:
                for _ in response.iter_bytes():
                    pass

        return read

    return prepare


CALL: Final = Work("model call", "call", 40, 12, _call)
STEP: Final = Work("step of 4 spans", "step", 40, 12, _step, inside=False)
NODE: Final = Work("node, 2 transitions", "node", 100, 30, _node, inside=False)
STREAM: Final = Work("stream of 200 chunks", "stream", 5, 1, _objects(200), parts=200)
LONG_STREAM: Final = Work("stream of 2000 chunks", "stream", 1, 1, _objects(2000), parts=2000)
BYTES: Final = Work("200 chunks, bytes", "stream", 10, 1, _bytes(200), parts=200, by_hand=False)
LONG_BYTES: Final = Work(
    "2000 chunks, bytes", "stream", 4, 1, _bytes(2000), parts=2000, by_hand=False
)

WORKS: Final = {
    work.name: work for work in (CALL, STEP, NODE, STREAM, LONG_STREAM, BYTES, LONG_BYTES)
}


def sides_of(work: Work, every: Sequence[Side]) -> list[Side]:
    """The sides that a work is done on."""
    return [side for side in every if work.by_hand or not side.by_hand]
