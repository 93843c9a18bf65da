"""Loops that lead nowhere: a node that comes again and again with the same inputs.

A round is a call of a node that begins after the former one has ended; calls side by side are no
rounds, and neither are further attempts.  A round is like the former where its inputs are; where it
gave another result, and no model was asked for it, something has changed all the same.  Inputs that
the row does not name are the state that it watches, as long as nobody told of a change.

Inputs that are too large to be looked at wholly each time are looked at once more, and farther,
in the last two rounds before a loop is suspected.  Where something is found to change out of
sight, twice as many rounds are needed from then on, so that these looks stay rare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv
from flowspan.instrumentation.likeness import FAR, WIDE, Likeness, likeness

if TYPE_CHECKING:
    from flowspan.instrumentation.frame import CallFrame

MOST_NODES: Final = 1000
"""How many nodes of a run are remembered: the oldest goes first."""


class Node:
    """What is remembered of a node.

    Attributes:
        like: What its inputs looked like.
        far: What they looked like when they were looked at farther.
        needed: How many rounds make a loop.
        count: How many rounds in a row.
        under_way: How many calls have not ended.
        result: What it gave the last time.
        changes: How many changes of the state there had been in the run.
    """

    __slots__ = ("changes", "count", "far", "like", "needed", "result", "under_way")

    def __init__(self, needed: int) -> None:
        self.like: Likeness | None = None
        self.far: Likeness | None = None
        self.needed = needed
        self.count = 0
        self.under_way = 0
        self.result: Likeness | None = None
        self.changes = 0


class Rounds:
    """What is remembered of a run, nested runs included.

    Attributes:
        nodes: By step and identity.
        changes: How many changes of a state were told.
        told: Whether a loop was suspected; once is enough.
    """

    __slots__ = ("changes", "nodes", "told")

    def __init__(self) -> None:
        self.nodes: dict[Any, Node] = {}
        self.changes = 0
        self.told = False


def began(frame: CallFrame) -> None:
    """A call of a row that tells its inputs begins."""
    rounds = frame.run.rounds
    needed = frame.site.machine.loop_rounds
    later = frame.attributes.get(semconv.ATTEMPT, 1) != 1
    if rounds.told or later or frame.parent is None or not needed:
        return
    inputs, said = _inputs(frame)
    like = None if inputs is None else frame.site.ask("inputs", likeness, inputs)
    if like is None:
        return
    with frame.run.lock:
        node = _node(rounds, (_name(frame), frame.attributes.get(semconv.NODE_ID)), needed)
        node.under_way += 1
        if node.under_way > 1:  # side by side with another one
            frame.round = (node, 0)
            return
        quiet = said or node.changes == rounds.changes
        if node.like is None or not node.like.same(like) or not quiet:
            node.count, node.result, node.far = 0, None, None
        node.count += 1
        node.like, node.changes = like, rounds.changes
        frame.round = (node, node.count)
        unsure = not like.whole and node.count >= max(2, node.needed - 1)
    if unsure:
        _look_farther(frame, node, inputs)


def _look_farther(frame: CallFrame, node: Node, inputs: Any) -> None:
    far = frame.site.ask("inputs", likeness, inputs, FAR)
    with frame.run.lock:
        if far is not None and node.far is not None and not node.far.same(far):
            node.count, node.needed, far = 1, 2 * node.needed, None
        node.far = far


def _inputs(frame: CallFrame) -> tuple[Any, bool]:
    """The inputs, and whether the row says what they are."""
    site, patch = frame.site, frame.site.patch
    if patch.inputs is not None:
        found = site.ask("inputs", patch.inputs, frame.call)
        if found is not None:
            return found, True
    if patch.state is None or frame.looked is None:  # watched, unless the user wants little
        return None, False
    return site.ask("inputs", patch.state, frame.call), False


def _name(frame: CallFrame) -> Any:
    return frame.attributes.get(semconv.NAME_OF_KIND.get(frame.kind or "", ""))


def _node(rounds: Rounds, key: Any, needed: int) -> Node:
    node = rounds.nodes.get(key)
    if node is None:
        if len(rounds.nodes) >= MOST_NODES:
            del rounds.nodes[next(iter(rounds.nodes))]
        node = rounds.nodes[key] = Node(needed)
    return node


def ended(frame: CallFrame, result: Any) -> None:
    """It has ended, with a result or an exception."""
    if frame.round is None:
        return
    node, count = frame.round
    repeated = count > 1 and node.like is not None
    like = frame.site.ask("result", _shown, frame, result) if repeated else None
    with frame.run.lock:
        node.under_way -= 1
        if not repeated or like is None:
            return
        if node.result is not None and not node.result.same(like) and not _explained(frame):
            node.count, node.far = 1, None
        node.result = like
        rounds = frame.run.rounds
        suspected = node.count >= node.needed and not rounds.told
        rounds.told = rounds.told or suspected
    if suspected:
        _tell(frame, node)


def _shown(frame: CallFrame, result: Any) -> Likeness:
    """What a call gave: of one that wraps up what the node's own function returned, that."""
    judged = frame.site.patch.judged
    if isinstance(result, BaseException):
        return likeness(type(result))
    return likeness(result if judged is None else judged(frame.call, result).result, WIDE)


def _explained(frame: CallFrame) -> bool:
    """Whether another result means nothing: a model was asked, which never says the same twice."""
    return frame.totals is not None and frame.totals.llm_calls > 0


def _tell(frame: CallFrame, node: Node) -> None:
    number = 0 if node.like is None else node.like.number & 0xFFFFFFFF
    attributes = {
        semconv.LOOP_SIGNATURE: f"{_name(frame)} {number:08x}",
        semconv.LOOP_ITERATIONS: node.count,
        semconv.STEP_NAME: frame.step,
        semconv.NODE_ID: frame.attributes.get(semconv.NODE_ID),
    }
    run = _outermost_run(frame)
    if run is not None:
        run.event(semconv.EVENT_LOOP_SUSPECTED, attributes)
    instruments = frame.site.machine.instruments
    labels = instruments.place(frame.workflow, frame.step)
    labels[semconv.ENGINE] = frame.run.engine
    instruments.count(semconv.METRIC_LOOPS, 1, labels)


def _outermost_run(frame: CallFrame) -> CallFrame | None:
    found: CallFrame | None = None
    above: CallFrame | None = frame
    while above is not None:
        if above.kind == "run":
            found = above
        above = above.parent
    return found
