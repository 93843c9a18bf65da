"""The vocabulary of integrations: what is patched, and how a call is described.

An integration is a table of rows. A row (:class:`Patch`) says where it applies, which role the call
has, and how its request and its result are described.  Extractors are pure functions of a
:class:`Call`; they may fail, the machine guards them.  Nothing here imports OpenTelemetry or wrapt.

::

    Integration("pflow", requires="pflow-cli>=0.16", patches=(
        Patch("pflow.runtime.engine:Engine.run", kind="run", name=workflow_name),
        Patch("pflow.runtime.engine:Engine._execute_node", kind="node", name=node_type,
              request=node_attributes, after=transition),
    ))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from flowspan.instrumentation.call import (
    NOTHING,
    Attributes,
    AttributeValue,
    Call,
    Detail,
    Event,
    Frame,
)
from flowspan.instrumentation.identity import ByIdentity
from flowspan.semconv import Kind
from flowspan.usage import Usage

__all__ = [
    "NOTHING",
    "AttributeValue",
    "Attributes",
    "ByIdentity",
    "Call",
    "Content",
    "Conversation",
    "Detail",
    "Event",
    "Frame",
    "Integration",
    "Joiner",
    "Judged",
    "Observed",
    "OutcomeRule",
    "Patch",
    "Role",
    "ToolRequest",
]

Role = Literal[
    "call",
    "iterate",
    "read",
    "next",
    "take",
    "hand",
    "close",
    "enter",
    "exit",
    "held",
    "make",
    "send",
    "receive",
]


class Joiner(Protocol):
    """Adds up the chunks of a stream, so that none of them need be kept.

    A joiner may have an attribute ``complete``: true once the stream said itself that it is over,
    so that closing it then is an ordinary end.
    """

    def add(self, chunk: Any) -> bool | None:
        """Take one chunk; called once for each, so it must be cheap (about a microsecond).

        Returns:
            ``False`` if the chunk held nothing of the answer, so that it is not the first one.
        """

    def result(self) -> Any:
        """What the row's ``response`` and ``usage`` understand as the result so far."""


class Observed(NamedTuple):
    """A result to observe that is read through other objects as well.

    Attributes:
        subject: The result; where it is dropped, nobody reads on.
        others: Objects by which it is read too.
        members: Attributes of the subject that hold such objects.
    """

    subject: Any
    others: tuple[Any, ...] = ()
    members: tuple[str, ...] = ()


class Content(NamedTuple):
    """Messages of a model call, in the conventions' message format, before the content policy.

    Each is a JSON-serialisable value or ``None``: input and output are lists of
    ``{"role": …, "parts": [{"type": "text", "content": …}, …]}``.
    """

    input: Any = None
    output: Any = None
    system: Any = None


class ToolRequest(NamedTuple):
    """A tool that a model asked the program to run.

    Attributes:
        name: The tool's name.
        call_id: The id by which its answer is sent back, where there is one.
    """

    name: str | None
    call_id: str | None = None


class Judged(NamedTuple):
    """What declared rules of outcomes look at.

    Attributes:
        result: What the node's own function returned: its answer, its update, its action.
        state: What it worked on, where the engine has such a thing.
    """

    result: Any
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRule:
    """A rule that the user declares for spans of other integrations: this result is a failure.

    Attributes:
        judge: The ``error.type``; ``None`` where it is no failure.
        engine: Whose spans, by ``flowspan.engine`` or the integration's name; may have wildcards.
        kinds: Spans of which roles.
        name: Name of the step, agent or tool; may have wildcards.
    """

    judge: Callable[[Judged], str | None]
    engine: str = "*"
    kinds: frozenset[Kind] = frozenset({"node"})
    name: str = "*"


class Conversation(NamedTuple):
    """The conversation that a run is part of: what the engine calls a thread or a session.

    Attributes:
        id: As the engine has it.
        resumes: Whether the run goes on where an earlier one of the conversation stopped.
        told: ``False`` where the engine knows no conversations, and the id is of something else
            that both runs have: it links them, in one process, and no span has it.
    """

    id: str
    resumes: bool = False
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A row: one place to patch, and what a call there means.

    Attributes:
        target: ``"package.module:Class.method"`` or ``"package.module:function"``.
        moved: Where other versions of the library have the same thing; the first place that has
            it is patched.
        names: Where else the same function is to be patched (``from .main import *``).
        label: A short name of the row, for frames and for ``flowspan doctor``; the target's
            qualified name unless said.
        kind: Role of the span; ``None`` makes no span: attributes and events of the row go to the
            span of the enclosing call.
        operation: ``gen_ai.operation.name`` where it is not the kind's usual one; a function
            where it depends on the call.
        name: What the span is about (workflow, step, agent, tool or model name), low cardinality.
        span_name: The whole span name, for engines whose own plan names their spans.
        request: Attributes known before the call runs.
        response: Attributes known from its result.
        failure: Attributes known from its exception; one that it says is a
            ``flowspan.interruption`` is no error.
        salvage: What result there was all the same, from an exception: the answer of a model that
            the client could not parse was paid for.
        conversation: Which conversation a run is part of; one that resumes is linked to the one
            before it.
        conversed: The same from its result, or an exception that is ``quiet``, where that says
            more: what the engine named the conversation, or by what the run that resumes this one
            will know it.
        remote: The call is carried out in another process, which the span says by its kind.
        snapshot: Remembers what ``after`` will compare with; its value is ``call.snapshot``.
        state: The state that nodes share, a dict or an object, asked before the call and after it:
            the machine tells which keys it added, changed and removed.
        update: What a result changes in that state, a mapping of keys to values, for engines whose
            nodes return their changes; ``None`` for nothing.
        inputs: What the call works on, anything: the machine sees when it comes again and again
            (``flowspan.loop.suspected``) and keeps nothing of it; ``None`` where it is not known.
            Unless said, what ``state`` says.
        prompt: The prompt that the call works with, for rows without a kind: an event on the span
            in force, and named on the model calls inside.
        before: Events at the start.
        after: Events once the result is known.
        usage: Tokens of a model call, from its result.
        tools: Tools that the model asks for, from its result.
        usage_request: Keyword arguments that make a stream say its usage, where the program did not
            ask for it; added to the call only if the user set ``FLOWSPAN_STREAM_USAGE=request``.
        content: Messages, asked only when the user wants content.  ``result`` is ``None`` when
            asked for the input before the call.
        join: Makes the joiner of a streamed result; ``None`` when the result is no stream.
        lazy: Tells whether a result is a stream or a body that is yet to be read; it returns the
            object to observe (a row of another ``role`` reports its chunks), an ``Observed``, or
            ``None``.
        taken: What a call of a ``take`` row took: the chunk, and whether it was the last one.
            Unless said, the chunk is what it returned, and an empty one is the end.
        role: ``call`` for ordinary rows. ``iterate`` (returns an iterator over chunks), ``read``
            (the same, over the bytes of a body), ``next`` (returns one chunk, raises at the end),
            ``take`` (returns the next bytes, as files do; of takes inside each other the innermost
            counts) and ``close`` rows report what happens to an observed object, ``enter`` and
            ``exit`` rows that a ``with`` block of it begins and ends, and a ``hand`` row that it
            returned what its own ``lazy`` says is observed from now on in its place.  The target
            of a ``held`` row is an attribute in which objects of a class hold a function: calls of
            it are calls of the row, with the object as their instance.  The target of a ``make``
            row returns a function that it makes: calls of that are calls of the row.  A ``send``
            row puts what its ``lazy`` says on its way, a message to a queue say; the call of a
            ``receive`` row that its ``lazy`` says to be about the same object is part of the run
            that it was sent from, in whatever task it is.
        within: Names of the functions in the target's module that call what is ``held``; whoever
            else reads the attribute gets it as it is.
        glance: Asked of every call before anything else, with the instance, the positional and the
            keyword arguments; ``False`` leaves the call alone.  For methods that are called a lot
            and are seldom meant, it must be very cheap (well below a microsecond).
        when: Asked before the call; ``False`` leaves the call alone.
        began: How long ago the call truly began, in nanoseconds, where it is seen at its end only.
        keep: Asked after the call below detail ``full``; ``False`` drops the span, unless
            something inside it was kept.
        detail: The least detail at which the row is active.
        outcome: Turns a result into an ``error.type``, for engines that report failures in their
            results; ``None`` is success.
        judged: What declared rules of outcomes look at; unless said, what ``update`` says (else
            the result), and ``state``.
        quiet: Exceptions that are control flow, not errors.
        subclasses: The method is overridden; every subclass's own definition is patched too.
        script: The module is also run as a script: the same name in ``__main__`` is patched.
        defers: Model calls inside this one, which make no spans, are followed all the same: what
            they know of usage, address and response is taken where the row does not know better.
        optional: Some supported versions do not have the target.
    """

    target: str
    moved: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    label: str = ""
    kind: Kind | None = None
    operation: str | Callable[[Call], str] | None = None
    name: str | Callable[[Call], str | None] | None = None
    span_name: str | Callable[[Call], str] | None = None
    request: Callable[[Call], Attributes] | None = None
    response: Callable[[Call, Any], Attributes] | None = None
    failure: Callable[[Call, BaseException], Attributes] | None = None
    salvage: Callable[[Call, BaseException], Any] | None = None
    conversation: Callable[[Call], Conversation | None] | None = None
    conversed: Callable[[Call, Any], Conversation | None] | None = None
    remote: bool = False
    snapshot: Callable[[Call], Any] | None = None
    state: Callable[[Call], Any] | None = None
    update: Callable[[Call, Any], Mapping[Any, Any] | None] | None = None
    inputs: Callable[[Call], Any] | None = None
    prompt: Callable[[Call], Attributes] | None = None
    before: Callable[[Call], Iterable[Event]] | None = None
    after: Callable[[Call, Any], Iterable[Event]] | None = None
    usage: Callable[[Call, Any], Usage | None] | None = None
    tools: Callable[[Call, Any], Iterable[ToolRequest]] | None = None
    usage_request: Callable[[Call], Mapping[str, Any]] | None = None
    content: Callable[[Call, Any], Content] | None = None
    join: Callable[[Call], Joiner] | None = None
    lazy: Callable[[Call, Any], Any] | None = None
    taken: Callable[[Call, Any], tuple[Any, bool]] | None = None
    role: Role = "call"
    within: tuple[str, ...] = ()
    glance: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], bool] | None = None
    when: Callable[[Call], bool] | None = None
    began: Callable[[Call], int | None] | None = None
    keep: Callable[[Call, Any], bool] | None = None
    detail: Detail = "minimal"
    outcome: Callable[[Call, Any], str | None] | None = None
    judged: Callable[[Call, Any], Judged] | None = None
    quiet: tuple[str, ...] = ()
    subclasses: bool = False
    script: bool = False
    defers: bool = False
    optional: bool = False

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Module and attribute path of each place where the target may be."""
        targets = (self.target, *self.moved, *self.names)
        return tuple((target.partition(":")[0], target.partition(":")[2]) for target in targets)

    @property
    def module(self) -> str:
        """The module whose import applies the row."""
        return self.places[0][0]

    @property
    def path(self) -> str:
        """The attribute path inside the module."""
        return self.places[0][1]


@dataclass(frozen=True, slots=True)
class Integration:
    """What flowspan knows of one engine or client.

    Attributes:
        name: As users know it; also its name in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``.
        requires: Requirement in the form of packaging (``"openai>=1.40"``), the one version fact;
            empty where there is no distribution to ask (a program that is run from a checkout).
        patches: The rows.
        engine: ``flowspan.engine`` of the runs that it starts; empty for clients.
        environment: Variables set as defaults before the target is imported, such as the switch
            of a client's own tracing.
        outcomes: Rules for spans of whatever integration, asked after each result.
        yields: Whether its rows with a kind leave functions alone that have a role by a decorator,
            as those of span maps do.  What an engine knows of a call is more than its role.
    """

    name: str
    requires: str
    patches: tuple[Patch, ...]
    engine: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[OutcomeRule, ...] = ()
    yields: bool = False
