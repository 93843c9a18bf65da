"""``flowspan.run``, ``step``, ``node``, ``agent``, ``tool`` and ``prompt``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from flowspan.instrumentation.decorators.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Target = TypeVar("_Target")
_new: Final = object.__new__
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Role:
    """Gives a role to a function, a method, a class, or to a ``with`` block.

    ::

        @flowspan.node
        @flowspan.node("{task.action}", id="{task.key}", attributes={"app.topic": "{topic}"})
        with flowspan.node("outline", topic=topic) as span:

    In a decorator a text may have ``{paths}`` in it, which read the call as those of span maps do:
    arguments by name, ``self`` and, in attributes, ``result`` and ``error``.  In a ``with`` block a
    value is what it is.

    Attributes:
        kind: The role.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @overload
    def __call__(
        self,
        /,
        name: str | None = None,
        *,
        attributes: Mapping[str, Any] | None = None,
        id: Any = None,
        attempt: Any = None,
        state: Any = None,
        inputs: Any = None,
        quiet: type[BaseException] | Iterable[str | type[BaseException]] = (),
        method: str | tuple[str, ...] | None = None,
        **values: Any,
    ) -> Mark: ...

    @overload
    def __call__(self, target: _Target, /) -> _Target: ...

    def __call__(  # noqa: PLR0913 - each is a word of its own
        self,
        /,
        name: Any = None,
        *,
        attributes: Mapping[str, Any] | None = None,
        id: Any = None,  # noqa: A002 - the word of span maps
        attempt: Any = None,
        state: Any = None,
        inputs: Any = None,
        quiet: type[BaseException] | Iterable[str | type[BaseException]] = (),
        method: str | tuple[str, ...] | None = None,
        **values: Any,
    ) -> Any:
        """Decorate at once, or make what decorates or surrounds a block.

        Args:
            name: What it is about, with few different values; the function's or the class's name
                unless said.  Or the function, method or class itself.
            attributes: Attributes whose names have dots in them.
            id: Which instance it is: ``flowspan.node.id``.
            attempt: ``flowspan.attempt``, 1 unless said.
            state: The dict or object whose keys the code may change; in a decorator a path to it.
            inputs: What it works on, to see loops; in a decorator a path, all arguments unless
                said.
            quiet: Exceptions that are control flow and no errors.
            method: Of a class: the method, or methods, that do the work.
            values: Further attributes.

        Returns:
            The decorated target, or a decorator that is a context manager as well.
        """
        if id is attempt is state is inputs is None and not quiet:
            options = _NONE
        else:
            options = {
                "id": id,
                "attempt": attempt,
                "state": state,
                "inputs": inputs,
                "quiet": quiet,
            }
        return _marked(self.kind, name, attributes, values, options, method)

    def __enter__(self) -> NoReturn:
        raise TypeError(
            f'flowspan.{self.kind} needs a name around a block: with flowspan.{self.kind}("name"):'
        )

    def __exit__(self, *_: object) -> None:
        """Never: it is not entered."""

    def __repr__(self) -> str:
        return f"<flowspan.{self.kind}>"


class PromptRole:
    """Says which prompt was selected for the model calls of a function, or of a ``with`` block.

    ::

        @flowspan.prompt("outline", version="{template.version}")
        with flowspan.prompt("outline", version="3", reason="long topic"):

    The selection is an event on the span in force, and the model calls inside carry the prompt's
    name and version.  Where there is none inside, those that follow in the same span do: the code
    has built the text for them.
    """

    __slots__ = ()

    @overload
    def __call__(
        self,
        /,
        name: str | None = None,
        *,
        version: Any = None,
        reason: Any = None,
        candidates: Any = None,
        method: str | tuple[str, ...] | None = None,
    ) -> Mark: ...

    @overload
    def __call__(self, target: _Target, /) -> _Target: ...

    def __call__(
        self,
        /,
        name: Any = None,
        *,
        version: Any = None,
        reason: Any = None,
        candidates: Any = None,
        method: str | tuple[str, ...] | None = None,
    ) -> Any:
        """Decorate at once, or make what decorates or surrounds a block.

        Args:
            name: Of the prompt; the function's name unless said.  Or the function itself.
            version: Of the prompt.
            reason: Why this one was selected.
            candidates: A list of the names from which it was.
            method: As of the other roles.

        Returns:
            The decorated target, or a decorator that is a context manager as well.
        """
        options = {"version": version, "reason": reason, "candidates": candidates}
        return _marked("prompt", name, None, _NONE, options, method)

    def __repr__(self) -> str:
        return "<flowspan.prompt>"


def _marked(  # noqa: PLR0913, PLR0917 - by position: at every entry of a block names would cost
    kind: str,
    name: Any,
    attributes: Mapping[str, Any] | None,
    values: Mapping[str, Any],
    options: Mapping[str, Any],
    method: str | tuple[str, ...] | None,
) -> Any:
    """What was said, as a mark; the target, decorated, where that is what stands for the name."""
    mark = _new(Mark)  # made at every entry of a block: a constructor would cost as much again
    mark.kind = kind
    mark.attributes = attributes
    mark.values = values
    mark.options = options
    mark.method = method
    mark._blocks = None  # noqa: SLF001 - as above
    if name is None or isinstance(name, str):
        mark.name = name
        return mark
    mark.name = None
    return mark(name)


run: Final = Role("run")
step: Final = Role("step")
node: Final = Role("node")
agent: Final = Role("agent")
tool: Final = Role("tool")
prompt: Final = PromptRole()
