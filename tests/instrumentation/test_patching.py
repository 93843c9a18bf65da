"""Rows are applied after import, each for itself, and taken back exactly."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import dill
import pytest

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.machine import Site
from flowspan.testing import record


def rows(*patches: Patch) -> Integration:
    return Integration("toy", "", patches)


ALL = rows(
    *(
        Patch(target=f"toyengine:{path}", kind="internal")
        for path in (
            "helper",
            "Engine.run",
            "Engine.made",
            "Engine.free",
            "Engine.inherited",
            "Engine.arun",
            "Engine.parts",
            "Engine.aparts",
        )
    ),
    Patch(target="toyengine:Node.act", kind="node", subclasses=True),
)


def identities(module: ModuleType) -> dict[str, Any]:
    owners = [module, *(value for value in vars(module).values() if isinstance(value, type))]
    return {
        f"{getattr(owner, '__qualname__', 'module')}.{name}": value
        for owner in owners
        for name, value in vars(owner).items()
        if name not in ("__dict__", "__weakref__", "__builtins__")
    }


def test_everything_is_taken_back_to_the_identical_object(toy: ModuleType) -> None:
    before = identities(toy)
    with record(ALL):
        during = identities(toy)
        assert any(during[name] is not before.get(name) for name in during)
    after = identities(toy)

    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_an_inherited_attribute_is_deleted_again(toy: ModuleType) -> None:
    with record(ALL) as recording:
        assert toy.Engine().inherited() == "inherited"
        assert toy.Base().inherited() == "inherited"
        assert len(recording.spans) == 1
    assert "inherited" not in vars(toy.Engine)


def test_what_somebody_else_has_replaced_since_is_left_alone(toy: ModuleType) -> None:
    with record(ALL) as recording:
        ours = toy.Engine.run

        def theirs(self: Any, count: int = 1) -> Any:
            return ours(self, count)

        toy.Engine.run = theirs
    assert toy.Engine.run is theirs
    assert toy.Engine().run(2) == [0, 1]
    assert len(recording.spans) == 0


def test_rows_are_independent_and_say_what_was_lost(toy: ModuleType) -> None:
    patches = rows(
        Patch(target="toyengine:Engine.gone", kind="node"),
        Patch(target="toyengine:Absent.run", kind="node", optional=True),
        Patch(target="toyengine:Engine.attribute.__call__", kind="node"),
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="never_imported_module:run", kind="run"),
    )
    with record(patches) as recording:
        toy.Engine().run()

        states = {status.target: status for status in recording.statuses()}
        assert len(recording.spans) == 1
        assert states["toyengine:Engine.gone"].state == "missing"
        assert "toyengine has no Engine.gone" in states["toyengine:Engine.gone"].detail
        assert states["toyengine:Absent.run"].optional
        assert states["toyengine:Engine.run"].state == "applied"
        assert states["never_imported_module:run"].state == "waiting"
        assert states["toyengine:Engine.attribute.__call__"].state in ("missing", "failed")
    assert "never_imported_module" not in sys.modules


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()

    return make


def test_a_module_is_patched_when_the_program_imports_it(
    make_module: Callable[[str, str], None],
) -> None:
    make_module("lateengine", "def run():\n    return 'late'\n")
    late = rows(Patch(target="lateengine:run", kind="run", name="late"))
    with record(late) as recording:
        assert "lateengine" not in sys.modules
        module = importlib.import_module("lateengine")

        assert module.run() == "late"
        assert recording.spans.tree() == "invoke_workflow late"


def test_a_module_that_says_that_it_has_another_name_is_the_one_that_was_imported(
    make_module: Callable[[str, str], None],
) -> None:
    """CrewAI fills modules with the names of another one, ``__name__`` among them."""
    make_module("posingengine", "__name__ = 'anotherengine'\ndef run():\n    return 'run'\n")
    module = importlib.import_module("posingengine")
    posing = rows(Patch(target="posingengine:run", kind="run", name="posing"))

    with record(posing) as recording:
        assert module.run() == "run"

    assert recording.spans.tree() == "invoke_workflow posing"


def test_two_rounds_do_not_pile_up(toy: ModuleType) -> None:
    for _ in range(3):
        with record(ALL) as recording:
            toy.Engine().run()
            assert len(recording.spans) == 1


def test_two_rows_may_share_a_target(toy: ModuleType) -> None:
    before = identities(toy)
    both = rows(
        Patch(target="toyengine:Engine.run", kind="run", name="demo"),
        Patch(target="toyengine:Engine.node", kind="node", name="outer"),
        Patch(target="toyengine:Engine.node", request=lambda call: {"index": call.args[0]}),
    )
    with record(both) as recording:
        toy.Engine().run(1)
        assert [status.state for status in recording.statuses()] == ["applied"] * 3
        assert recording.spans.tree("index") == "invoke_workflow demo index=0\n  run_step outer"
    assert all(identities(toy)[name] is before[name] for name in before)


# --- subclasses -------------------------------------------------------------------------------


def test_overrides_of_today_and_of_later_are_seen_once_each(toy: ModuleType) -> None:
    act = rows(
        Patch(
            target="toyengine:Node.act",
            kind="node",
            name=lambda c: type(c.instance).__name__,
            subclasses=True,
        )
    )
    with record(act) as recording:

        class Late(toy.Node):  # type: ignore[misc, name-defined]
            def act(self) -> str:
                return "late"

        assert toy.Left().act() == "left of base"
        assert toy.Silent().act() == "base"
        assert Late().act() == "late"
        assert recording.spans.tree() == (
            "run_step Left\n  run_step Left\nrun_step Silent\nrun_step Late"
        )
    assert "__init_subclass__" not in vars(toy.Node)


def test_a_base_with_its_own_hook_keeps_it(toy: ModuleType) -> None:
    seen: list[tuple[str, Any]] = []

    class Watched:
        def __init_subclass__(cls, flavour: str = "plain", **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            seen.append((cls.__name__, flavour))

        def act(self) -> str:
            return "watched"

    toy.Watched = Watched  # type: ignore[attr-defined]
    own_hook = vars(Watched)["__init_subclass__"]
    with record(
        rows(Patch(target="toyengine:Watched.act", kind="node", subclasses=True))
    ) as recording:

        class Sweet(Watched, flavour="sweet"):
            def act(self) -> str:
                return "sweet"

        assert Sweet().act() == "sweet"
        assert seen == [("Sweet", "sweet")]
        assert len(recording.spans) == 1
    assert vars(Watched)["__init_subclass__"] is own_hook


# --- pickles and copies -----------------------------------------------------------------------


def test_pickles_are_byte_identical_with_and_without(toy: ModuleType) -> None:
    def pickles() -> list[bytes]:
        return [
            pickle.dumps(thing)
            for thing in (toy.helper, toy.Engine, toy.Engine(), toy.Engine.run, toy.Engine().run)
        ]

    before = pickles()
    dilled = dill.dumps(toy.Engine())
    with record(ALL):
        assert pickles() == before
        assert dill.dumps(toy.Engine()) == dilled
        assert copy.copy(toy.helper) is toy.helper
        assert copy.deepcopy({"f": toy.helper})["f"] is toy.helper


def test_functions_pickled_by_value_take_nothing_of_ours_with_them(toy: ModuleType) -> None:
    with record(ALL):
        toy.helper.__module__ = "somewhere.else"
        pickled = dill.dumps(toy.helper)

    assert b"flowspan.instrumentation.wrappers" not in pickled
    assert dill.loads(pickled)(1) == 2


# --- scripts ----------------------------------------------------------------------------------


def test_a_module_that_runs_as_a_script_is_patched_in_main(
    make_module: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_module("parts_of_script", "class Node:\n    def __init__(self):\n        pass\n")
    main = ModuleType("__main__")
    main.__file__ = "/somewhere/enginescript.py"
    exec("class Engine:\n    def run(self):\n        return 'ran'\n", main.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, "__main__", main)
    script = rows(
        Patch(target="enginescript:Engine.run", kind="run", name="script", script=True),
        Patch(target="parts_of_script:Node.__init__", kind="internal"),
    )
    with record(script) as recording:
        node = importlib.import_module("parts_of_script").Node
        node()
        assert main.Engine().run() == "ran"

        assert [span.name for span in recording.spans] == [
            "Node.__init__",
            "invoke_workflow script",
        ]


def test_another_script_of_a_like_name_is_left_alone(
    make_module: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_module("parts_of_other", "class Node:\n    def __init__(self):\n        pass\n")
    main = ModuleType("__main__")
    main.__file__ = "/somewhere/else.py"
    exec("class Engine:\n    def run(self):\n        return 'ran'\n", main.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, "__main__", main)
    script = rows(
        Patch(target="enginescript:Engine.run", kind="run", name="script", script=True),
        Patch(target="parts_of_other:Node.__init__", kind="internal"),
    )
    with record(script) as recording:
        importlib.import_module("parts_of_other").Node()
        main.Engine().run()

        assert [span.name for span in recording.spans] == ["Node.__init__"]


def test_a_target_that_moved_between_versions_is_found_where_it_is_and_patched_once(
    make_module: Callable[[str, str], None],
) -> None:
    make_module("moved_inner", "class Client:\n    def call(self):\n        return 'called'\n")
    make_module("moved_outer", "from moved_inner import Client\n")
    integration = rows(
        Patch(
            target="moved_inner:Client.call",
            moved=("moved_outer:Client.call", "moved_never:Client.call"),
            kind="node",
            name="call",
        ),
        Patch(
            target="moved_never:Client.call",
            moved=("moved_outer:Client.call",),
            kind="node",
            name="second",
        ),
        Patch(target="moved_inner:Client.gone", moved=("moved_outer:Client.gone",), kind="node"),
    )
    with record(integration) as recording:
        client = importlib.import_module("moved_outer").Client()

        assert client.call() == "called"
        assert recording.spans.tree() == "run_step second\n  run_step call"
        states = [status.state for status in recording.statuses()]
        assert states == ["applied", "applied", "missing"]
    assert not hasattr(vars(type(client))["call"], "__wrapped__")


class _Raced(Site):
    """One whose first call another thread made just after this one looked."""

    __slots__ = ()
    looks = iter((print, None))

    @property
    def first_call(self) -> Any:
        """Something to do, and nothing any more."""
        return next(self.looks)

    @first_call.setter
    def first_call(self, _: Any) -> None:
        """Nobody asks again."""


def test_two_first_calls_at_once_are_both_seen(toy: ModuleType) -> None:
    with record(ALL) as recording:
        site = vars(toy.Engine)["run"]._self_site
        site.__class__ = _Raced
        toy.Engine().run(0)

        assert len(recording.spans) == 1
