"""What a row's target names, and what cannot be patched without changing the program.

Patching replaces a function by one that can be called in the same way.  What is not called where
it is found (a property, a class whose instances are pickled by its name, ``object``'s own methods,
which check how their class is made) would become something else, and is left alone.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, Final

_BINDING: Final = (
    staticmethod,
    classmethod,
    functools.partialmethod,
    functools.singledispatchmethod,
)


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
