"""What changed in a state, at a price that does not depend on its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest.mock import Mock

import pytest

from flowspan.instrumentation.states import (
    LONG,
    MOST_KEYS,
    MOST_NAMES,
    compare,
    compare_update,
    look,
    name_of,
    parts,
)


class Slotted:
    __slots__ = ("__hidden", "goal", "unfilled")

    def __init__(self, goal: str) -> None:
        self.goal = goal
        self.__hidden = 1


class SlottedWithMore(Slotted):
    def __init__(self, goal: str) -> None:
        super().__init__(goal)
        self.more = True


@dataclass
class Memory:
    article: str
    notes: list[str]

    @property
    def expensive(self) -> str:
        raise AssertionError("a property was read")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda state: state.update(new=1), (["new"], [], [])),
        (lambda state: state.pop("text"), ([], [], ["text"])),
        (lambda state: state.update(text="other"), ([], ["text"], [])),
        (lambda state: state.update(text=None), ([], ["text"], [])),
        (lambda state: state["notes"].append("x"), ([], ["notes"], [])),
        (lambda state: state.update(notes=["a"]), ([], ["notes"], [])),
        (lambda state: state.update(count=True), ([], ["count"], [])),
        (lambda state: state.update(count=2), ([], ["count"], [])),
        (lambda state: state.update(text="te" + "xt"), ([], [], [])),
        (lambda state: state.update(), ([], [], [])),
        (lambda state: state.update({7: 1, ("a",): 2}), (["7", "<tuple>"], [], [])),
    ],
)
def test_keys_that_were_added_changed_and_removed_are_named(change: Any, expected: Any) -> None:
    state: dict[Any, Any] = {"text": "text", "notes": ["a"], "count": 1, "nan": float("nan")}
    before = look(state)

    change(state)

    found = compare(before, state)
    assert (found.added, found.changed, found.removed) == expected
    assert found.size == len(state)
    assert bool(found) is any(expected)


def test_attributes_of_objects_are_keys_and_properties_are_not_read() -> None:
    memory = Memory("", [])
    before = look(memory)

    memory.article = "Once"

    assert compare(before, memory).changed == ["article"]


def test_slots_are_keys_where_they_are_filled() -> None:
    state = SlottedWithMore("honey")

    assert dict(parts(state)) == {"_Slotted__hidden": 1, "goal": "honey", "more": True}
    assert dict(parts(Slotted("tea"))) == {"_Slotted__hidden": 1, "goal": "tea"}


def test_what_has_no_parts_has_no_keys() -> None:
    assert look(7).size == 0


def test_a_counter_that_comes_back_to_another_number_has_changed_even_at_the_same_address() -> None:
    """Numbers are remembered themselves: their addresses are soon given to others."""
    state = {"cost": 1.5}
    before = look(state)

    for _ in range(10):
        state["cost"] = state["cost"] + 1.0

    assert compare(before, state).changed == ["cost"]


def test_a_subclass_of_a_collection_is_not_asked_for_its_length() -> None:
    class Lazy(list[int]):
        def __len__(self) -> int:
            raise AssertionError("a query was made")

    state = {"rows": Lazy([1])}
    before = look(state)

    state["rows"].append(2)

    assert compare(before, state).changed == ["rows"]


def test_a_dict_is_read_as_a_dict_whatever_its_class_does() -> None:
    class Watched(dict[str, int]):
        def __iter__(self) -> Any:
            raise AssertionError("the program was asked")

        def items(self) -> Any:
            raise AssertionError("the program was asked")

    assert parts(Watched(a=1)) == [("a", 1)]


@pytest.mark.parametrize("size", [2, MOST_KEYS + 2])
def test_no_method_of_a_dict_s_own_class_is_asked(size: int) -> None:
    class Watched(dict[str, int]):
        def _asked(self, *_: Any) -> Any:
            raise AssertionError("the program was asked")

        __iter__ = __getitem__ = keys = values = items = get = copy = _asked

    state = Watched({str(at): 1 for at in range(size)})
    before = look(state)

    dict.__setitem__(state, "1", 2)

    assert compare(before, state) == ([], ["1"], [], size)


@pytest.mark.parametrize("size", [2, MOST_KEYS + 2])
def test_a_key_that_was_taken_out_and_put_back_has_not_changed(size: int) -> None:
    state = {f"key {at}": at for at in range(size)}
    before, first = look(state), 0

    state[f"key {first}"] = state.pop("key 0")

    found = compare(before, state)
    assert (found.changed, found.removed, found.size) == ([], [], size)


def test_the_values_are_not_kept_alive() -> None:
    class Large: ...

    seen = look({"model": Large(), "text": "short"})

    assert seen.keys == ["model", "text"]
    assert isinstance(seen.values[0][0], int)


def test_many_names_are_cut() -> None:
    change = compare(look({}), dict.fromkeys(range(1000), 0))

    assert len(change.added) == MOST_NAMES
    assert change.size == 1000


def test_a_key_that_is_no_text_is_named_without_running_its_code() -> None:
    class Key:
        def __str__(self) -> str:
            raise AssertionError("the program was asked")

    assert name_of(Key()) == "<Key>"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda state: None, ([], [], [])),
        (lambda state: state.update(new=1, newer=2), (["new", "newer"], [], [])),
        (lambda state: state.update({"0": 1, "9999": 1}), ([], ["0", "9999"], [])),
        (lambda state: (state.pop("9998"), state.update(new=1)), (["new"], [], ["9998"])),
        (lambda state: (state.pop("0"), state.pop("1")), ([], [], ["0", "1"])),
        (lambda state: (state.clear(), state.update(new=1)), (["new"], [], [str(0)])),
        (lambda state: state.update({"5000": 1}), ([], [], [])),
    ],
)
def test_of_a_large_state_the_oldest_and_the_newest_keys_are_looked_at(
    change: Any, expected: Any
) -> None:
    state: dict[Any, Any] = {str(index): 0 for index in range(10_000)}
    before = look(state)

    change(state)

    found = compare(before, state)
    assert (found.added, found.changed, found.removed[: len(expected[2])]) == expected
    assert len(before.keys) == MOST_KEYS
    assert found.size == len(state)


def test_long_texts_are_told_apart_by_identity_and_not_read() -> None:
    """Comparing ten megabytes would take longer than the whole node may."""
    state = {"article": "x" * (LONG + 1), "same": "y" * (LONG + 1)}
    before = look(state)

    state["article"] = "".join(["x"] * (LONG + 1))

    assert compare(before, state).changed == ["article"]


def test_an_update_is_compared_with_what_there_was_before() -> None:
    """Engines whose nodes return what they change write it to the state themselves, later."""
    messages = ["a"]
    state = {"count": 1, "messages": messages, "name": "x"}
    before = look(state)
    messages.append("b")

    change = compare_update(before, {"count": 1, "messages": messages, "name": "y", "new": 0})

    assert (change.added, change.changed, change.removed) == (["new"], ["messages", "name"], [])
    assert change.size == 4


def test_an_update_of_a_large_state_names_no_key_as_new_that_may_have_been_there() -> None:
    change = compare_update(look(dict.fromkeys(range(1000), 0)), {500: 1, 0: 1})

    assert (change.added, change.changed) == ([], ["0"])


def test_a_module_s_class_is_a_state_too() -> None:
    """Some programs keep what nodes share on a class."""

    class Shared:
        goal = "tea"

    before = look(Shared)

    Shared.goal = "honey"

    assert compare(before, Shared).changed == ["goal"]


def test_where_keys_are_named_no_others_are_looked_at() -> None:
    state: dict[str, Any] = {str(at): at for at in range(1000)}
    before = look(state, ["500", "new"])

    state.update({"500": 0, "0": 7, "new": 1})

    found = compare(before, state, ["500", "new"])
    assert (found.added, found.changed, found.size) == (["new"], ["500"], 2)


def test_an_update_may_say_that_it_is_a_dict_without_being_one() -> None:
    update = Mock(spec=dict)
    update.keys.return_value = ["name"]
    update.__getitem__ = lambda _, key: key

    assert compare_update(look({"name": "x"}), update).changed == ["name"]
