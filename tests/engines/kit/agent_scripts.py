"""Small random plays for agents: drawn here, acted by an engine's agents, counted twice.

::

    script = drawn from scripts()
    stage = Stage(script)                       what its model says, what its tools do
    …agents of the engine, whose tools call
        stage.work(place)                       counts; fails where the script says so
    with FakeProvider(respond=stage.respond):   the model goes through the script
        ask the first agent stage.task()
    assert stage.worked.total() == expected(script).worked.total()      it was played as drawn
    assert what_the_trace_counts == expected(script)                    … and seen as it was played

Each turn of a script is one answer of the model: tools that it wants at once, or a handoff to the
other one of two agents.  A tool may be another agent, which has a script of its own.  The last
answer is a text.  Where in a script an agent is, the model reads from what it is told: every task
names its script, and every wish for a tool its place in it.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from hypothesis import strategies as st

from flowspan.testing import ReceivedRequest, Reply, ToolCall

FIRST, SECOND, HELPER = "desk", "clerk", "helper"
"""The agent that is asked, the one that it may hand over to, and the one that both may ask."""

WORK: Final = "work"
"""The tool that every agent has."""

What = Literal["work", "fail", "ask", "hand over"]


class BrokenError(ValueError):
    """A tool that was drawn to fail."""


@dataclass(frozen=True)
class Act:
    """One thing that an answer of the model wants.

    Attributes:
        what: A tool, one that fails, the agent that helps, or a handoff.
        script: What the agent that helps does.
    """

    what: What
    script: Script | None = None


@dataclass(frozen=True)
class Script:
    """What an agent's model wants, answer by answer, before it says something."""

    turns: tuple[tuple[Act, ...], ...] = ()


@dataclass
class Played:
    """What happened, or must: each with the agents and tools that are around it, outermost first.

    Attributes:
        asked: Calls of the model, by the agent that asks.
        worked: Tools, the asked agents not among them.
        failed: How many of them failed.
        handed: Handoffs, from whom to whom.
        begun: Agents that began, by a question or by a handoff.
        helped: How often an agent asked the other one.
    """

    asked: Counter[tuple[str, ...]] = field(default_factory=Counter)
    worked: Counter[tuple[str, ...]] = field(default_factory=Counter)
    failed: int = 0
    handed: Counter[tuple[str, str]] = field(default_factory=Counter)
    begun: Counter[tuple[str, ...]] = field(default_factory=Counter)
    helped: int = 0


def one_by_one(script: Script) -> Script:
    """The same with one thing in each answer."""
    acts = [act for turn in script.turns for act in turn]
    return Script(
        tuple(
            (act if act.script is None else Act(act.what, one_by_one(act.script)),) for act in acts
        )
    )


def without_failures(script: Script) -> Script:
    """The same with tools that all work."""

    def mended(act: Act) -> Act:
        if act.script is not None:
            return Act(act.what, without_failures(act.script))
        return Act("work") if act.what == "fail" else act

    return Script(tuple(tuple(map(mended, turn)) for turn in script.turns))


def expected(script: Script) -> Played:
    """The script gone through by hand."""
    played = Played()
    _go(script, (), FIRST, played)
    return played


def _go(script: Script, around: tuple[str, ...], agent: str, played: Played) -> None:
    played.begun[(*around, agent)] += 1
    for turn in script.turns:
        played.asked[(*around, agent)] += 1
        for act in turn:
            if act.what == "hand over":
                other = SECOND if agent == FIRST else FIRST
                played.handed[agent, other] += 1
                agent = other
                played.begun[(*around, agent)] += 1
            elif act.script is not None:
                played.helped += 1
                _go(act.script, (*around, agent), HELPER, played)
            else:
                played.worked[(*around, agent, WORK)] += 1
                played.failed += act.what == "fail"
    played.asked[(*around, agent)] += 1


# --- playing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """How an engine says things.

    Attributes:
        asks: The tool that asks the agent that helps.
        handoff: The tool that hands over to an agent.
        done: What says the last word, where a text does not.
    """

    asks: Callable[[str], ToolCall] = lambda task: ToolCall(HELPER, {"task": task})
    handoff: Callable[[str], ToolCall] = lambda agent: ToolCall(f"transfer_to_{agent}")
    done: Callable[[str], Reply] = Reply


_USUAL: Final = Words()
_TASK: Final = re.compile(r"play ([\w-]+)!")


class Stage:
    """Plays of one script, one or many of them at once, in whatever thread.

    Attributes:
        script: What is played.
        worked: How often each place of each play had its tool called.
        broke: How often these failed.
    """

    def __init__(self, script: Script, words: Words = _USUAL, *, plays: int = 1) -> None:
        self.script = script
        self.worked: Counter[str] = Counter()
        self.broke = 0
        self._words = words
        self._scripts = {
            address: inner
            for play in range(plays)
            for address, inner in _addressed(script, f"p{play}")
        }
        self._turns: Counter[str] = Counter()
        self._meetings: dict[str, asyncio.Barrier] = {}
        self._lock = threading.Lock()

    def task(self, play: int = 0) -> str:
        """What the first agent is asked."""
        return f"play p{play}!"

    def work(self, place: str) -> str:
        """What the tool does.

        Raises:
            BrokenError: The script wants it to fail.
        """
        fails = self._act(place).what == "fail"
        with self._lock:
            self.worked[place] += 1
            self.broke += fails
        if fails:
            raise BrokenError(f"{place} is broken")
        return f"worked {place}"

    async def work_together(self, place: str) -> str:
        """The same where the tools that one answer wants are all under way before any works.

        An agent that is asked beside them is not waited for.

        Raises:
            BrokenError: As above.
        """
        _, address, turn, _, _ = place.split("_")
        tools = sum(act.script is None for act in self._scripts[address].turns[int(turn)])
        await self._meetings.setdefault(f"{address}_{turn}", asyncio.Barrier(tools)).wait()
        return self.work(place)

    def _act(self, place: str) -> Act:
        _, address, turn, number, _ = place.split("_")
        return self._scripts[address].turns[int(turn)][int(number)]

    def respond(self, request: ReceivedRequest) -> Reply:
        """The next answer of the script that the request is about."""
        address = _TASK.findall(json.dumps(request.body))[0]
        turns = self._scripts[address].turns
        with self._lock:
            turn = self._turns[address]
            self._turns[address] = 0 if turn == len(turns) else turn + 1
        if turn == len(turns):
            return self._words.done(f"played {address}")
        handed = sum(act.what == "hand over" for acts in turns[:turn] for act in acts)
        other = FIRST if handed % 2 else SECOND
        wishes = (self._wish(act, address, turn, k, other) for k, act in enumerate(turns[turn]))
        return Reply(tool_calls=tuple(wishes))

    def _wish(self, act: Act, address: str, turn: int, number: int, other: str) -> ToolCall:
        place = f"at_{address}_{turn}_{number}_"
        if act.what == "hand over":
            call = self._words.handoff(other)
        elif act.script is not None:
            call = self._words.asks(f"play {address}-{turn}-{number}!")
        else:
            call = ToolCall(WORK, {"place": place})
        return ToolCall(call.name, call.arguments, id=place)


def _addressed(script: Script, address: str) -> Iterator[tuple[str, Script]]:
    yield address, script
    for turn, acts in enumerate(script.turns):
        for number, act in enumerate(acts):
            if act.script is not None:
                yield from _addressed(act.script, f"{address}-{turn}-{number}")


# --- drawing --------------------------------------------------------------------------------------


def _works(*, failing: bool) -> st.SearchStrategy[Act]:
    return st.sampled_from([Act("work"), Act("work"), Act("fail" if failing else "work")])


def scripts(
    *,
    handoffs: bool = True,
    failing: bool = True,
    most_at_once: int = 3,
    helps_at_once: bool = True,
) -> st.SearchStrategy[Script]:
    """Random scripts.

    Args:
        handoffs: Whether the agents hand over to each other.
        failing: Whether tools fail, which the model is told.
        most_at_once: How many tools an answer wants at most.
        helps_at_once: Whether one answer may ask the agent that helps more than once.
    """
    work = _works(failing=failing)
    few = st.lists(work, min_size=1, max_size=most_at_once).map(tuple)
    inner = st.lists(few, max_size=2).map(lambda turns: Script(tuple(turns)))
    asking = inner.map(lambda script: Act("ask", script))
    many = st.lists(st.one_of(work, asking), min_size=1, max_size=most_at_once).map(tuple)
    if not helps_at_once:
        many = many.filter(lambda turn: sum(act.what == "ask" for act in turn) < 2)
    turn = st.one_of(many, st.just((Act("hand over"),))) if handoffs else many
    return st.lists(turn, max_size=4).map(lambda turns: Script(tuple(turns)))


EVERYTHING: Final = Script(
    (
        (Act("work"), Act("ask", Script(((Act("work"),), (Act("fail"), Act("work")))))),
        (Act("hand over"),),
        (Act("fail"), Act("work")),
    )
)
"""A play with all that there is."""

SHORT: Final = Script(((Act("work"), Act("ask", Script())),))
"""One with an agent inside, for many at once."""

SIMPLE: Final = Script(((Act("work"),),))
