"""A toy engine in a module of its own, made anew for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

SOURCE = '''
"""Every way of being called that the machine knows."""
import asyncio
import functools
from contextlib import contextmanager


def helper(x):
    """A function of the module."""
    return x + 1


def decorated(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner


class Base:
    def inherited(self):
        return "inherited"


class Engine(Base):
    attribute = 7

    def run(self, count=1, action=None):
        return [self.node(i, action) for i in range(count)]

    def node(self, index, action=None):
        if action is not None:
            return action(index)
        return index

    def fail(self, error):
        raise error

    @classmethod
    def made(cls, x):
        return cls, x

    @staticmethod
    def free(x):
        return x

    async def arun(self, action=None):
        await asyncio.sleep(0)
        return action() if action else "async"

    @decorated
    async def hidden(self):
        await asyncio.sleep(0)
        return "hidden"

    def parts(self, count):
        """A generator that can be sent to and thrown into."""
        sent = []
        try:
            for i in range(count):
                try:
                    got = yield self.node(i)
                except KeyError as error:
                    got = repr(error)
                if got is not None:
                    sent.append(got)
        finally:
            self.closed = True
        return sent

    async def aparts(self, count):
        try:
            for i in range(count):
                await asyncio.sleep(0)
                try:
                    yield self.node(i)
                except KeyError:
                    yield "caught"
        finally:
            self.closed = True


class Stream:
    """A lazy result that is read by iteration, by ``take`` and closed by ``close``."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)
        self.was_closed = False

    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def take(self):
        chunk = next(self.chunks)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    def close(self):
        self.was_closed = True

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __aiter__(self):
        return self._aiter()

    async def _aiter(self):
        for chunk in self.chunks:
            await asyncio.sleep(0)
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    async def atake(self):
        await asyncio.sleep(0)
        try:
            chunk = next(self.chunks)
        except StopIteration:
            raise StopAsyncIteration from None
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk


class Model:
    def ask(self, text, tokens=(3, 2)):
        return {"text": text, "usage": tokens}

    def stream(self, chunks):
        return Stream(chunks)


class Node:
    def act(self):
        return "base"


class Left(Node):
    def act(self):
        return "left of " + super().act()


class Silent(Node):
    pass
'''


@pytest.fixture
def toy() -> Iterator[ModuleType]:
    """The toy engine, importable as ``toyengine`` and imported already."""
    module = ModuleType("toyengine")
    sys.modules["toyengine"] = module
    exec(compile(SOURCE, "toyengine.py", "exec"), module.__dict__)  # noqa: S102 - our own source
    yield module
    del sys.modules["toyengine"]
