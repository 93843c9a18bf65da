"""Which prompt was selected: told on the span in force, and named on the model calls inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

import flowspan
from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.testing import FakeProvider, Recording, record

MESSAGES: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def recording() -> Iterator[Recording]:
    with record(*discovery.built_in()) as recording:
        yield recording


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        yield client


def ask(client: openai.OpenAI) -> str:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    return answer.choices[0].message.content or ""


def named(recording: Recording) -> list[tuple[Any, Any]]:
    """Name and version of the prompt of each model call, in order."""
    return [
        (span.attributes.get(semconv.PROMPT_NAME), span.attributes.get(semconv.PROMPT_VERSION))
        for span in recording.spans.of_kind("llm")
        if span.attributes is not None
    ]


def selections(recording: Recording) -> list[tuple[str, dict[str, Any]]]:
    return [
        (span.name, dict(event.attributes or {}))
        for span in recording.spans
        for event in span.events
        if event.name == semconv.EVENT_PROMPT_SELECTED
    ]


def test_a_prompt_around_a_block_is_that_of_the_calls_inside(
    recording: Recording, client: openai.OpenAI
) -> None:
    with flowspan.node("write"):
        with flowspan.prompt(
            "outline", version="3", reason="long", candidates=["outline", "draft"]
        ):
            ask(client)
            with flowspan.agent("helper"):
                ask(client)
        ask(client)

    assert named(recording) == [("outline", "3"), ("outline", "3"), (None, None)]
    assert selections(recording) == [
        (
            "run_step write",
            {
                semconv.PROMPT_NAME: "outline",
                semconv.PROMPT_VERSION: "3",
                semconv.PROMPT_REASON: "long",
                semconv.PROMPT_CANDIDATES: ("outline", "draft"),
            },
        )
    ]


def test_a_prompt_of_a_function_reads_the_call(recording: Recording, client: openai.OpenAI) -> None:
    @flowspan.prompt("{template.name}", version="{template.version}", reason="{why}")
    def write(template: Any, why: str) -> str:
        return ask(client)

    class Template:
        name = "outline"
        version = 3

    with flowspan.run("article"):
        write(Template, "long")

    assert named(recording) == [("outline", 3)]
    assert selections(recording)[0][1][semconv.PROMPT_REASON] == "long"


def test_a_prompt_that_was_built_is_that_of_the_calls_that_follow(
    recording: Recording, client: openai.OpenAI
) -> None:
    """No model call happens where a text is put together."""

    @flowspan.prompt(version="2")
    def outline_prompt(topic: str) -> str:
        return f"Outline {topic}"

    with flowspan.node("outline"):
        outline_prompt("tea")
        ask(client)
    with flowspan.node("other"):
        ask(client)

    assert named(recording) == [("outline_prompt", "2"), (None, None)]


def test_what_a_function_found_out_may_be_the_prompt(
    recording: Recording, client: openai.OpenAI
) -> None:
    @flowspan.prompt("{result.name}", version="{result.version}")
    def select() -> Any:
        class Found:
            name = "draft"
            version = "7"

        return Found

    with flowspan.node("write"):
        select()
        ask(client)

    assert named(recording) == [("draft", "7")]


def test_prompts_of_tasks_in_one_node_are_not_mistaken(
    recording: Recording, provider: FakeProvider
) -> None:
    @flowspan.prompt("{name}")
    async def write(name: str, client: openai.AsyncOpenAI) -> None:
        await asyncio.sleep(0)
        await client.chat.completions.create(model=name, messages=MESSAGES)

    async def use() -> None:
        async with openai.AsyncOpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
            with flowspan.node("write"):
                await asyncio.gather(*(write(name, client) for name in "abc"))

    asyncio.run(use())

    models = recording.spans.of_kind("llm")
    assert len(models) == 3
    assert all(
        span.attributes is not None
        and span.attributes[semconv.PROMPT_NAME] == span.attributes[semconv.REQUEST_MODEL]
        for span in models
    )


def test_an_inner_prompt_comes_before_an_outer_one(
    recording: Recording, client: openai.OpenAI
) -> None:
    with flowspan.prompt("outer"), flowspan.node("write"):
        ask(client)
        with flowspan.prompt("inner"):
            ask(client)
        ask(client)
        flowspan.current().prompt("said")
        ask(client)

    assert [name for name, _ in named(recording)] == ["outer", "inner", "outer", "said"]


def test_a_prompt_of_a_generator_holds_while_its_parts_run(
    recording: Recording, client: openai.OpenAI
) -> None:
    @flowspan.prompt("parts")
    def parts() -> Iterator[str]:
        yield ask(client)
        yield ask(client)

    @flowspan.prompt("async parts")
    async def async_parts() -> AsyncIterator[str]:
        yield ask(client)

    async def use() -> None:
        async for _ in async_parts():
            ask(client)

    with flowspan.node("write"):
        for _ in parts():
            ask(client)
        asyncio.run(use())

    assert [name for name, _ in named(recording)] == [
        *("parts", None, "parts", None),
        *("async parts", None),
    ]


def test_a_prompt_that_a_failing_function_chose_is_not_kept(
    recording: Recording, client: openai.OpenAI
) -> None:
    @flowspan.prompt
    def broken() -> None:
        raise LookupError

    with flowspan.node("write"):
        with pytest.raises(LookupError):
            broken()
        ask(client)

    assert named(recording) == [(None, None)]
    assert recording.spans.tree() == "run_step write\n  chat gpt-4o-mini"


def test_one_mark_serves_several_tasks_at_a_time(
    recording: Recording, provider: FakeProvider
) -> None:
    mark = flowspan.prompt("shared")

    async def write(at: int, client: openai.AsyncOpenAI) -> None:
        with flowspan.node("write"):
            async with mark:
                for _ in range(at):
                    await asyncio.sleep(0)
                await client.chat.completions.create(model="m", messages=MESSAGES)
            await client.chat.completions.create(model="n", messages=MESSAGES)

    async def use() -> None:
        async with openai.AsyncOpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
            await asyncio.gather(*(write(at, client) for at in [3, 1, 2]))

    asyncio.run(use())

    assert (
        sorted(
            (str(span.attributes[semconv.REQUEST_MODEL]), span.attributes.get(semconv.PROMPT_NAME))
            for span in recording.spans.of_kind("llm")
            if span.attributes is not None
        )
        == [("m", "shared")] * 3 + [("n", None)] * 3
    )


def test_a_class_may_be_a_prompt(recording: Recording, client: openai.OpenAI) -> None:
    @flowspan.prompt(version="{self.version}")
    class Outline:
        version = "4"

        def __call__(self, topic: str) -> str:
            return topic

    with flowspan.node("write"):
        Outline()("tea")
        ask(client)

    assert named(recording) == [("Outline", "4")]


def test_outside_any_run_the_calls_inside_are_named_all_the_same(
    recording: Recording, client: openai.OpenAI
) -> None:
    with flowspan.prompt("alone", version="1"):
        ask(client)
    ask(client)

    assert named(recording) == [("alone", "1"), (None, None)]


def test_a_prompt_without_a_name_says_nothing(recording: Recording, client: openai.OpenAI) -> None:
    with flowspan.node("write"), flowspan.prompt(version="1"):
        ask(client)

    assert named(recording) == [(None, None)]
    assert selections(recording) == []
