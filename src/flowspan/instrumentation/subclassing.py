"""Following the subclasses of a class, those of today and those still to be defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOOK: Final = "__init_subclass__"


def subclasses_of(base: type) -> Iterator[type]:
    """Every subclass of a class, at any depth, each once."""
    seen: set[int] = set()  # by identity: a metaclass may compare as it likes
    waiting: list[type] = list(type.__subclasses__(base))
    while waiting:
        subclass = waiting.pop()
        if id(subclass) not in seen:
            seen.add(id(subclass))
            yield subclass
            waiting.extend(type.__subclasses__(subclass))


class _Hook:
    """A class's ``__init_subclass__`` with a follower behind it; pickles as the original."""

    def __init__(self, base: type, original: Any, follow: Callable[[type], None]) -> None:
        self._base = base
        self._original = original
        self._follow = follow

    def __get__(self, instance: Any, owner: type) -> Callable[..., None]:
        def init_subclass(**keywords: Any) -> None:
            if self._original is None:
                super(self._base, owner).__init_subclass__(**keywords)  # type: ignore[arg-type]
            else:
                self._original.__get__(instance, owner)(**keywords)
            guarded(f"subclass {owner.__name__}", self._follow, owner)

        return init_subclass

    def __reduce__(self) -> Any:
        """Pickle as the method that was there before, own or inherited."""
        if self._original is None:
            return getattr, (object, _HOOK)
        return classmethod, (self._original.__func__,)


class SubclassWatch:
    """Tells of every subclass defined from now on, until undone."""

    def __init__(self, base: type, follow: Callable[[type], None]) -> None:
        self._base = base
        self._before = vars(base).get(_HOOK)
        self._ours = _Hook(base, self._before, follow)
        setattr(base, _HOOK, self._ours)

    def undo(self) -> None:
        """Put back what was there."""
        if vars(self._base).get(_HOOK) is not self._ours:
            return
        if self._before is None:
            delattr(self._base, _HOOK)
        else:
            setattr(self._base, _HOOK, self._before)
