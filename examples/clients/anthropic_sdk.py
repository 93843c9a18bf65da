"""Anthropic's SDK: an answer, a stream with its final message, a tool."""

from anthropic import Anthropic

MODEL = "claude-sonnet-4-5"
TOOLS = [
    {
        "name": "weather",
        "description": "The weather in a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


def weather(city: str) -> str:
    return f"It rains in {city}."


def answer(client: Anthropic) -> None:
    message = client.messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "Hello, Claude"}]
    )
    print(message.content[0].text)


def stream(client: Anthropic) -> None:
    with client.messages.stream(
        model=MODEL,
        max_tokens=100,
        messages=[{"role": "user", "content": "Say hello there"}],
    ) as events:
        for text in events.text_stream:
            print(text, end="")
        print()
        print(events.get_final_message().stop_reason)


def tool(client: Anthropic) -> None:
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    while True:
        message = client.messages.create(
            model=MODEL, max_tokens=100, messages=messages, tools=TOOLS
        )
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            print(message.content[0].text)
            return
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": weather(**call.input)}
            for call in calls
        ]
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": results})


if __name__ == "__main__":
    with Anthropic() as anthropic:
        answer(anthropic)
        stream(anthropic)
        tool(anthropic)
