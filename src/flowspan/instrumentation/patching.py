"""Applies rows after import, and takes them back exactly.

A row is applied when its module has been imported by the program (never by us).  What is taken
back is the identity of each attribute: an own one is put back, an inherited one is deleted, and
one that somebody else has replaced since is left alone (ours inside it then does nothing).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import weakref
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

import wrapt

from flowspan.background import RLock
from flowspan.instrumentation.held import Holding, hold
from flowspan.instrumentation.machine import Machine, Site
from flowspan.instrumentation.mainwatch import MAIN, MainWatch
from flowspan.instrumentation.precedence import settled
from flowspan.instrumentation.subclassing import SubclassWatch, subclasses_of
from flowspan.instrumentation.targets import (
    UnpatchableError,
    is_defined,
    is_pattern,
    matching,
    raw_attribute,
    resolve,
)
from flowspan.instrumentation.wrapped import Wrapped, patched_by
from flowspan.instrumentation.wrappers import wrapper_for
from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from flowspan.instrumentation.integration import Integration, Patch

State = Literal["waiting", "applied", "missing", "failed"]


@dataclass(slots=True)
class RowStatus:
    """What became of a row.

    Attributes:
        integration: Name of its integration.
        target: Where it applies.
        optional: Some supported versions do not have the target.
        state: ``waiting`` for the import of its module, ``applied``, ``missing`` (no such
            attribute) or ``failed``.
        detail: Why, in a sentence; empty where there is nothing to say.
    """

    integration: str
    target: str
    optional: bool
    state: State = "waiting"
    detail: str = ""


class _Change:
    """One attribute that was replaced.

    It keeps nothing of the program alive: a class that is dropped takes its change with it.
    """

    __slots__ = ("_inherited", "_name", "_owner", "site")

    def __init__(self, owner: weakref.ref[Any], name: str, site: Site, *, inherited: bool) -> None:
        self._owner = owner
        self._name = name
        self.site = site
        self._inherited = inherited

    def place(self) -> tuple[Any, str, Any] | None:
        """Owner, name and original; ``None`` where the owner is gone or somebody replaced ours."""
        owner = self._owner()
        ours = None if owner is None else patched_by(vars(owner).get(self._name), self.site)
        return None if ours is None else (owner, self._name, ours.__wrapped__)

    def undo(self) -> None:
        place = self.place()
        if place is None:
            return
        owner, name, original = place
        if self._inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, original)


class _ModuleHooks:
    """One post-import hook for each module of the process, however many patchers come and go."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.waiting: dict[str, list[Callable[[ModuleType], None]]] = {}

    def on_import(self, module: str, apply: Callable[[ModuleType], None]) -> None:
        with self.lock:
            known = module in self.waiting
            self.waiting.setdefault(module, []).append(apply)
        if not known:
            wrapt.register_post_import_hook(functools.partial(self._imported, module), module)
        elif (found := sys.modules.get(module)) is not None and _is_complete(found):
            apply(found)

    def forget(self, module: str, apply: Callable[[ModuleType], None]) -> None:
        with self.lock:
            if apply in self.waiting.get(module, ()):
                self.waiting[module].remove(apply)

    def _imported(self, name: str, module: ModuleType) -> None:
        """Apply what waits for the name of the import; the module may say that it has another."""
        for apply in tuple(self.waiting.get(name, ())):
            apply(module)


def _is_complete(module: ModuleType) -> bool:
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)


_hooks: Final = _ModuleHooks()


class Patcher:
    """Applies the rows of integrations for one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._changes: dict[int, _Change | Holding] = {}
        self._numbers = itertools.count()
        self._watches: list[SubclassWatch] = []
        self._registered: list[tuple[str, Callable[[ModuleType], None]]] = []
        self._statuses: dict[int, RowStatus] = {}
        self._sites: dict[int, Site] = {}
        self._expanded: dict[int, tuple[Patch, Patch]] = {}
        self._mains: list[MainWatch] = []
        self._lock = RLock()

    def install(self, integration: Integration) -> None:
        """Apply each row of an integration as soon as its module is imported."""
        self._machine.outcomes += integration.outcomes
        scripts = _Scripts(self, integration)
        by_module: dict[str, list[tuple[Patch, str]]] = {}
        for patch in integration.patches:
            status = RowStatus(integration.name, patch.target, patch.optional)
            self._statuses[id(patch)] = status
            for module, path in patch.places:
                by_module.setdefault(module, []).append((patch, path))
        if main := by_module.pop(MAIN, None):
            self._follow_main(integration, main, scripts)
        for module, rows in by_module.items():

            def apply(
                imported: ModuleType,
                rows: list[tuple[Patch, str]] = rows,
                scripts: _Scripts = scripts,
            ) -> None:
                for patch, path in rows:
                    self._apply(integration, patch, imported, path, scripts)

            self._registered.append((module, apply))
            _hooks.on_import(module, apply)

    def uninstall(self) -> None:
        """Take everything back."""
        with self._lock:
            self._machine.active = False
            for module, apply in self._registered:
                _hooks.forget(module, apply)
            for follower in self._mains:
                follower.stop()
            for watch in reversed(self._watches):
                watch.undo()
            for change in reversed(list(self._changes.values())):
                guarded("undo of a patch", change.undo)
            self._changes.clear()
            self._watches.clear()
            self._registered.clear()

    def statuses(self) -> list[RowStatus]:
        """What became of each row so far."""
        return list({id(status): status for status in self._statuses.values()}.values())

    def _follow_main(
        self, integration: Integration, rows: list[tuple[Patch, str]], scripts: _Scripts
    ) -> None:
        """Apply rows to the main module as it defines what they name."""

        def look(main: ModuleType) -> bool:
            for row in tuple(waiting):
                patch, path = row
                if patch.script and not _runs_as_script(main, patch.module):
                    continue
                if is_pattern(path) or is_defined(main, path):
                    self._apply(integration, patch, main, path, scripts)
                    if not is_pattern(path):
                        waiting.remove(row)
            return not waiting

        waiting = list(rows)
        self._mains.append(MainWatch(look))
        self._mains[-1].start()

    def places(self) -> Iterator[tuple[str, Any, str, Any]]:
        """Each attribute that a row replaced: the row's target, owner, name and the original."""
        for change in tuple(self._changes.values()):
            if isinstance(change, _Change) and (found := change.place()) is not None:
                yield self._statuses[id(change.site.patch)].target, *found

    # --- one row -------------------------------------------------------------------------------

    def _apply(
        self,
        integration: Integration,
        patch: Patch,
        module: ModuleType,
        path: str,
        scripts: _Scripts,
    ) -> None:
        if is_pattern(path):
            self._apply_pattern(integration, patch, module, scripts)
            return
        status = self._statuses[id(patch)]
        known = status.state == "applied"
        if known and patch.moved and f"{module.__name__}:{path}" not in patch.names:
            return  # found in another of its places
        try:
            owner, name = resolve(module, path)
            site = self._site(integration, patch, owner)
            if scripts.pending:
                scripts.watch(site)
            self._replace(owner, name, site)
            if patch.subclasses:
                self._follow_subclasses(owner, name, site)
        except AttributeError as error:
            state: State = "missing"
            detail = f"{module.__name__} has no {path} ({error})"
        except UnpatchableError as reason:
            state = "failed"
            detail = f"{patch.target} cannot be patched: it {reason}"
        except Exception as error:  # noqa: BLE001 - one row must not cost the others
            state = "failed"
            detail = f"{patch.target} could not be patched: {type(error).__name__}: {error}"
        else:
            state, detail = "applied", ""
        if not known:
            status.state, status.detail = state, detail

    def _apply_pattern(
        self, integration: Integration, patch: Patch, module: ModuleType, scripts: _Scripts
    ) -> None:
        """Apply a row to each function that it stands for and that has no row of its own."""
        status = self._statuses[id(patch)]
        own = {
            path
            for row in integration.patches
            for name, path in row.places
            if name == module.__name__
        }

        def beside(site: Site) -> bool:
            _, pattern = self._expanded.get(id(site.patch), (None, None))
            same = site.integration is integration and pattern is not patch
            return same and (site.kind is None or patch.kind is None)

        found = list(matching(module, patch.path, own, beside))
        if not found and status.state == "waiting":
            status.state = "missing"
            status.detail = f"{module.__name__} defines nothing that fits {patch.path}"
        for first, *others in found:
            place = f"{module.__name__}:"
            row = replace(
                patch, target=place + first, names=tuple(place + other for other in others)
            )
            self._expanded[id(row)] = row, patch  # known by its identity: it has to live on
            self._statuses[id(row)] = status
            for path in (first, *others):
                self._apply(integration, row, module, path, scripts)

    def _site(self, integration: Integration, patch: Patch, owner: Any) -> Site:
        """One for all names of a row: what is patched under one is seen under the others."""
        site = self._sites.setdefault(id(patch), Site(self._machine, integration, patch))
        named = id(patch) not in self._expanded  # itself, not by a pattern
        if named and site.base is None and isinstance(owner, type):
            site.base = weakref.ref(owner)
        return site

    def apply_to_script(self, integration: Integration, patch: Patch, module: ModuleType) -> None:
        """Apply a row to the same name in ``__main__``."""
        owner, name = resolve(module, patch.path)
        self._replace(owner, name, Site(self._machine, integration, patch))
        self._statuses[id(patch)].state = "applied"

    def _follow_subclasses(self, base: Any, name: str, site: Site) -> None:
        def override(subclass: type) -> None:
            if name in vars(subclass):
                guarded(f"{site.place} of a subclass", self._replace_override, subclass, name, site)

        for subclass in subclasses_of(base):
            override(subclass)
        watch = SubclassWatch(base, override)
        with self._lock:
            self._watches.append(watch)

    def _replace_override(self, owner: type, name: str, site: Site) -> None:
        with contextlib.suppress(UnpatchableError):  # overridden by None, a property and the like
            self._replace(owner, name, site)

    def _replace(self, owner: Any, name: str, site: Site) -> None:
        if site.patch.role == "held":
            with self._lock:
                self._changes[next(self._numbers)] = hold(owner, name, site)
            return
        with self._lock:
            original = raw_attribute(owner, name)
            inherited = name not in vars(owner)
            # An override that is the patched one by another name, or a class made a second time
            # from the parts of the first (as dataclasses do for slots), is seen already.
            if patched_by(original, site) is None:
                original = settled(original, owner, name, site)
                if original is None:
                    return
                function = getattr(original, "__func__", original)
                setattr(owner, name, Wrapped(original, wrapper_for(site, function), site))
            self._remember(owner, name, site, inherited=inherited)

    def _remember(self, owner: Any, name: str, site: Site, *, inherited: bool) -> None:
        number = next(self._numbers)
        changes = self._changes

        def forget(_: Any) -> None:
            changes.pop(number, None)

        changes[number] = _Change(weakref.ref(owner, forget), name, site, inherited=inherited)


class _Scripts:
    """Rows whose module may be running as ``__main__``, where no import tells when it is complete.

    They are tried at the first call of any other row of the integration.
    """

    def __init__(self, patcher: Patcher, integration: Integration) -> None:
        self._patcher = patcher
        self._integration = integration
        self.pending = [
            patch
            for patch in integration.patches
            if patch.script and all(module != MAIN for module, _ in patch.places)
        ]

    def watch(self, site: Site) -> None:
        """Be told of the first call of a row."""
        site.first_call = self.apply

    def apply(self) -> None:
        """Patch ``__main__`` if it is the module that a row names."""
        pending, self.pending = self.pending, []
        main = sys.modules.get("__main__")
        for patch in pending:
            if main is not None and _runs_as_script(main, patch.module):
                guarded(
                    f"{self._integration.name} {patch.path} in __main__",
                    self._patcher.apply_to_script,
                    self._integration,
                    patch,
                    main,
                )


def _runs_as_script(main: ModuleType, module: str) -> bool:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return bool(spec.name in (module, f"{module}.__main__"))
    file = getattr(main, "__file__", None)
    return file is not None and PurePath(file).stem == module.rpartition(".")[2]
