"""What a program says of a piece of its code; applied to a function, or around a ``with`` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flowspan.instrumentation.decorators.handles import NOTHING, Handle
from flowspan.instrumentation.decorators.live import connection, connections

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from flowspan.instrumentation.decorators.blocks import Block

_Target = TypeVar("_Target")


class Mark:
    """A decorator and a context manager, made by ``flowspan.node(…)`` and its like.

    It may be used more than once, also inside itself and in several threads or tasks at a time.
    """

    __slots__ = ("_blocks", "attributes", "kind", "method", "name", "options", "values")

    kind: str
    name: str | None
    attributes: Mapping[str, Any] | None
    values: Mapping[str, Any]
    options: Mapping[str, Any]
    method: str | tuple[str, ...] | None
    _blocks: list[Block] | None

    # One mark serves all that use it, copies too; what is pickled says the same as it.

    def __copy__(self) -> Mark:
        return self

    def __deepcopy__(self, memo: Any) -> Mark:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        attributes = self.attributes
        said = self.kind, self.name, None if attributes is None else dict(attributes)
        return _said_again, (*said, dict(self.values), dict(self.options), self.method)

    def __call__(self, target: _Target, /) -> _Target:
        """Decorate a function, a method or a class."""
        from flowspan.instrumentation.decorators.targets import (  # noqa: PLC0415 - blocks need it not
            decorated,
        )

        found: _Target = decorated(self, target)
        return found

    def __enter__(self) -> Handle:
        if not connections:
            return NOTHING
        live = connection()
        if live is None:
            return NOTHING
        from flowspan.instrumentation.decorators import (  # noqa: PLC0415 - imports OpenTelemetry
            blocks,
        )

        block = blocks.entered(self, live)
        if block is None:
            return NOTHING
        if self._blocks is None:
            self._blocks = []
        self._blocks.append(block)
        return block.handle

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._blocks:
            from flowspan.instrumentation.decorators.blocks import left  # noqa: PLC0415 - as above

            left(self._blocks, error)

    async def __aenter__(self) -> Handle:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    @property
    def shown(self) -> str:
        """As the program wrote it, for sentences about it."""
        return f"flowspan.{self.kind}" + ("" if self.name is None else f"({self.name!r})")


def _said_again(*said: Any) -> Mark:
    """A mark that was pickled."""
    mark = Mark()
    mark.kind, mark.name, mark.attributes, mark.values, mark.options, mark.method = said
    mark._blocks = None  # noqa: SLF001 - as in roles
    return mark
