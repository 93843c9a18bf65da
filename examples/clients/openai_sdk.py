"""OpenAI's SDK: an answer, a stream, a tool, and two questions at once."""

import asyncio
import json

from openai import AsyncOpenAI, OpenAI

MODEL = "gpt-4o"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def weather(city: str) -> str:
    return f"It rains in {city}."


def answer(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say this is a test"}]
    )
    print(completion.choices[0].message.content)


def stream(client: OpenAI) -> None:
    chunks = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Count from one to three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="")
    print()


def tool(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    while True:
        message = (
            client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
            .choices[0]
            .message
        )
        if not message.tool_calls:
            print(message.content)
            return
        messages.append(message)
        for call in message.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


async def together() -> None:
    async with AsyncOpenAI() as client:

        async def ask(question: str) -> str:
            completion = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": question}]
            )
            return completion.choices[0].message.content or ""

        print(await asyncio.gather(ask("first question"), ask("second question")))


if __name__ == "__main__":
    with OpenAI() as openai:
        answer(openai)
        stream(openai)
        tool(openai)
    asyncio.run(together())
