"""What cannot be meant is refused where it is written, whether flowspan is on or not."""
# ruff: noqa: E501 - a sentence is read at a glance where it is written as one

from __future__ import annotations

import functools
from typing import Any

import pytest

import flowspan as typed
from flowspan.testing import record

flowspan: Any = typed
"""Without its types, which refuse much of this already."""


def act(topic: str, depth: int = 1) -> None: ...


class Empty: ...


class Odd:
    run = 5


PROPERTY = property(lambda self: 1)
CACHED = functools.cached_property(lambda self: 1)

CASES: list[tuple[Any, Any, type[Exception], str]] = [
    (
        lambda: flowspan.node(5),
        None,
        TypeError,
        "flowspan.node cannot decorate int 5: it takes a function, a method, a class, or a name",
    ),
    (
        lambda: flowspan.node("x"),
        [1],
        TypeError,
        (
            "flowspan.node('x') cannot decorate list [1]: it takes a function, a method, a class, or a "
            "name"
        ),
    ),
    (
        lambda: flowspan.tool,
        PROPERTY,
        TypeError,
        "flowspan.tool cannot decorate a property: write it below the line @property",
    ),
    (
        lambda: flowspan.tool,
        CACHED,
        TypeError,
        "flowspan.tool cannot decorate a cached_property: write it below the line @cached_property",
    ),
    (
        lambda: flowspan.agent,
        Empty,
        TypeError,
        (
            "flowspan.agent cannot decorate the class Empty: it has none of the methods __call__, run, "
            "execute, forward, invoke; name the one that works by method=…"
        ),
    ),
    (
        lambda: flowspan.agent,
        Odd,
        TypeError,
        "flowspan.agent cannot decorate Odd.run: it is no method, name one by method=…",
    ),
    (
        lambda: flowspan.agent(method="think"),
        Empty,
        ValueError,
        (
            "flowspan.agent has method='think', which the class Empty does not have: name one of its "
            "methods"
        ),
    ),
    (
        lambda: flowspan.agent(method="__str__"),
        int,
        ValueError,
        (
            "flowspan.agent has method='__str__', which the class int does not have: name one of its "
            "methods"
        ),
    ),
    (
        lambda: flowspan.agent(method="bit_length"),
        int,
        TypeError,
        "flowspan.agent cannot decorate the class int: it is written in C; decorate a subclass",
    ),
    (
        lambda: flowspan.node("x", method="run"),
        act,
        TypeError,
        "flowspan.node('x') has method='run' for a class, and function",
    ),
    (
        lambda: flowspan.node("{topik}"),
        act,
        ValueError,
        (
            "flowspan.node('{topik}') has name='{topik}': the function has no argument \"topik\": did "
            'you mean "topic"?'
        ),
    ),
    (
        lambda: flowspan.node(id="{zzz}"),
        act,
        ValueError,
        (
            "flowspan.node has id='{zzz}': the function has no argument \"zzz\": expected one of topic, "
            "depth"
        ),
    ),
    (
        lambda: flowspan.node(x="{a}"),
        lambda: None,
        ValueError,
        (
            "flowspan.node has x='{a}': the function has no argument \"a\": expected one of none, it "
            "takes no arguments"
        ),
    ),
    (
        lambda: flowspan.node("{result}"),
        act,
        ValueError,
        "flowspan.node('{result}') has name='{result}': \"result\" is not known before the call",
    ),
    (
        lambda: flowspan.node(x="{before.y}"),
        act,
        ValueError,
        "flowspan.node has x='{before.y}': \"before\" is not known before the call",
    ),
    (
        lambda: flowspan.node("{self.name}"),
        act,
        ValueError,
        (
            "flowspan.node('{self.name}') has name='{self.name}': \"self\" is not known, the function "
            "is no method"
        ),
    ),
    (
        lambda: flowspan.node("{topic"),
        act,
        ValueError,
        (
            "flowspan.node('{topic') has name='{topic': \"{topic\" has a single \"{\": expected {path}, "
            "or {{ or }}"
        ),
    ),
    (
        lambda: flowspan.node(x="{topic.}"),
        act,
        ValueError,
        (
            'flowspan.node has x=\'{topic.}\': "topic." is no path: expected a name after ".", found '
            "the end at character 7"
        ),
    ),
    (
        lambda: flowspan.node(x=object),
        act,
        TypeError,
        (
            "flowspan.node has x=<class 'object'>: expected a text, a number, a boolean or a list of "
            "such; in a decorator a text reads the call by {paths}"
        ),
    ),
    (
        lambda: flowspan.node(attributes=["x"]),
        act,
        TypeError,
        "flowspan.node has attributes=['x']: expected a dict of names and values",
    ),
    (
        lambda: flowspan.node(state={"a": 1}),
        act,
        TypeError,
        "flowspan.node has state={'a': 1}: in a decorator expected a path, as state=\"shared\"",
    ),
    (
        lambda: flowspan.node(state="{topic}"),
        act,
        ValueError,
        (
            "flowspan.node has state='{topic}': \"{topic}\" is no path: expected a name, a dot or an "
            'item, found "{" at character 1; here it stands without braces'
        ),
    ),
    (
        lambda: flowspan.node(quiet=7),
        act,
        TypeError,
        "flowspan.node has quiet=7: expected exceptions, or their names",
    ),
    (
        lambda: flowspan.prompt(version="{v}"),
        act,
        ValueError,
        (
            "flowspan.prompt has version='{v}': the function has no argument \"v\": expected one of "
            "topic, depth"
        ),
    ),
]


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
@pytest.mark.parametrize(("mark", "target", "kind", "sentence"), CASES)
def test_bad_use_is_one_clear_sentence(
    mark: Any, target: Any, kind: type[Exception], sentence: str, *, on: bool
) -> None:
    def use() -> None:
        with pytest.raises(kind) as refused:
            found = mark()
            if target is not None:
                found(target)
        assert str(refused.value).startswith(sentence)
        assert "\n" not in str(refused.value)

    if on:
        with record():
            use()
    else:
        use()


def test_any_argument_may_be_named_where_the_function_takes_any() -> None:
    @typed.tool(topic="{topic}", first="{args[0]}")
    def free(*args: Any, **kwargs: Any) -> None: ...

    with record() as recording:
        free("a", topic="tea")

    attributes = recording.spans.one().attributes
    assert attributes is not None
    assert (attributes["topic"], attributes["first"]) == ("tea", "a")


def test_a_role_around_a_block_needs_a_name() -> None:
    with pytest.raises(TypeError, match=r'name around a block: with flowspan.node\("name"\):'):
        flowspan.node.__enter__()


def test_unknown_options_of_a_prompt_are_python_s_to_refuse() -> None:
    with pytest.raises(TypeError, match="topic"):
        flowspan.prompt("x", topic="y")
