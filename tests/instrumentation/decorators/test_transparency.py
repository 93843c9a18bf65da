"""A decorated function is a function to everybody who looks at it."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import types
import typing
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import dill
import pytest

import flowspan
from flowspan.testing import record


def plain(one: int, /, other: str = "x", *more: float, key: bool = True, **rest: Any) -> list[int]:
    """What it does."""
    return [one]


async def coroutine(one: int) -> int:
    """What it does."""
    return one


def generator(one: int) -> Iterator[int]:
    """What it does."""
    yield one


async def async_generator(one: int) -> AsyncIterator[int]:
    """What it does."""
    yield one


KINDS = [plain, coroutine, generator, async_generator]

decorated_plain = flowspan.node(plain)
decorated_coroutine = flowspan.node(coroutine)


@flowspan.node
def by_name(one: int) -> int:
    return one


@flowspan.node
async def async_by_name(one: int) -> int:
    return one


class Desk:
    @flowspan.tool
    async def work(self) -> int:
        return 1

    @flowspan.tool
    def rest(self) -> int:
        return 2


@flowspan.agent
class Worker:
    def run(self) -> int:
        return 3


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize(
    "ask",
    [
        inspect.signature,
        inspect.getdoc,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isfunction,
        asyncio.iscoroutinefunction,
        typing.get_type_hints,
        inspect.getsource,
        inspect.getmodule,
        lambda function: isinstance(function, types.FunctionType),
        lambda function: function.__name__,
        lambda function: function.__qualname__,
        lambda function: function.__module__,
        lambda function: function.__annotations__,
    ],
)
def test_what_is_asked_of_a_function_is_answered_as_before(function: Any, ask: Any) -> None:
    assert ask(flowspan.node(function)) == ask(function)


@pytest.mark.parametrize("function", KINDS)
def test_wrong_arguments_are_refused_where_they_are_given(function: Any) -> None:
    with pytest.raises(TypeError, match=r"missing 1 required positional argument"):
        flowspan.node(function)()
    with record(), pytest.raises(TypeError, match=r"missing 1 required positional argument"):
        flowspan.node(function)()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [by_name, async_by_name, Desk.work, Desk.rest, Worker])
def test_it_pickles_by_its_name(function: Any, protocol: int) -> None:
    data = pickle.dumps(function, protocol)

    assert pickle.loads(data) is function
    assert b"flowspan" not in data


@pytest.mark.parametrize("method", [Desk().work, Desk().rest, Worker().run])
def test_bound_methods_pickle_with_their_instance(method: Any) -> None:
    found = pickle.loads(pickle.dumps(method))

    assert isinstance(found.__self__, Desk | Worker)
    assert found.__name__ == method.__name__


def test_what_its_name_does_not_find_pickles_as_the_original() -> None:
    assert pickle.loads(pickle.dumps(decorated_coroutine)) is coroutine


def test_picklers_by_value_take_the_function() -> None:
    @flowspan.node
    async def local(value: int) -> int:
        return value + 1

    found = dill.loads(dill.dumps(local))

    assert asyncio.run(found(1)) == 2


@pytest.mark.parametrize("function", [by_name, async_by_name])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_it_is_not_copied(function: Any, copied: Any) -> None:
    assert copied(function) is function


def test_a_method_reached_through_its_class_is_the_same_each_time() -> None:
    assert Desk.work is Desk.work
    assert Desk.rest is Desk.rest
    assert inspect.iscoroutinefunction(Desk().work)
    assert inspect.ismethod(Desk().work)


def test_attributes_may_be_set_on_it() -> None:
    function: Any = flowspan.node(coroutine)
    function.retries = 3

    assert function.retries == 3
    assert not hasattr(coroutine, "retries")
    assert not hasattr(function, "nothing")


def test_a_decorated_class_is_the_class() -> None:
    assert isinstance(Worker, type)
    assert isinstance(Worker(), Worker)
    assert Worker.__name__ == "Worker"
    assert inspect.signature(Worker.run) == inspect.signature(lambda self: None).replace(
        return_annotation="int"
    )


def test_a_function_that_nobody_needs_any_more_goes() -> None:
    """Functions that are made inside functions come and go; the machine keeps none of them."""
    with record():
        gone = []
        for decorated in (
            flowspan.node(lambda: 1),
            flowspan.node(coroutine_of(1)),
            flowspan.node("{one}")(lambda one=1: one),
        ):
            result = decorated()
            if inspect.iscoroutine(result):
                asyncio.run(result)
            gone.append(weakref.ref(decorated))
        del decorated, result
        gc.collect()

        assert [ref() for ref in gone] == [None, None, None]


def coroutine_of(value: int) -> Any:
    async def local() -> int:
        return value

    return local
