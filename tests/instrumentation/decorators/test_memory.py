"""Nothing is kept of a run that is over, and many runs need no more memory than a few."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flowspan
from flowspan.testing import Recording, record

MOST_BYTES_A_RUN = 40
"""An object that stays of each run is fifty at least."""


class Draft:
    def __init__(self, text: str = "draft") -> None:
        self.text = text


class Desk:
    def __init__(self) -> None:
        self.drafts = [Draft()]

    @flowspan.node("{self.drafts[0].text}", state="shared", goal="{draft.text}")
    def write(self, draft: Draft, shared: dict[str, Any]) -> Draft:
        shared["last"] = draft
        flowspan.current().route("write")
        return draft

    @flowspan.tool
    async def wait(self, draft: Draft) -> Draft:
        await asyncio.sleep(0)
        return draft

    @flowspan.agent
    def parts(self, draft: Draft) -> Iterator[Draft]:
        yield draft


@flowspan.run("article")
def article(desk: Desk, draft: Draft, shared: dict[str, Any]) -> None:
    for _ in range(6):
        desk.write(draft, shared)
    list(desk.parts(draft))
    with flowspan.prompt("p", version="1"), flowspan.node("n", state=shared, inputs=draft) as span:
        span.state("A", "B")


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record() as recording:
        yield recording


def test_nothing_of_the_program_is_pinned_after_a_run(recording: Recording) -> None:
    desk, draft, shared = Desk(), Draft(), {"model": Draft()}
    gone = [weakref.ref(each) for each in (desk, draft, shared["model"], desk.drafts[0])]
    kept: list[Any] = []

    with ThreadPoolExecutor(1) as pool:
        pool.submit(article, desk, draft, shared).result()
        asyncio.run(desk.wait(draft))
        with flowspan.node("open") as span:
            kept += (span, flowspan.current())
        del desk, draft, shared
        gc.collect()

        assert [ref() for ref in gone] == [None] * 4
    assert len(recording.spans) == 11
    assert kept


def test_a_run_that_raised_pins_nothing_either(recording: Recording) -> None:
    @flowspan.node(state="draft")
    def fail(draft: Draft) -> None:
        raise LookupError

    draft = Draft()
    gone = weakref.ref(draft)

    with pytest.raises(LookupError), flowspan.run("r"), flowspan.node("n", inputs=draft):
        fail(draft)
    del draft
    gc.collect()

    assert gone() is None
    assert len(recording.spans) == 3


def test_many_runs_need_no_more_memory_than_a_few(recording: Recording) -> None:
    desk, draft = Desk(), Draft()

    def runs(count: int) -> int:
        for at in range(count):
            article(desk, draft, {"at": at})
            if at % 50 == 0:
                recording._exporter.clear()
        recording._exporter.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few = runs(100)
        many = runs(400)
    finally:
        tracemalloc.stop()

    assert (many - few) / 400 < MOST_BYTES_A_RUN
