"""Random conversations of agents, for every engine: what the model asks for, drawn here.

::

    script = drawn from scripts()
    provider = FakeProvider(respond=Scripted(script))
    desk = Desk()                   its tools are what the engine's agents are given
    …ask the engine, with the question of `question(…)`, and compare the trace with
    desk.used, desk.failed          what was done, counted plainly
    script.routes, len(script)      what the model said

A conversation begins with an agent; at each move the one whose turn it is uses some tools, hands
over to another, or, with the last one, answers.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from hypothesis import strategies as st

from flowspan.testing import ReceivedRequest, Reply, ToolCall

ANSWER: Final = "That is all. TERMINATE"
_MARK: Final = re.compile(r"#(\d+)#")

ToolName = Literal["look", "count"]


class SpoiltError(ValueError):
    """What a tool raises that was drawn to fail."""


@dataclass(frozen=True)
class Use:
    """One use of a tool."""

    tool: ToolName
    fails: bool = False


@dataclass(frozen=True)
class Move:
    """What the model says once: tools to be used, or who goes on."""

    uses: tuple[Use, ...] = ()
    hands_to: str | None = None


@dataclass(frozen=True)
class Script:
    """All that it says but the answer.

    Attributes:
        first: Whose turn it is at the beginning.
        moves: What is said, in turn.
    """

    first: str
    moves: tuple[Move, ...] = ()

    def __len__(self) -> int:
        """How often the model is asked: the answer is a move as well."""
        return len(self.moves) + 1

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Who hands over to whom."""
        turns = self.turns
        return list(itertools.pairwise(turns))

    @property
    def turns(self) -> list[str]:
        """Whose turn it is, one after the other."""
        return [self.first, *(move.hands_to for move in self.moves if move.hands_to is not None)]

    @property
    def uses(self) -> Counter[str]:
        """How often each tool is used."""
        return Counter(use.tool for move in self.moves for use in move.uses)

    @property
    def failures(self) -> Counter[str]:
        """How often each of them fails."""
        return Counter(use.tool for move in self.moves for use in move.uses if use.fails)


def question(number: int = 0) -> str:
    """What the program asks, by which the model knows which conversation it is in."""
    return f"Please go on with #{number}#."


class Scripted:
    """A model that says what its script has, to each conversation by itself."""

    def __init__(self, script: Script, *, handoff: str = "transfer_to_{to}") -> None:
        """Make the model.

        Args:
            script: What it says.
            handoff: Name of the tool that hands over, or ``name:argument`` of one that is told
                to whom.
        """
        self._script = script
        self._handoff = handoff
        self._said: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: ReceivedRequest) -> Reply:
        """What is said next."""
        found = _MARK.search(str(request.body))
        assert found is not None
        with self._lock:
            place = self._said[found[1]]
            self._said[found[1]] += 1
        if place >= len(self._script.moves):
            return Reply(ANSWER)
        move = self._script.moves[place]
        if move.hands_to is not None:
            return Reply(tool_calls=(self._handing(move.hands_to, place),))
        return Reply(
            tool_calls=tuple(
                ToolCall(use.tool, {"fails": use.fails}, id=f"call_{place}_{number}")
                for number, use in enumerate(move.uses)
            )
        )

    def _handing(self, to: str, place: int) -> ToolCall:
        tool, _, argument = self._handoff.partition(":")
        arguments: Mapping[str, str] = {argument: to, "reason": "its turn"} if argument else {}
        return ToolCall(tool.format(to=to), arguments, id=f"call_{place}")


@dataclass
class Desk:
    """The tools, and how often they were used."""

    used: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, fails: bool) -> str:  # noqa: FBT001 - engines give arguments by name
        """Look around."""
        return self._use("look", fails=fails)

    def count(self, fails: bool) -> str:  # noqa: FBT001 - as above
        """Count what is there."""
        return self._use("count", fails=fails)

    def _use(self, tool: str, *, fails: bool) -> str:
        with self._lock:
            self.used[tool] += 1
            self.failed[tool] += fails
        if fails:
            raise SpoiltError(tool)
        return "fine"


@st.composite
def scripts(
    draw: st.DrawFn,
    *,
    agents: tuple[str, ...] = ("anna", "bert", "cleo"),
    failures: bool = True,
    at_once: int = 2,
) -> Script:
    """Conversations that end.

    Args:
        draw: Draws.
        agents: Who may take part; with one alone nobody hands over.
        failures: Whether tools may fail.
        at_once: The most tools of one move.
    """
    first = turn = draw(st.sampled_from(agents))
    uses = st.builds(
        Use, st.sampled_from(("look", "count")), st.booleans() if failures else st.just(value=False)
    )
    moves: list[Move] = []
    for _ in range(draw(st.integers(0, 5))):
        others = [name for name in agents if name != turn]
        if draw(st.booleans()) and others:
            turn = draw(st.sampled_from(others))
            moves.append(Move(hands_to=turn))
        else:
            moves.append(Move(tuple(draw(st.lists(uses, min_size=1, max_size=at_once)))))
    return Script(first, tuple(moves))
