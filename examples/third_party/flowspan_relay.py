"""What the engine ``relay`` means to flowspan.

This is the whole integration: a table of rows.  flowspan imports it at the start of every watched
program, so it must not import the engine; rows wait until the program does.
"""

from collections.abc import Iterable

from flowspan import Attributes, Call, Event, Integration, Patch, semconv


def _race(call: Call) -> str:
    return str(call.instance.name)


def _runner(call: Call) -> str:
    return str(call.argument("runner", 0).name)


def _baton(call: Call) -> object:
    return call.argument("baton", 1)


def _next(call: Call, answer: str) -> Iterable[Event]:
    """Where the race goes: by the answer of a leg to the next runner, if there is one."""
    names = [runner.name for runner in call.instance.runners]
    following = names[names.index(_runner(call)) + 1 :]
    route = {semconv.ROUTE_FROM: _runner(call), semconv.ROUTE_ACTION: answer}
    if answer == "on" and following:
        route[semconv.ROUTE_TO] = following[0]
    yield Event(semconv.EVENT_ROUTE_TAKEN, route)


def _attempt(call: Call) -> Iterable[Event]:
    """A leg that is run again: counted in the notes of the call around it."""
    if call.frame is None:
        return
    attempts = call.frame.notes["attempts"] = call.frame.notes.get("attempts", 0) + 1
    if attempts > 1:
        yield Event(semconv.EVENT_RETRY, {semconv.ATTEMPT: attempts})


def _distance(_: Call, baton: dict[str, int]) -> Attributes:
    return {"relay.metres": baton["metres"]}


INTEGRATION = Integration(
    "relay",
    requires="relay>=1",
    engine="relay",
    patches=(
        Patch(target="relay:Race.start", kind="run", name=_race, response=_distance),
        Patch(target="relay:Race.hand_over", kind="node", name=_runner, state=_baton, after=_next),
        # No kind: what it tells goes to the node around it.
        Patch(target="relay:Runner.leg", subclasses=True, before=_attempt),
    ),
)
