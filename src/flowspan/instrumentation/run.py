"""The current run: its identity, its clock of steps, and the totals of each frame."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import get_current_span

from flowspan import semconv
from flowspan.background import RLock
from flowspan.instrumentation.rounds import Rounds

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from flowspan.usage import Usage


MEMBER: Final = "flowspan"
"""The member of a trace state that says which run another process was in."""

_LOCK: Final = RLock()
"""One for all runs, so that no thread holds it when a process is forked.

It is reentrant: a signal handler, or a finaliser that the garbage collector runs in the middle of
anything, may end a call of the same run.  It is never held while anybody else's code is called.
"""

if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows only
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


@dataclass(slots=True)
class Totals:
    """What the model calls below a span added up to."""

    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    priced_calls: int = 0
    unpriced_calls: int = 0
    errors: int = 0

    def add_call(
        self, usage: Usage | None, cost_usd: Decimal | None, *, unpriced: bool = False
    ) -> None:
        """Add one model call; ``unpriced`` is one whose price nobody knows."""
        self.llm_calls += 1
        if usage is not None:
            self.input_tokens += usage.input_tokens or 0
            self.output_tokens += usage.output_tokens or 0
        if unpriced:
            self.unpriced_calls += 1
        if cost_usd is not None:
            self.priced_calls += 1
            self.cost_usd += cost_usd

    def attributes(self) -> dict[str, Any]:
        """The ``flowspan.rollup.*`` attributes; empty where nothing happened below."""
        found: dict[str, Any] = {}
        if self.llm_calls:
            found[semconv.ROLLUP_LLM_CALLS] = self.llm_calls
            found[semconv.ROLLUP_INPUT_TOKENS] = self.input_tokens
            found[semconv.ROLLUP_OUTPUT_TOKENS] = self.output_tokens
            found[semconv.ROLLUP_UNPRICED_CALLS] = self.unpriced_calls
            if self.priced_calls:
                found[semconv.ROLLUP_COST_USD] = float(self.cost_usd)
        if self.errors:
            found[semconv.ROLLUP_ERRORS] = self.errors
        return found


@dataclass(slots=True)
class Run:
    """One run of an engine (or, outside any engine, of one model call).

    A nested workflow shares identity, lock and notes with the run around it (:meth:`nested`) and
    has a name of its own.

    Attributes:
        run_id: ``flowspan.run.id``.
        workflow: ``gen_ai.workflow.name``; ``None`` outside any engine.
        engine: ``flowspan.engine``.
        steps: How many steps have started.
        notes: Scratch memory of integrations.
        rounds: What is remembered of its nodes, to see loops.
        lock: Guards totals and clocks of every frame.
    """

    workflow: str | None
    engine: str
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    steps: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    lock: RLock = field(default_factory=lambda: _LOCK)
    rounds: Rounds = field(default_factory=Rounds)

    @classmethod
    def begun(cls, workflow: str | None, engine: str, outer: Context) -> Run:
        """The outermost run of this process; part of the one that its trace state names."""
        run_id = get_current_span(outer).get_span_context().trace_state.get(MEMBER)
        return cls(workflow, engine) if run_id is None else cls(workflow, engine, run_id)

    def nested(self, workflow: str | None, engine: str) -> Run:
        """The run of a workflow inside this one."""
        return Run(workflow, engine, self.run_id, 0, self.notes, self.lock, self.rounds)
