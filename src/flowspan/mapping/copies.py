"""Finds where else a program holds a function that a row has replaced: calls there are not seen.

A name that was imported before the row applied, or a registry that a decorator has filled while the
module was imported, goes on holding the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any


def copies_of(original: Any) -> Iterator[str]:
    """The names, and the items of collections, under which modules hold a function.

    Args:
        original: The function as it was, or the static or class method around it.
    """
    function = getattr(original, "__func__", original)
    packages = {function.__module__.partition(".")[0], "__main__"}
    for name, module in tuple(sys.modules.items()):
        if name.partition(".")[0] in packages and module is not None:
            for attribute, found in tuple(vars(module).items()):
                if found is function:
                    yield f"{name}:{attribute}"
                elif type(found) in {dict, list, tuple}:
                    yield from (f"{name}:{attribute}[{key}]" for key in _keys(found, function))


def _keys(collection: Any, function: Any) -> Iterator[str]:
    items = collection.items() if isinstance(collection, dict) else enumerate(collection)
    for key, value in items:
        if value is function:
            yield repr(key)
