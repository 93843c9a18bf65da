"""One engine as its tests use it, and what they read from its traces."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from agent_scripts import Played, Stage, Words
from opentelemetry.sdk.trace import ReadableSpan
from traces import attributes, broken, routes

from flowspan import semconv
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.testing import FakeProvider, RecordedSpans

_CONTAINERS: Final = (dict, list, set, frozenset, deque)


class Engine:
    """One engine, as its tests use it.

    Attributes:
        integration: Its rows, if it has any.
        words: How its model says things.
        ways: How it is asked: methods of this class, of which those that are not ``sync``,
            ``later`` or ``steps`` are asynchronous generators.
        handoffs: Whether its agents hand over.
        failing: Whether the model is told of tools that fail.
        most_at_once: Tools that an answer wants at most.
        helps_at_once: Whether an agent can be asked by two tools at once.
        nests: Whether who is handed over to is inside of who hands over: then only the innermost
            agent of each thing is compared.
        errors: How many errors a tool that fails is: the step around it may fail as well, of an
            exception of the engine's own.
    """

    integration: Integration
    words: Words = Words()
    ways: tuple[str, ...] = ("sync", "later", "stream")
    handoffs: bool = False
    failing: bool = True
    most_at_once: int = 3
    helps_at_once: bool = True
    nests: bool = False
    errors: int = 1

    def agents(self, stage: Stage) -> Any:
        """Agents whose tools are the stage's; what is asked."""
        raise NotImplementedError

    def sync(self, agents: Any, task: str) -> Any:
        """Ask, and wait."""
        raise NotImplementedError

    async def later(self, agents: Any, task: str) -> Any:
        """Ask in an event loop."""
        raise NotImplementedError

    def stream(self, agents: Any, task: str) -> AsyncIterator[Any]:
        """Ask, and get what the program can compare, part by part."""
        raise NotImplementedError

    def steps(self, agents: Any, task: str) -> Iterator[Any]:
        """The same without an event loop."""
        raise NotImplementedError

    def agents_seen(self, played: Played) -> Counter[tuple[str, ...]]:
        """The agents' spans that there must be, with the agents around them."""
        return played.begun

    def told(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the model was asked, without what differs from run to run, watched or not."""
        return request

    def play(self, way: str, stage: Stage, task: str | None = None) -> Any:
        """Play one play in one way, with agents of its own."""
        return self.ask(way, self.agents(stage), task or stage.task())

    def ask(self, way: str, agents: Any, task: str) -> Any:
        """Ask agents in one way."""
        if way == "sync":
            return self.sync(agents, task)
        if way == "steps":
            return list(self.steps(agents, task))
        return asyncio.run(self._once(way, agents, task))

    async def _once(self, way: str, agents: Any, task: str) -> Any:
        try:
            return await self.awaited(way, agents, task)
        finally:
            await self.close(agents)

    async def close(self, agents: Any) -> None:
        """Close the client of agents that are asked in one loop only."""

    async def awaited(self, way: str, agents: Any, task: str) -> Any:
        """Play in the loop that runs."""
        if way == "later":
            return await self.later(agents, task)
        return [part async for part in getattr(self, way)(agents, task)]


# --- what a trace says ----------------------------------------------------------------------------


def chains(spans: RecordedSpans) -> dict[str, Counter[tuple[str, ...]]]:
    """Spans by kind, each as the names of the agents around it, and its own."""
    by_id = {span.context.span_id: span for span in spans}
    found: dict[str, Counter[tuple[str, ...]]] = {"llm": Counter(), "tool": Counter()}
    for span in spans:
        known = attributes(span)
        around: list[str] = []
        above = span
        while above.parent is not None:
            above = by_id[above.parent.span_id]
            if attributes(above).get(semconv.KIND) == "agent":
                around.insert(0, attributes(above)[semconv.AGENT_NAME])
        own = str(known.get(semconv.TOOL_NAME) or known.get(semconv.AGENT_NAME))
        kind = known.get(semconv.KIND, "")
        chain = (*around, own) if kind in {"tool", "agent"} else tuple(around)
        found.setdefault(kind, Counter())[chain] += 1
    return found


def _compared(engine: Engine, found: Counter[tuple[str, ...]], last: int = 1) -> Any:
    """Chains as they can be compared: their last parts, where agents are inside each other."""
    if not engine.nests:
        return found
    shorter: Counter[tuple[str, ...]] = Counter()
    for chain, number in found.items():
        shorter[chain[-last:]] += number
    return shorter


def counted(engine: Engine, spans: RecordedSpans) -> dict[str, Any]:
    """What the trace says that happened."""
    found = chains(spans)
    tools = found["tool"]
    failed = [span for span in spans.of_kind("tool") if not span.status.is_unset]
    worked = Counter({chain: n for chain, n in tools.items() if chain[-1] == "work"})
    return {
        "asked": _compared(engine, found["llm"]),
        "agents": _compared(engine, found.get("agent", Counter())),
        "worked": _compared(engine, worked, 2),
        "failed": len(failed),
        "handed": routes(spans),
    }


def errors(spans: RecordedSpans) -> int:
    """How many errors the run says that there were."""
    (root,) = spans.roots()
    return int(attributes(root).get(semconv.ROLLUP_ERRORS, 0))


def must(engine: Engine, played: Played) -> dict[str, Any]:
    """The same, counted without a trace."""
    return {
        "asked": _compared(engine, played.asked),
        "agents": _compared(engine, engine.agents_seen(played)),
        "worked": _compared(engine, played.worked, 2),
        "failed": played.failed,
        "handed": played.handed,
    }


def of_trace(spans: RecordedSpans, root: ReadableSpan) -> RecordedSpans:
    return RecordedSpans([s for s in spans if s.context.trace_id == root.context.trace_id])


def is_whole(spans: RecordedSpans, runs: int = 1) -> None:
    """Each run is one trace, of which all spans know the run."""
    assert broken(spans) == []
    roots = spans.roots()
    assert [attributes(root)[semconv.KIND] for root in roots] == ["run"] * runs
    assert len(spans.trace_ids()) == runs
    for root in roots:
        trace = of_trace(spans, root)
        assert {attributes(s)[semconv.RUN_ID] for s in trace} == {attributes(root)[semconv.RUN_ID]}


def is_paid(spans: RecordedSpans, provider: FakeProvider) -> None:
    """Tokens are the provider's."""
    total = provider.ledger.total()
    assert len(spans.of_kind("llm")) == len(provider.ledger)
    assert spans.total(semconv.USAGE_INPUT_TOKENS) == total.input_tokens
    assert spans.total(semconv.USAGE_OUTPUT_TOKENS) == total.output_tokens


def asked(engine: Engine, provider: FakeProvider) -> list[str]:
    """What the model was asked, without ids that count requests side by side."""
    bodies = (json.dumps(engine.told(each.body), sort_keys=True) for each in provider.requests)
    return sorted(re.sub(r"_\d{6}", "_", body) for body in bodies)


# --- what is there --------------------------------------------------------------------------------


def of_ours() -> int:
    """How many objects there are of flowspan's, and how many are in what these hold."""
    objects = [each for each in gc.get_objects() if _is_ours(type(each).__module__)]
    modules = [vars(module) for name, module in tuple(sys.modules.items()) if _is_ours(name)]
    held = [each for owner in (*objects, *modules) for each in gc.get_referents(owner)]
    return len(objects) + sum(len(each) for each in held if isinstance(each, _CONTAINERS))


def _is_ours(module: Any) -> bool:
    return isinstance(module, str) and module.startswith("flowspan.instrumentation")


def is_in_this_version(target: str) -> bool:
    """Whether the engine that is installed has the module in which a row has its first place."""
    try:
        return find_spec(target.partition(":")[0]) is not None
    except ModuleNotFoundError:  # nor what it would be in
        return False


def without(integration: Integration, target: str) -> Integration:
    """As if the engine had another name for one place, in whichever module its versions have it."""

    def moved(patch: Patch) -> tuple[str, ...]:
        return tuple(f"{module}:{patch.path}_of_another" for module, _ in patch.places)

    return replace(
        integration,
        patches=tuple(
            replace(patch, target=f"{target}_of_another", names=(), moved=moved(patch))
            if patch.target == target
            else patch
            for patch in integration.patches
        ),
    )
