"""CrewAI's nodes: the methods of a Flow, and the tasks of a crew whose agent answers at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

_OFF_THE_NETWORK: Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TESTING": "true",
    "CREWAI_TRACING_ENABLED": "false",
}


def flow(nodes: int) -> Callable[[], Any]:
    """What makes Flows that go round; without events of theirs, for which they copy the state."""
    os.environ |= _OFF_THE_NETWORK
    from crewai.flow.flow import Flow, listen, or_, router, start  # noqa: PLC0415 - if installed

    class Counting(Flow):  # type: ignore[misc,type-arg]
        suppress_flow_events: bool = True

        @start()  # type: ignore[untyped-decorator]
        async def begin(self) -> None:
            self._state["turn"] = 1

        @router(or_(begin, "again"))  # type: ignore[untyped-decorator]
        async def count(self) -> str:
            self._state["turn"] += 1
            return "again" if self._state["turn"] < nodes - 1 else "done"

        @listen("done")  # type: ignore[untyped-decorator]
        async def end(self) -> None: ...

    return Counting


def methods(nodes: int) -> Callable[[dict[str, Any]], Any]:
    """Methods of a Flow that goes round."""
    make = flow(nodes)

    def run(state: dict[str, Any]) -> Any:
        made = make()
        made._state.update(state)  # noqa: SLF001 - inputs would be copied, and are not the point
        return made.kickoff()

    return run


def tasks(nodes: int) -> Callable[[dict[str, Any]], Any]:
    """Tasks one after the other, each with its agent: two spans.

    There is no crew around them, which would write to a database after each.
    """
    os.environ |= _OFF_THE_NETWORK
    from crewai import Agent, BaseLLM, Task  # noqa: PLC0415 - only where it is installed
    from crewai.events.utils import console_formatter  # noqa: PLC0415 - as above

    console_formatter.set_suppress_console_output(True)

    class Silent(BaseLLM):  # type: ignore[misc]
        def call(self, *_: Any, **__: Any) -> str:
            return ""

    class Quick(Agent):  # type: ignore[misc]
        def execute_task(self, *_: Any, **__: Any) -> str:
            return "done"

    worker = Quick(role="Quick", goal="to be done", backstory="none", llm=Silent(model="none"))
    works = [
        Task(name=f"task {at}", description="Work.", expected_output="work", agent=worker)
        for at in range(nodes)
    ]

    def run(_state: dict[str, Any]) -> None:
        for work in works:
            work.execute_sync()

    return run
