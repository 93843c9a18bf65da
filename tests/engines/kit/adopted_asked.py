"""What every engine of small tables is asked; an engine says how its agents are made and asked.

A test class of an engine derives from :class:`Asked` and has an ``Engine`` of its own.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, Final

import pytest
from adopted import watched
from adopted_engine import (
    Engine,
    asked,
    counted,
    errors,
    is_in_this_version,
    is_paid,
    is_whole,
    must,
    of_ours,
    of_trace,
    without,
)
from agent_scripts import (
    EVERYTHING,
    SHORT,
    SIMPLE,
    Script,
    Stage,
    expected,
    one_by_one,
    scripts,
    without_failures,
)
from hypothesis import HealthCheck, Phase, given, settings
from traces import attributes, broken

from flowspan import semconv
from flowspan.doctor import integrations as doctor
from flowspan.testing import FakeProvider, Gate, RecordedSpans, Reply

_WITHOUT_A_LOOP: Final = frozenset({"sync", "steps"})
_IN_ONE_PIECE: Final = frozenset({"sync", "later"})

_DRAWN: Final = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.generate,),
)

AT_ONCE: Final = 100
IN_THREADS: Final = 24
RUNS: Final = 100
"""Of which memory must not grow by as many objects."""


class Asking:
    """How one engine is asked."""

    engine: ClassVar[Engine]
    pytestmark: ClassVar = [
        pytest.mark.filterwarnings("ignore"),  # the engines' own: clients that nobody closes
        pytest.mark.timeout(180),
    ]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test for each way to ask the engine, or for each of its rows."""
        names = metafunc.fixturenames
        ways = self.engine.ways
        if "way" in names:
            metafunc.parametrize("way", ways)
        if "loop_way" in names:
            metafunc.parametrize("loop_way", [way for way in ways if way not in _WITHOUT_A_LOOP])
        if "read_way" in names:
            metafunc.parametrize("read_way", [way for way in ways if way not in _IN_ONE_PIECE])
        if "later" in names:
            metafunc.parametrize("later", [way for way in ways if way == "later"])
        if "lost" in names:
            targets = {patch.target for patch in self.engine.integration.patches}
            metafunc.parametrize("lost", sorted(filter(is_in_this_version, targets)))

    @pytest.fixture(autouse=True)
    def _quiet(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
        monkeypatch.setenv("HOME", str(tmp_path))
        self._environment = monkeypatch
        yield
        gc.collect()  # what engines leave open is complained of here

    @contextmanager
    def provided(self, stage: Stage) -> Iterator[FakeProvider]:
        """A provider whose model knows the script."""
        with FakeProvider(respond=stage.respond) as provider:
            for name, value in provider.environment.items():
                self._environment.setenv(name, value)
            yield provider

    def stage(self, script: Script, *, plays: int = 1) -> Stage:
        return Stage(script, self.engine.words, plays=plays)

    def both(self, way: str, script: Script) -> tuple[Any, Any, RecordedSpans]:
        """Play alone, and watched; what both did is the same."""
        outcomes = []
        alone, seen = self.stage(script), self.stage(script)
        with self.provided(alone) as provider:
            outcomes.append((self.acted(way, alone), asked(self.engine, provider), alone.worked))
        with self.provided(seen) as provider, watched() as recording:
            outcomes.append((self.acted(way, seen), asked(self.engine, provider), seen.worked))
            spans = recording.spans
            is_paid(spans, provider)
        for of_alone, of_seen in zip(*outcomes, strict=True):
            assert of_seen == of_alone
        return outcomes[1][0], seen, spans

    def acted(self, way: str, stage: Stage) -> Any:
        """Play: what the program gets."""
        return self.engine.play(way, stage)


class Asked(Asking):
    """The tests of one engine."""

    @property
    def everything(self) -> Script:
        """The fullest play that the engine knows."""
        known = EVERYTHING if self.engine.failing else without_failures(EVERYTHING)
        if not self.engine.handoffs:
            turns = (t for t in known.turns if not any(act.what == "hand over" for act in t))
            known = Script(tuple(turns))
        return one_by_one(known) if self.engine.most_at_once == 1 else known

    # --- counts

    def test_random_plays_are_counted(self, way: str) -> None:
        """Agents, tools, failures, handoffs and model calls, each in its place, are what happened.

        The program gets and asks the same, watched or not.
        """
        engine = self.engine

        @_DRAWN
        @given(
            scripts(
                handoffs=engine.handoffs,
                failing=engine.failing,
                most_at_once=engine.most_at_once,
                helps_at_once=engine.helps_at_once,
            )
        )
        def check(script: Script) -> None:
            _, stage, spans = self.both(way, script)
            played = expected(script)
            assert stage.worked.total() == played.worked.total()
            is_whole(spans)
            assert counted(engine, spans) == must(engine, played)
            assert errors(spans) == stage.broke * engine.errors

        check()

    # --- many at once

    def _check_each(self, spans: RecordedSpans, script: Script, runs: int) -> None:
        is_whole(spans, runs)
        played = must(self.engine, expected(script))
        for root in spans.roots():
            assert counted(self.engine, of_trace(spans, root)) == played

    def test_a_hundred_at_once_in_one_loop(self, loop_way: str) -> None:
        """Runs of the same agents that take turns are traces of their own."""
        script = one_by_one(SHORT) if self.engine.most_at_once == 1 else SHORT
        stage = self.stage(script, plays=AT_ONCE)

        async def all_at_once() -> None:
            agents = self.engine.agents(stage)
            tasks = [stage.task(play) for play in range(AT_ONCE)]
            await asyncio.gather(*(self.engine.awaited(loop_way, agents, task) for task in tasks))
            await self.engine.close(agents)

        with self.provided(stage) as provider, watched() as recording:
            asyncio.run(all_at_once())
            is_paid(recording.spans, provider)

        self._check_each(recording.spans, script, AT_ONCE)

    def test_runs_in_a_pool_of_threads(self, way: str) -> None:
        """So they are side by side in threads."""
        script = self.everything
        stage = self.stage(script, plays=IN_THREADS)
        with (
            self.provided(stage) as provider,
            watched() as recording,
            ThreadPoolExecutor(6) as pool,
        ):
            tasks = [stage.task(play) for play in range(IN_THREADS)]
            list(pool.map(lambda task: self.engine.play(way, stage, task), tasks))
            is_paid(recording.spans, provider)

        self._check_each(recording.spans, script, IN_THREADS)

    # --- runs that end early

    @pytest.mark.parametrize("how", ["cancelled", "timed out"])
    def test_a_run_that_is_cancelled(self, how: str, later: str) -> None:
        """It says so, with all that was under way, and nothing failed."""
        del later
        gate = Gate()
        stage = self.stage(SIMPLE)

        async def cancelled() -> None:
            async with asyncio.timeout(None) as limit:
                running = asyncio.current_task()

                async def stop() -> None:
                    await asyncio.to_thread(gate.wait_until_reached)
                    if how == "cancelled" and running is not None:
                        running.cancel()
                    else:
                        limit.reschedule(0)

                stopping = asyncio.create_task(stop())
                try:
                    await self.engine.later(self.engine.agents(stage), stage.task())
                finally:
                    await stopping

        raised = asyncio.CancelledError if how == "cancelled" else TimeoutError
        with self.provided(stage) as provider, watched() as recording:
            provider.reply(Reply("held", gate=gate))
            with pytest.raises(raised):
                asyncio.run(cancelled())
            gate.open()
        gc.collect()

        spans = recording.spans
        is_whole(spans)
        (root,) = spans.roots()
        assert attributes(root)[semconv.INTERRUPTION] == "CancelledError"
        assert all(span.status.is_unset for span in spans)
        assert len(spans.of_kind("agent")) >= 1

    @pytest.mark.parametrize("parts", [1, 2, 4])
    def test_a_stream_that_is_left(self, read_way: str, parts: int) -> None:
        """The run ends with all that was under way, and nothing failed."""
        stage = self.stage(SIMPLE)

        async def left() -> None:
            agents = self.engine.agents(stage)
            stream = getattr(self.engine, read_way)(agents, stage.task())
            for _ in range(parts):
                await anext(stream, None)
            await stream.aclose()
            await self.engine.close(agents)

        def dropped() -> None:
            stream = self.engine.steps(self.engine.agents(stage), stage.task())
            for _ in range(parts):
                next(stream, None)

        with self.provided(stage), watched() as recording:
            whole = True
            try:
                dropped() if read_way == "steps" else asyncio.run(left())
            except GeneratorExit:  # pydantic-ai 2.0 breaks off in its own middle, watched or not
                whole = False
            gc.collect()
            spans = recording.spans

        assert all(span.status.is_unset for span in spans)
        if whole:
            is_whole(spans)

    # --- what is kept

    def test_nothing_is_pinned(self, way: str) -> None:
        """What the engine lets go of after a run is let go of when it is watched."""

        def pinned() -> list[bool]:
            stage = self.stage(SIMPLE)
            with self.provided(stage):
                agents = self.engine.agents(stage)
                references = [weakref.ref(stage), weakref.ref(agents)]
                self.engine.ask(way, agents, stage.task())
            del stage, agents
            gc.collect()
            return [reference() is not None for reference in references]

        alone = pinned()
        with watched() as recording:
            seen = pinned()
            assert len(recording.spans) > 1

        assert seen == alone

    def test_memory_is_flat(self) -> None:
        """Runs of the same agents leave nothing of ours behind but their spans."""
        way = "later" if "later" in self.engine.ways else self.engine.ways[0]
        stage = self.stage(SIMPLE)

        with self.provided(stage), watched() as recording:
            agents = self.engine.agents(stage)

            def held() -> int:
                recording._exporter.clear()
                gc.collect()
                return of_ours()

            async def runs() -> list[int]:
                counts = []
                for number in range(1, 2 * RUNS + 1):
                    if way == "later":
                        await self.engine.later(agents, stage.task())
                    else:
                        self.engine.ask(way, agents, stage.task())
                    if not number % RUNS:
                        counts.append(held())
                return counts

            early, late = asyncio.run(runs())

        assert late - early < RUNS // 2  # one object for each run would be seen

    # --- versions

    def test_a_version_without_one_place_costs_no_more_than_its_rows(self, lost: str) -> None:
        """The program does the same, its calls are paid, and doctor names the place."""
        integration = self.engine.integration
        script, way = self.everything, self.engine.ways[0]
        alone, seen = self.stage(script), self.stage(script)
        with self.provided(alone):
            result = self.engine.play(way, alone)
        with self.provided(seen) as provider, watched(without(integration, lost)) as recording:
            assert self.engine.play(way, seen) == result
            spans = recording.spans
            is_paid(spans, provider)
            rows = [row for row in recording.statuses() if row.integration == integration.name]

        assert alone.worked == seen.worked
        assert broken(spans) == []
        missing = {row.target: row.optional for row in rows if row.state == "missing"}
        named = f"{lost}_of_another"
        assert missing.pop(named, None) is not None
        assert all(missing.values())  # of other versions
        finding = doctor._judged(integration, "0", [asdict(row) for row in rows])
        if not all(row.optional for row in rows if row.state == "missing"):
            assert finding.level == "problem"
            assert lost.rpartition(":")[2].rpartition(".")[2] in finding.text
