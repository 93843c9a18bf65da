"""What a row's target names, and what cannot be patched without changing the program.

Patching replaces a function by one that can be called in the same way.  What is not called where
it is found (a property, a class whose instances are pickled by its name, ``object``'s own methods,
which check how their class is made) would become something else, and is left alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator
from fnmatch import fnmatchcase
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from flowspan.instrumentation.wrapped import Wrapped

if TYPE_CHECKING:
    from flowspan.instrumentation.machine import Site

_BINDING: Final = (
    staticmethod,
    classmethod,
    functools.partialmethod,
    functools.singledispatchmethod,
)
_FUNCTIONS: Final = frozenset({FunctionType, staticmethod, classmethod})
"""What a pattern finds; what else can be called has to be named."""


class UnpatchableError(Exception):
    """Says what a target is instead of a function, as the end of a sentence about it."""


def resolve(module: ModuleType, path: str) -> tuple[Any, str]:
    """The owner of the attribute at a path, and the attribute's name.

    Raises:
        AttributeError: There is no such owner, or only a module's ``__getattr__`` knows of it:
            to ask that would import what the program has not.
    """
    owner: Any = module
    *outer, name = path.split(".")
    for part in outer:
        owner = vars(owner)[part] if _holds(owner, part) else getattr(owner, part)
    _holds(owner, name)
    return owner, name


def is_pattern(path: str) -> bool:
    """Whether a path stands for all that fit it."""
    return "*" in path


def is_defined(module: ModuleType, path: str) -> bool:
    """Whether a module that is still running has come to what a path names."""
    return path.partition(".")[0] in vars(module)


def matching(
    module: ModuleType,
    pattern: str,
    but: Container[str] = (),
    beside: Callable[[Site], bool] = lambda _: False,
) -> Iterator[tuple[str, ...]]:
    """The functions and methods of a module that fit a pattern.

    Only what the module itself defines counts, not what it imports or inherits; names that begin
    with an underscore only where the pattern's do.

    Args:
        module: Where to look.
        pattern: An attribute path in which ``*`` stands for any part of a name, as ``*.run``.
        but: Paths that are left out.
        beside: Whether a function counts that a certain row has patched already; none unless given.

    Yields:
        The paths of one function: the first, and those of its other names.
    """
    paths: dict[int, list[str]] = {}
    for path, found in _fitting(module, module.__name__, pattern.split(".")):
        function = _bare(found, beside)
        if path not in but and _is_function(function, module.__name__):
            paths.setdefault(id(function), []).append(path)
    yield from map(tuple, paths.values())


def _fitting(owner: Any, module: str, parts: list[str]) -> Iterator[tuple[str, Any]]:
    pattern, *inner = parts
    for name, found in list(vars(owner).items()):
        hidden = name.startswith("_") and not pattern.startswith("_")
        if hidden or not fnmatchcase(name, pattern):
            continue
        if inner and issubclass(type(found), type) and vars(found).get("__module__") == module:
            for path, function in _fitting(found, module, inner):
                yield f"{name}.{path}", function
        elif not inner:
            yield name, found


def _bare(found: Any, beside: Callable[[Site], bool]) -> Any:
    while type(found) is Wrapped and beside(found._self_site):  # noqa: SLF001 - wrapt has no other door
        found = found.__wrapped__
    return found


def _is_function(found: Any, module: str) -> bool:
    # By its exact type: to ask other objects anything may run code of theirs.
    if type(found) not in _FUNCTIONS:
        return False
    function = getattr(found, "__func__", found)
    return getattr(function, "__module__", None) == module


def _holds(owner: Any, name: str) -> bool:
    if not isinstance(owner, ModuleType):
        return False
    if name not in vars(owner):
        raise AttributeError(
            f"{name} is not in {owner.__name__} itself; name the module that defines it"
        )
    return True


def raw_attribute(owner: Any, name: str) -> Any:
    """The attribute as its class or module holds it: not bound, descriptors as they are.

    Raises:
        AttributeError: There is no such attribute.
        UnpatchableError: It cannot be patched.
    """
    for holder in getattr(owner, "__mro__", (owner,)):
        if name in vars(holder):
            found = vars(holder)[name]
            break
    else:
        raise AttributeError(f"{owner.__name__} has no {name}")
    if holder is object:
        raise UnpatchableError("is inherited from object, which depends on how a class is made")
    if isinstance(getattr(found, "__func__", found), type):
        raise UnpatchableError("is a class; name its __init__ or another of its methods")
    if not callable(found) and not isinstance(found, _BINDING):
        raise UnpatchableError(f"is a {type(found).__name__}, not a function")
    return found
